"""Look-ups in the database: what is asked while one is under way is the next one, in one statement.

So a thousand strangers at once take one connection of the pool, and an order that many ask for is read once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

from novaproxy.gateway.refusals import GatewayUnavailable

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

AT_ONCE = 256
"""How many keys one statement looks up at most."""

MOST_WAITING = 2_048
"""How many keys may wait for a statement; who comes then is told to try again."""

LOOK_UP_SECONDS = 3.0
"""How long anybody waits for an answer."""


class LookUps(Generic[Key, Answer]):
    """Answers by key. *read* gets some keys and returns an answer for each; *failed* hears of its errors."""

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Answer]]],
        failed: Callable[[Exception], None],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._read = read
        self._failed = failed
        self._most_waiting = most_waiting
        self._waiting: dict[Key, asyncio.Future[Answer | None]] = {}
        self._under_way: dict[Key, asyncio.Future[Answer | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: Key) -> Answer:
        """Return the answer for *key*; who asks for one that is under way gets the same.

        Raises:
            GatewayUnavailable: the database is away or slow, or too many ask.
        """
        asked = self._under_way.get(key) or self._waiting.get(key)
        if asked is None:
            if len(self._waiting) >= self._most_waiting:
                raise GatewayUnavailable
            asked = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_all())
        try:
            # Somebody who goes away takes the answer from nobody.
            found = await asyncio.wait_for(asyncio.shield(asked), LOOK_UP_SECONDS)
        except TimeoutError:
            raise GatewayUnavailable from None
        if found is None:
            raise GatewayUnavailable
        return found

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), AT_ONCE))
                for key in batch:
                    del self._waiting[key]
                self._under_way = batch
                found = await self._read_guarded(list(batch))
                self._under_way = {}
                _answer(batch, found)
        finally:
            unanswered = {**self._under_way, **self._waiting}
            self._reading, self._under_way, self._waiting = None, {}, {}
            _answer(unanswered, {})

    async def _read_guarded(self, keys: Sequence[Key]) -> Mapping[Key, Answer]:
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self._read(keys)
        except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait must hear of it
            self._failed(error)
            return {}

    async def close(self) -> None:
        """Read no more; who waits is told so."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading


def _answer(batch: Mapping[Key, asyncio.Future[Answer | None]], found: Mapping[Key, Answer]) -> None:
    for key, asked in batch.items():
        if not asked.done():
            asked.set_result(found.get(key))
