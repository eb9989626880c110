"""To the byte: what clients saw on every way into the proxy, against what the order has consumed."""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from deliveries import DeliveryShop, Proxy, drained
from services import within

ENDLESS = b"GET /endless HTTP/1.1\r\nHost: origin\r\n\r\n"


def _over_connect(delivery: DeliveryShop, proxy: Proxy) -> int:
    return _endless(proxy.connected("127.0.0.1", delivery.origin.port))


def _over_socks(delivery: DeliveryShop, proxy: Proxy) -> int:
    return _endless(proxy.socks_connected("127.0.0.1", delivery.origin.port))


def _endless(line: socket.socket) -> int:
    line.sendall(ENDLESS)
    return len(ENDLESS) + drained(line)


def _over_plain_http(delivery: DeliveryShop, proxy: Proxy) -> int:
    head = (
        f"GET {delivery.origin.address}/endless HTTP/1.1\r\nHost: origin\r\nProxy-Authorization: {proxy.basic}\r\n\r\n"
    ).encode()
    line = socket.create_connection(("127.0.0.1", proxy.http_port), timeout=60)
    line.sendall(head)
    return len(head) + drained(line)


def _over_sixteen(delivery: DeliveryShop, proxy: Proxy) -> int:
    before = len(delivery.origin.exchanges)
    lines = [
        (proxy.connected if number % 2 else proxy.socks_connected)("127.0.0.1", delivery.origin.port)
        for number in range(16)
    ]
    with ThreadPoolExecutor(len(lines)) as clients:
        got_bytes = sum(clients.map(_endless, lines)) - len(lines) * len(ENDLESS)
    # The first ones may have used all up before the last one's request: what passed of these the origin knows.
    exchanges = delivery.origin.exchanges[before:]
    assert all(exchange.is_over.wait(10) for exchange in exchanges)
    return got_bytes + sum(exchange.got_bytes for exchange in exchanges)


WAYS: dict[str, Callable[[DeliveryShop, Proxy], int]] = {
    "CONNECT": _over_connect,
    "SOCKS5": _over_socks,
    "plain HTTP": _over_plain_http,
    "16 tunnels": _over_sixteen,
}
"""Each uses an order up, and returns how many bytes its clients sent and got."""


def assert_passes_exactly(delivery: DeliveryShop, way: str, left_bytes: int | None = None) -> int:
    """Buy 1 GB and use it up by *way*; assert that not a byte more or less passed. Return how many bytes passed.

    *left_bytes*: begin with so much of it left.
    """
    proxy = delivery.bought()
    if left_bytes is not None:
        delivery.use_up(proxy, left_bytes)
    bought_bytes = 2**30 if left_bytes is None else left_bytes
    seen_bytes = WAYS[way](delivery, proxy)
    assert seen_bytes == bought_bytes, f"{way}: {seen_bytes} of {bought_bytes} bytes passed"
    within(2, lambda: delivery.order(proxy)["status"] == "exhausted", f"{way}: an exhausted order")
    delivery.assert_consumed(proxy, 2**30)
    return seen_bytes


@dataclass(slots=True)
class Download:
    """A client in the middle of an endless download; *seen_bytes* is what it has sent and got so far."""

    line: socket.socket
    seen_bytes: int = 0
    _reading: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.line.sendall(ENDLESS)
        self.seen_bytes = len(ENDLESS)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        buffer = bytearray(1_048_576)
        with self.line, suppress(ConnectionResetError, TimeoutError):
            while count := self.line.recv_into(buffer):
                self.seen_bytes += count

    def ended(self) -> int:
        """Return what the client saw in all, once its line has ended."""
        self._reading.join(60)
        assert not self._reading.is_alive(), "the client's line did not end"
        return self.seen_bytes


def downloads(delivery: DeliveryShop, proxy: Proxy, count: int) -> Sequence[Download]:
    """Return *count* downloads that have begun, over both entrances."""
    begun = [
        Download((proxy.connected if number % 2 else proxy.socks_connected)("127.0.0.1", delivery.origin.port))
        for number in range(count)
    ]
    within(10, lambda: all(one.seen_bytes > len(ENDLESS) for one in begun), "downloads under way")
    return begun
