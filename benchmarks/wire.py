"""A load generator: closed loop, raw HTTP on keep-alive connections, so that it takes little of the machine itself."""

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

_UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
BODY = b'{"plan":"residential","bandwidth":2}'


@dataclass(slots=True)
class Run:
    """What one run saw: the uuids of its 201s, other statuses by count, and each answer's time in seconds."""

    seconds: float
    uuids: list[bytes] = field(default_factory=list)
    refusals: dict[int, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """201s a second."""
        return len(self.uuids) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """Return the time within which *share* of the answers came, in milliseconds."""
        ordered = sorted(self.times)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request_bytes(port: int, account: int, body: bytes = BODY) -> bytes:
    """Return an order of one of the loaded accounts as it goes over the line."""
    return (
        b"POST /orders HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer bench-%d\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (port, account, len(body), body)
    )


def order_uuid(body: bytes) -> bytes | None:
    """Return the order's uuid, None where *body* is no order's."""
    found = _UUID.search(body)
    return found[1] if found else None


class _Client(asyncio.Protocol):
    """One connection: sends the next order as soon as the last one is answered."""

    def __init__(self, requests: Sequence[bytes], run: Run, end: float, seed: int) -> None:
        self._requests = requests
        self._run = run
        self._end = end
        self._random = random.Random(seed)  # noqa: S311 -- a repeatable choice of accounts
        self._buffer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class that asyncio knows.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        now = time.perf_counter()
        if self._transport is None or now >= self._end:
            if self._transport is not None:
                self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent_at = now
        self._transport.write(self._random.choice(self._requests))

    def data_received(self, received: bytes) -> None:
        self._buffer += received
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._buffer) < head_end + 4 + length:
            return
        body, self._buffer = self._buffer[head_end + 4 : head_end + 4 + length], self._buffer[head_end + 4 + length :]
        self._note(int(head[9:12]), body)
        self._send()

    def _note(self, status: int, body: bytes) -> None:
        self._run.times.append(time.perf_counter() - self._sent_at)
        uuid = order_uuid(body)
        if status == 201 and uuid is not None:
            self._run.uuids.append(uuid)
        else:
            self._run.refusals[status] = self._run.refusals.get(status, 0) + 1

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the service closed the connection"))


def _itself(client: _Client) -> _Client:
    return client


def placed_orders(port: int, accounts: range, connections: int, seconds: float, seed: int, body: bytes = BODY) -> Run:
    """Place orders for *seconds* on *connections* connections, each for a random account, and return what was seen."""
    requests = [request_bytes(port, account, body) for account in accounts]

    async def place() -> Run:
        run = Run(seconds)
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        clients = []
        for number in range(connections):
            client = _Client(requests, run, began + seconds, seed * 100_000 + number)
            clients.append(client)
            await loop.create_connection(partial(_itself, client), "127.0.0.1", port)
        await asyncio.gather(*(client.done for client in clients))
        run.seconds = time.perf_counter() - began
        return run

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(place())
