"""Clients that take as much as they get, or so much a second, and how fast all of them were over a stretch of time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from deliveries import DeliveryShop, Proxy
from exactness import ENDLESS

HOSTS = ("127.0.0.1", "127.0.0.2")
"""Two machines, as far as gateways can tell: each has its address and a data directory of its own."""

SOLD_MBITS = 60
FILLED_SECONDS = 5.0
"""Until a client who reads slowly has the buffers before him full, and takes no more than he reads."""

_PIECE_BYTES = 65_536


class Stream:
    """A client with a tunnel of his own, whose bytes are noted with their time, until it is closed.

    *bytes_per_second* is what he takes; None: all that he gets.
    """

    def __init__(self, line: socket.socket, bytes_per_second: int | None = None) -> None:
        self._line = line
        self._bytes_per_second = bytes_per_second
        self._seen: list[tuple[float, int]] = [(time.monotonic(), 0)]
        if bytes_per_second is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE_BYTES)
        line.sendall(ENDLESS)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        buffer, total, began_at = bytearray(_PIECE_BYTES), 0, time.monotonic()
        with self._line, suppress(OSError):
            while count := self._line.recv_into(buffer):
                total += count
                self._seen.append((time.monotonic(), total))
                if self._bytes_per_second is not None:
                    time.sleep(max(0.0, total / self._bytes_per_second - (time.monotonic() - began_at)))

    def bytes_until(self, at: float) -> int:
        """Return how many bytes had come at a time of the monotonic clock."""
        return max((total for when, total in list(self._seen) if when <= at), default=0)

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._reading.join(10)
        assert not self._reading.is_alive()


Streams = Sequence[Stream]
Begin = Callable[[DeliveryShop, Proxy], Streams]
"""Begins the clients of one shape; what they get is measured from its end on."""


def stream(delivery: DeliveryShop, proxy: Proxy, host: str, bytes_per_second: int | None = None) -> Stream:
    """Return a client who has begun, at the gateway of *host*."""
    line = replace(proxy, host=host).connected("127.0.0.1", delivery.origin.port)
    return Stream(line, bytes_per_second)


def _alone(delivery: DeliveryShop, proxy: Proxy) -> Streams:
    return [stream(delivery, proxy, HOSTS[0]) for _ in range(4)]


def _even(delivery: DeliveryShop, proxy: Proxy) -> Streams:
    return [stream(delivery, proxy, host) for host in HOSTS]


def _nearly_idle(delivery: DeliveryShop, proxy: Proxy) -> Streams:
    streams = [stream(delivery, proxy, HOSTS[1], 200_000), stream(delivery, proxy, HOSTS[0])]
    time.sleep(FILLED_SECONDS)
    return streams


def _later(delivery: DeliveryShop, proxy: Proxy) -> Streams:
    streams = [stream(delivery, proxy, HOSTS[0])]
    time.sleep(2)
    return [*streams, stream(delivery, proxy, HOSTS[1])]


SHAPES: dict[str, tuple[Begin, int, bool]] = {
    "one gateway": (_alone, 1, False),
    "two processes on one port": (_alone, 2, False),
    "two machines": (_even, 1, True),
    "two machines, one nearly idle": (_nearly_idle, 1, True),
    "two machines, one later": (_later, 1, True),
}
"""How an order's clients are spread; with how many processes a machine, and whether there are two machines."""


@contextmanager
def machines(delivery: DeliveryShop, processes: int, *, are_two: bool) -> Iterator[None]:
    """Run a gateway on one machine, or on two."""
    with ExitStack() as stack:
        for host in HOSTS if are_two else HOSTS[:1]:
            gateway = delivery.gateway(f"at-{host}", processes=processes, NOVAPROXY_GATEWAY_HOST=host)
            stack.enter_context(gateway)
        yield


def part_of_speed(delivery: DeliveryShop, begin: Begin, seconds: float) -> float:
    """Return which part of the speed that an order bought its clients had together over some *seconds*."""
    proxy = delivery.bought(plan="time", duration="1_day", config={"speed": SOLD_MBITS, "threads": 100})
    streams = begin(delivery, proxy)
    try:
        began_at = time.monotonic()
        time.sleep(seconds)
        passed = sum(one.bytes_until(began_at + seconds) - one.bytes_until(began_at) for one in streams)
    finally:
        for one in streams:
            one.close()
    return passed * 8 / seconds / (SOLD_MBITS * 1_000_000)
