"""Orders aside: those of batches that could not be placed together are placed alone, so that the lanes go on.

Somebody holds the lock of an account or of a code, and each who wants it waits on a connection of the pool, one at a
time for each token. Whoever comes meanwhile with such a token or code follows aside, so that not every batch waits for
that lock, and returns to the queue when one of them has found it free.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext

from novaproxy.http.refusals import Busy
from novaproxy.orders.lanes import Waiting
from novaproxy.orders.model import Ask
from novaproxy.orders.placing import Answer
from novaproxy.orders.store import asked_code

MOST_WITH_CODE = 4
"""How many of the connections aside orders with a discount code may have at once: where a code is locked, they all wait
for it, and those without one must not stand behind them."""

LONGEST_SECONDS = 6.0
"""Who waits longer than this for his turn aside is refused."""


class Aside:
    """Who stands aside. *place_alone* places one, and tells whether he found account and code free.

    It may answer those behind him too. *return_to_queue* takes who need not stand here any more; *start* runs a task.
    """

    def __init__(
        self,
        place_alone: Callable[[Waiting, deque[Waiting]], Awaitable[bool]],
        return_to_queue: Callable[[Waiting], None],
        start: Callable[[Coroutine[None, None, None]], object],
    ) -> None:
        self._place_alone = place_alone
        self._return_to_queue = return_to_queue
        self._start = start
        self._queues: dict[bytes, deque[Waiting]] = {}
        self._codes: Counter[str] = Counter()
        self._locked_codes: set[str] = set()
        self._with_code = asyncio.Semaphore(MOST_WITH_CODE)
        self._is_closing = False

    def __len__(self) -> int:
        """Return how many wait for their turn."""
        return sum(len(queue) for queue in self._queues.values())

    def holds(self, ask: Ask) -> bool:
        """Return whether the common batch would wait for what is waited for here: his account, or his code."""
        return ask.token_hash in self._queues or (bool(self._locked_codes) and asked_code(ask) in self._locked_codes)

    def add(self, waiting: Waiting) -> None:
        """Let *waiting* stand here; where a batch with him could not be placed, his account or code is locked."""
        self._note_code(waiting)
        token = waiting.ask.token_hash
        if token in self._queues:
            self._queues[token].append(waiting)
        else:
            self._queues[token] = deque([waiting])
            self._start(self._serve(token))

    def close(self) -> None:
        """Let nobody return to a queue that ends; those that stand here are still served."""
        self._is_closing = True

    def _note_code(self, waiting: Waiting) -> None:
        code = asked_code(waiting.ask)
        if code is None or waiting.answer.done():
            return
        self._codes[code] += 1
        if waiting.was_in_batch:
            self._locked_codes.add(code)

        def forget(_answer: asyncio.Future[Answer]) -> None:
            self._codes[code] -= 1
            if not self._codes[code]:
                del self._codes[code]
                self._locked_codes.discard(code)

        waiting.answer.add_done_callback(forget)

    async def _serve(self, token: bytes) -> None:
        queue, is_locked = self._queues[token], False
        while queue:
            waiting = queue.popleft()
            code = asked_code(waiting.ask)
            if not is_locked and self._returns(waiting, code):
                continue
            async with self._with_code if code is not None else nullcontext():
                if time.monotonic() - waiting.arrived_at > LONGEST_SECONDS:
                    waiting.give(Busy())
                elif is_locked or not self._returns(waiting, code):
                    is_locked = not await self._place_alone(waiting, queue)
                    if not is_locked and code is not None:
                        self._locked_codes.discard(code)
        del self._queues[token]

    def _returns(self, waiting: Waiting, code: str | None) -> bool:
        """Let *waiting*, who only followed others here, stand in the queue again, where what they wait for is free."""
        if waiting.was_in_batch or self._is_closing or code in self._locked_codes:
            return False
        # His time in the queue begins now: who waited for a lock is not the one to be refused for it.
        waiting.arrived_at = time.monotonic()
        self._return_to_queue(waiting)
        return True


def taken_alike(waiting: Waiting, behind: deque[Waiting]) -> list[Waiting]:
    """Take those out of *behind* who want the lock that *waiting* did not get, and return them.

    It may be his code's: who orders without it, for the same account, may still find that free.
    """
    code, alike = asked_code(waiting.ask), []
    for _ in range(len(behind)):
        other = behind.popleft()
        if code is None or asked_code(other.ask) == code:
            alike.append(other)
        else:
            behind.append(other)
    return alike
