"""An outage of the database in the log: one line when it begins, one when it is over; not one a request."""

import asyncio
import time
from contextlib import suppress

import structlog

from novaproxy.database.pool import Pool

PROBE_SECONDS = 0.5
QUIET_SECONDS = 2.0
"""How long nothing may have failed before an outage counts as over: on a full disk some of the work goes on."""

log = structlog.get_logger("novaproxy.database")


class Outage:
    """Whether the database is away, as one process sees it."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._met_at = 0.0
        self._failed = 0

    @property
    def is_on(self) -> bool:
        """Whether it is away."""
        return self._began_at is not None

    @property
    def quiet_seconds(self) -> float:
        """How long ago something last failed."""
        return time.monotonic() - self._met_at

    def met(self, error: BaseException, failed: int = 1) -> None:
        """Note that *failed* requests, orders or duties could not be served because of *error*."""
        self._met_at = time.monotonic()
        self._failed += failed
        if self._began_at is None:
            self._began_at = self._met_at
            log.warning("database away", error=type(error).__name__)

    def over(self) -> None:
        """Note that the database answers."""
        if self._began_at is not None:
            log.info("database back", seconds=round(time.monotonic() - self._began_at, 1), failed=self._failed)
            self._began_at = None
            self._failed = 0


class OutageWatch:
    """Notes an outage that requests meet, and asks *pool* until it is over, so that its end needs no request."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._outage = Outage()
        self._probing: asyncio.Task[None] | None = None

    def met(self, error: BaseException, failed: int = 1) -> None:
        """Note that *failed* requests or orders could not be served because of *error*."""
        self._outage.met(error, failed)
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        while self._outage.is_on:
            await asyncio.sleep(PROBE_SECONDS)
            if self._outage.quiet_seconds > QUIET_SECONDS and await self._answers():
                self._outage.over()
        self._probing = None

    async def _answers(self) -> bool:
        try:
            await self._pool.fetchval("SELECT 1")
        except Exception:  # noqa: BLE001 -- whatever it is, this is no answer
            return False
        return True

    async def close(self) -> None:
        """Stop asking."""
        if self._probing is not None:
            self._probing.cancel()
            with suppress(asyncio.CancelledError):
                await self._probing
