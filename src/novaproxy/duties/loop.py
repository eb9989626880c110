"""The loop that keeps duties: each runs at its time, once however many services stand on one database."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from novaproxy.database.outage import Outage
from novaproxy.database.pool import (
    COMMAND_TIMEOUT_SECONDS,
    LOST,
    SoleConnection,
    Target,
    facts,
    is_outage,
    opened_connection,
)
from novaproxy.metrics.figures import Metrics

_ADVISORY_LOCKS = 0x4E6F7664
"""The class of the locks that are held while a duty runs ("Novd"); in it each duty has its own number."""

_IDLE_SECONDS = 60.0
"""A duty that rests longer keeps no connection meanwhile."""

_CLOSE_SECONDS = 2.0

_LOCKING = {"idle_session_timeout": "60s"}
"""For duties with a lock: the server takes it back from a process that is frozen. No duty rests that long in a run."""

log = structlog.get_logger("novaproxy.duties")


@dataclass(frozen=True, slots=True)
class Duty:
    """What is done again and again.

    Attributes:
        name: as the log tells it.
        every_seconds: from the end of one run to the next.
        work: one run, on a connection of the duty's own, outside a transaction.
        lock: its advisory lock's number; None: each service does it for itself.
        first_after_seconds: from the start to the first run.
        rests: how many times longer than a run the rest after it lasts at least: 100 keeps a run that grows with the
            shop to one percent of the time.
        timeout_seconds: the longest that one command of it may take.
        session: settings of its connection, over those of every session.
    """

    name: str
    every_seconds: float
    work: Callable[[SoleConnection], Awaitable[None]]
    lock: int | None = None
    first_after_seconds: float = 0.0
    rests: int = 0
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
    session: Mapping[str, str] = field(default_factory=dict)


async def keep_duties(duties: Sequence[Duty], database: Target, metrics: Metrics, end: asyncio.Event) -> None:
    """Keep *duties* until *end* is set; a run under way is then given up, and the server rolls it back."""
    outage = Outage()
    keepers = [_Keeper(duty, database, metrics, outage) for duty in duties]
    keeping = [asyncio.create_task(keeper.keep()) for keeper in keepers]
    ending = asyncio.create_task(end.wait())
    try:
        done, _ = await asyncio.wait([ending, *keeping], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            # A loop that broke ends the process; the supervisor starts another.
            task.result()
    finally:
        for keeper in keepers:
            keeper.end()
        for task in (ending, *keeping):
            task.cancel()
        await asyncio.gather(ending, *keeping, return_exceptions=True)


class _Keeper:
    """Keeps one duty."""

    def __init__(self, duty: Duty, database: Target, metrics: Metrics, outage: Outage) -> None:
        self._duty = duty
        self._database = database
        self._metrics = metrics
        self._outage = outage
        self._connection: SoleConnection | None = None
        self._is_ending = False

    async def keep(self) -> None:
        """Run the duty at its times, without end."""
        await asyncio.sleep(self._duty.first_after_seconds)
        while True:
            began_at = time.monotonic()
            await self._run_guarded()
            took_seconds = time.monotonic() - began_at
            await asyncio.sleep(max(self._duty.every_seconds, self._duty.rests * took_seconds))

    async def _run_guarded(self) -> None:
        """Run the duty; a run that fails is told and tried again at the next time."""
        try:
            await self._run_anew()
        except Exception as error:
            if self._is_ending:
                raise
            # Whatever the run still holds, its lock too, ends with the connection.
            self._drop_connection()
            if is_outage(error):
                self._outage.met(error)
                self._metrics.set_database_up(is_up=False)
            else:
                log.error("duty failed", duty=self._duty.name, **facts(error))
        else:
            self._outage.over()
            self._metrics.set_database_up(is_up=True)
            if self._duty.every_seconds >= _IDLE_SECONDS:
                await self._close_connection()

    async def _run_anew(self) -> None:
        """Run the duty; once more on another connection where the first one turned out to be lost."""
        try:
            await self._run(await self._own_connection())
        except LOST as error:
            if self._is_ending or not is_outage(error):
                raise
            self._drop_connection()
            await self._run(await self._own_connection())

    async def _run(self, connection: SoleConnection) -> None:
        if self._duty.lock is None:
            await self._duty.work(connection)
        elif await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _ADVISORY_LOCKS, self._duty.lock):
            await self._duty.work(connection)
            await connection.execute("SELECT pg_advisory_unlock($1, $2)", _ADVISORY_LOCKS, self._duty.lock)

    async def _own_connection(self) -> SoleConnection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await opened_connection(
                self._database, command_timeout=self._duty.timeout_seconds, **self._session()
            )
        return self._connection

    def _session(self) -> Mapping[str, str]:
        return self._duty.session if self._duty.lock is None else {**_LOCKING, **self._duty.session}

    async def _close_connection(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.close(timeout=_CLOSE_SECONDS)
        self._drop_connection()

    def end(self) -> None:
        """Give the run under way up, also where the server does not answer; the task is then to be cancelled."""
        self._is_ending = True
        self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
