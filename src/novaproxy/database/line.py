"""A connection of one's own that is opened when it is needed, and again after it was lost."""

import asyncio
from collections.abc import Mapping

from novaproxy.database.pool import SoleConnection, Target, opened_connection

_CLOSE_SECONDS = 2.0


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
            return self._connection

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
