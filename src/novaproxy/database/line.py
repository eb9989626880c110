"""A connection of one's own that is opened when it is needed, and again after it was lost."""

import asyncio
import time
from collections.abc import Mapping

from novaproxy.database.pool import SoleConnection, Target, opened_connection

_PLANS_USED_FIRST = 8
_CLOSE_SECONDS = 2.0
_REST_SECONDS = 0.5
_SILENT_SECONDS = 2.0
"""How long a session that is always in some transaction keeps its statistics to itself."""


class Line:
    """One connection to *database* at a time, with *settings* over those of every session.

    *command_timeout* (seconds) bounds each command also where the server does not answer at all.
    """

    def __init__(self, database: Target, *, command_timeout: float, settings: Mapping[str, str]) -> None:
        self._database = database
        self._command_timeout = command_timeout
        self._settings = settings
        self._connection: SoleConnection | None = None
        self._opening = asyncio.Lock()
        self._uses = 0
        self._plans_last_until = _PLANS_USED_FIRST
        self._outside_at = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that is not known to be lost."""
        return self._connection is not None and not self._connection.is_closed()

    async def connection(self) -> SoleConnection:
        """Return the connection, opened where there is none."""
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await opened_connection(
                    self._database, command_timeout=self._command_timeout, **self._settings
                )
                self._uses, self._plans_last_until = 0, _PLANS_USED_FIRST
            return self._connection

    async def for_use(self) -> SoleConnection:
        """Return the connection for one more use; each time it was used twice as often, the server plans anew.

        A plan that is kept since the tables were empty scans whole what has grown since. The server itself throws it
        away with the next ANALYZE, which comes a minute later or more.
        """
        connection = await self.connection()
        self._uses += 1
        if self._uses > self._plans_last_until:
            self._plans_last_until *= 2
            await connection.execute("DISCARD PLANS")
        return connection

    def chains(self) -> bool:
        """Return whether the next transaction may begin with this one's end; every few seconds it may not.

        A session tells what it changed only where it is in no transaction, and autovacuum goes by that.
        """
        now = time.monotonic()
        if now - self._outside_at < _SILENT_SECONDS:
            return True
        self._outside_at = now
        return False

    async def rest(self) -> None:
        """End the transaction that was begun beforehand, where there is one; cut a line that does not do so at once."""
        # Of a connection that was cut the driver cannot be asked.
        if self._connection is None or self._connection.is_closed() or not self._connection.is_in_transaction():
            return
        try:
            await self._connection.execute("ROLLBACK", timeout=_REST_SECONDS)
        except Exception:  # noqa: BLE001 -- nothing is lost with it, and the next connection tells what is wrong
            self.drop()

    def drop(self) -> None:
        """Cut it, without a word to the server."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close it in peace, or cut it where that takes long."""
        if self._connection is not None:
            try:
                await self._connection.close(timeout=_CLOSE_SECONDS)
            except Exception:  # noqa: BLE001 -- it is gone either way
                self._connection.terminate()
            self._connection = None
