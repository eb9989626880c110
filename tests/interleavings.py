"""Pieces of work on one database, two or more, held at each of their round trips and run in any order of these (T2).

A schedule says who takes the next step. A step is one round trip: it ends when its answer is there, or when the
database says that it waits for a lock of another's (``pg_blocking_pids``, no sleeping); whoever waits is passed over
until he is let go.
"""
# ruff: noqa: ANN401 -- what is passed on to the driver, and what it returns

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Self

import asyncpg

from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.errors import OperatorError

Work = Callable[[Any], Awaitable[object]]
"""A piece of work; it is given a connection that waits for its turn before each round trip."""

_POLL_SECONDS = 0.001


class Stepped:
    """A connection whose every round trip waits for its turn."""

    def __init__(self, connection: SoleConnection) -> None:
        self._connection = connection
        self._turn = asyncio.Event()
        self.is_parked = asyncio.Event()
        self.round_trips = 0

    async def _stepping(self) -> None:
        self.is_parked.set()
        await self._turn.wait()
        self._turn.clear()
        self.round_trips += 1

    def step(self) -> None:
        """Let the next round trip begin."""
        self.is_parked.clear()
        self._turn.set()

    async def fetch(self, *words: Any) -> Any:
        await self._stepping()
        return await self._connection.fetch(*words)

    async def fetchrow(self, *words: Any) -> Any:
        await self._stepping()
        return await self._connection.fetchrow(*words)

    async def fetchval(self, *words: Any) -> Any:
        await self._stepping()
        return await self._connection.fetchval(*words)

    async def execute(self, *words: Any) -> Any:
        await self._stepping()
        return await self._connection.execute(*words)

    def is_in_transaction(self) -> bool:
        return self._connection.is_in_transaction()

    def transaction(self, **options: Any) -> "SteppedTransaction":
        return SteppedTransaction(self, self._connection.transaction(**options))

    def terminate(self) -> None:
        self._connection.terminate()


class SteppedTransaction:
    """A transaction whose begin and end are round trips too."""

    def __init__(self, stepped: Stepped, transaction: asyncpg.transaction.Transaction) -> None:
        self._stepped = stepped
        self._transaction = transaction

    async def start(self) -> None:
        await self._stepped._stepping()  # noqa: SLF001 -- one harness
        await self._transaction.start()

    async def commit(self) -> None:
        await self._stepped._stepping()  # noqa: SLF001 -- one harness
        await self._transaction.commit()

    async def rollback(self) -> None:
        await self._stepped._stepping()  # noqa: SLF001 -- one harness
        await self._transaction.rollback()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.commit() if kind is None else self.rollback())


@dataclass(slots=True)
class Session:
    """One of them: its connection, and the work that it does."""

    connection: SoleConnection
    pid: int
    stepped: Stepped = field(init=False)
    task: "asyncio.Task[object]" = field(init=False)

    def begin(self, work: Work) -> None:
        """Start *work*; it parks before its first round trip."""
        self.stepped = Stepped(self.connection)
        self.task = asyncio.create_task(_outcome(work, self.stepped))


async def _outcome(work: Work, stepped: Stepped) -> object:
    try:
        return await work(stepped)
    except OperatorError as refusal:
        return f"refused: {refusal}"
    except asyncpg.PostgresError as error:
        # No serial order brings one of these: it shows as an outcome of its own.
        return f"{type(error).__name__}: {error}"


@dataclass(slots=True)
class Stage:
    """The sessions, and one more that sees who waits for whom."""

    sessions: Sequence[Session]
    watcher: SoleConnection

    async def run(self, works: Sequence[Work], schedule: Sequence[int]) -> list[object]:
        """Return the outcomes of *works*, whose round trips come in the order of *schedule* (numbers of works)."""
        acting = self.sessions[: len(works)]
        for session, work in zip(acting, works, strict=True):
            session.begin(work)
        for turn in schedule:
            await self._step(acting, acting[turn])
        turn = 0
        while not all(session.task.done() for session in acting):
            await self._step(acting, acting[turn])
            turn = (turn + 1) % len(acting)
        return [session.task.result() for session in acting]

    async def _step(self, acting: Sequence[Session], session: Session) -> None:
        for one in acting:
            await self._settled(one)
        if session.stepped.is_parked.is_set() and not session.task.done():
            session.stepped.step()
            await self._settled(session)

    async def _settled(self, session: Session) -> None:
        """Wait until a session is parked, done, or waits for a lock."""
        while not (session.stepped.is_parked.is_set() or session.task.done()):
            parking = asyncio.create_task(session.stepped.is_parked.wait())
            await asyncio.wait({parking, session.task}, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            parking.cancel()
            if not (session.stepped.is_parked.is_set() or session.task.done()) and await self._waits(session):
                return

    async def _waits(self, session: Session) -> bool:
        return bool(await self.watcher.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", session.pid))


async def opened_stage(target: Target, number: int = 2) -> Stage:
    """Return a stage on *target* with *number* sessions."""
    watcher, *sessions = [await opened_connection(target) for _ in range(number + 1)]
    return Stage([_session(connection) for connection in sessions], watcher)


def _session(connection: SoleConnection) -> Session:
    return Session(connection, connection.get_server_pid())


def schedules(random: Random, lengths: Sequence[int], number: int) -> Iterator[tuple[int, ...]]:
    """Yield *number* interleavings of works of *lengths* round trips, drawn evenly from all."""
    turns = [work for work, length in enumerate(lengths) for _ in range(length)]
    for _ in range(number):
        random.shuffle(turns)
        yield tuple(turns)
