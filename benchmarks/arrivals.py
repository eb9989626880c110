"""Open loop: orders arrive at a fixed rate, whatever is answered, as customers do who do not know of each other.

A closed loop waits for a slow answer before it asks again, and so leaves out the very moments that are slow
(coordinated omission). Here an order's time goes from the moment at which it was due.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from benchmarks.shop import query
from benchmarks.wire import order_uuid, request_bytes

CONNECTIONS = 128
MOST_LINES = 8_000
TICK_SECONDS = 0.001
LAST_ANSWER_SECONDS = 15.0


@dataclass(slots=True)
class Flood:
    """What one run saw. Times are in seconds from the moment at which an order was due, whether or not it could go."""

    due: int = 0
    seconds: float = 0.0
    uuids: list[bytes] = field(default_factory=list)
    placed: list[float] = field(default_factory=list)
    refused: dict[int, list[float]] = field(default_factory=dict)
    without_retry_after: int = 0
    broken: int = 0

    @property
    def answered(self) -> int:
        """How many had an answer, or will have none."""
        return len(self.placed) + sum(map(len, self.refused.values())) + self.broken

    def note(self, head: bytes, body: bytes, seconds: float) -> None:
        """Note an answer."""
        status, uuid = int(head[9:12]), order_uuid(body)
        if status == 201 and uuid is not None:
            self.placed.append(seconds)
            self.uuids.append(uuid)
            return
        self.refused.setdefault(status, []).append(seconds)
        self.without_retry_after += b"\r\nretry-after:" not in head


class _Line(asyncio.Protocol):
    """A connection that is free, or waits for one answer."""

    def __init__(self, flood: Flood, free: deque["_Line"]) -> None:
        self._flood = flood
        self._free = free
        self._buffer = b""
        self._due_at = 0.0
        self._is_waiting = False
        self.is_open = True
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class that asyncio knows.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due_at: float) -> None:
        if self._transport is not None:
            self._due_at, self._is_waiting = due_at, True
            self._transport.write(request)

    def data_received(self, received: bytes) -> None:
        self._buffer += received
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._buffer, self._is_waiting = rest[length:], False
        self._flood.note(head, rest[:length], time.perf_counter() - self._due_at)
        self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- as asyncio calls it
        self.is_open = False
        self._flood.broken += self._is_waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Generator:
    """Lets orders be due at a fixed rate, each on a connection that is free, else on a new one."""

    def __init__(self, port: int, accounts: int, seed: int) -> None:
        self.flood = Flood()
        self._port = port
        self._accounts = accounts
        self._random = random.Random(seed)  # noqa: S311 -- a repeatable choice of accounts
        self._free: deque[_Line] = deque()
        self._lines: list[_Line] = []
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float) -> Flood:
        """Let *rate* orders a second be due for *seconds*, and wait for the last answers."""
        await asyncio.gather(*(self._open(None, 0.0) for _ in range(CONNECTIONS)))
        flood, began_at = self.flood, time.perf_counter()
        flood.seconds = seconds
        while (elapsed := time.perf_counter() - began_at) < seconds:
            while flood.due < elapsed * rate:
                self._send(began_at + flood.due / rate)
                flood.due += 1
            await asyncio.sleep(TICK_SECONDS)
        deadline = time.perf_counter() + LAST_ANSWER_SECONDS
        while flood.answered < flood.due and time.perf_counter() < deadline:  # noqa: ASYNC110 -- all of them count
            await asyncio.sleep(0.01)
        for line in self._lines:
            line.close()
        return flood

    def _send(self, due_at: float) -> None:
        request = request_bytes(self._port, self._random.randint(1, self._accounts))
        while self._free and not self._free[-1].is_open:
            self._free.pop()
        if self._free:
            self._free.pop().send(request, due_at)
        elif len(self._lines) + len(self._opening) < MOST_LINES:
            task = asyncio.get_running_loop().create_task(self._open(request, due_at))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            self.flood.broken += 1

    async def _open(self, request: bytes | None, due_at: float) -> None:
        line = _Line(self.flood, self._free)
        try:
            await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", self._port)
        except OSError:
            self.flood.broken += request is not None
            return
        self._lines.append(line)
        if request is None:
            self._free.append(line)
        else:
            line.send(request, due_at)


def arrived(port: int, accounts: int, rate: float, seconds: float, seed: int) -> Flood:
    """Let *rate* orders a second of the first *accounts* accounts be due for *seconds*, and return what was seen."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Generator(port, accounts, seed).run(rate, seconds))


def percentile_ms(times: Sequence[float], share: float) -> float:
    """Return the time within which *share* of the answers came, in milliseconds; 0 where there are none."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def missing_orders(target: Any, uuids: Sequence[bytes]) -> int:  # noqa: ANN401 -- asyncpg's own arguments
    """Return how many of the orders that were answered with 201 are not in the database."""
    asked = [uuid.decode() for uuid in uuids]
    kept: int = query(target, "SELECT count(*) FROM orders WHERE uuid = ANY ($1::uuid[])", asked)[0][0]
    return len(asked) - kept
