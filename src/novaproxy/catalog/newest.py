"""The newest revision as everybody may read it, without asking the database each time (docs/adr/0024)."""

import asyncio
import time
from collections.abc import Callable

from novaproxy.catalog.listing import EMPTY
from novaproxy.catalog.resource import Showcase, showcase
from novaproxy.catalog.store import Shelf
from novaproxy.database.pool import Connection, Pool, read

KNOWN_SECONDS = 0.05
"""How long what was looked up is answered with. A revision that is older than that is known to every process, which is
what ``catalog apply`` waits for before it ends."""


class Newest:
    """Looks the newest revision up, for all who ask within a moment at once."""

    def __init__(self, pool: Pool, shelf: Shelf, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._shelf = shelf
        self._clock = clock
        self._looked_at = float("-inf")
        self._seen = showcase(EMPTY)
        self._looking: asyncio.Task[float] | None = None

    async def showcase(self) -> Showcase:
        """Return what was the newest revision KNOWN_SECONDS ago, or is newer."""
        asked_at = self._clock()
        # An order that saw another revision put that one on the shelf: no need to wait any longer.
        if self._looked_at <= asked_at - KNOWN_SECONDS or self._shelf.held is not self._seen:
            await self._look(asked_at)
        return self._seen

    async def _look(self, asked_at: float) -> None:
        """Wait for a look that began late enough; the one under way may be too old, the next one never is."""
        looked_at = float("-inf")
        while looked_at <= asked_at - KNOWN_SECONDS:
            if self._looking is None:
                self._looking = asyncio.create_task(self._looked())
            # Whoever leaves does not end it for the others.
            looked_at = await asyncio.shield(self._looking)

    async def _looked(self) -> float:
        """Look, and return when that began: from then on nothing older was seen."""
        began_at = self._clock()

        async def newest(connection: Connection) -> Showcase:
            nonlocal began_at
            began_at = self._clock()
            return await self._shelf.current(connection)

        try:
            self._seen = await read(self._pool, newest)
            self._looked_at = began_at
        finally:
            self._looking = None
        return began_at
