"""A crowd of clients that want nothing, or never end: idle ones, half requests, readers who do not read."""

import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random

import httpx

from novaproxy.database.embedded import EmbeddedPostgres
from services import EmbeddedShop
from shop import CATALOG, Buyer, Shop
from torture.scenario import Figures, Round, Scenario
from volleys import Asked, opened, volley

ORDER = {"plan": "mobile", "bandwidth": 1}
SLOWEST_SECONDS = 5.0
"""What an order of somebody else may take beside the crowd, at its worst: while many lists begin, on a busy machine."""

_DESCRIPTORS_LEFT = 200


def most_sockets() -> int:
    """Return how many connections this process may hold open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(100_000, max(soft, hard)) - _DESCRIPTORS_LEFT


class Crowd:
    """*count* connections to *shop*, each of which holds on to it in its own way, for as long as the block lasts."""

    def __init__(self, shop: Shop, buyer: Buyer, random: Random) -> None:
        self._shop = shop
        self._random = random
        token = buyer.token.encode()
        self._head = b"POST /orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\n" % token
        self._list = b"GET /orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\n\r\n" % token
        self._slow: list[socket.socket] = []
        self._open: list[socket.socket] = []

    @contextmanager
    def gathered(self, count: int) -> Iterator[None]:
        """Hold the connections."""
        ways: list[Callable[[], socket.socket]] = [*[self._half_head, self._half_body] * 7, self._idle, self._deaf]
        with ExitStack() as stack:
            for number in range(count):
                # Most are idle, as in life; each fourth does something.
                way = self._idle if number % 4 else self._random.choice(ways)
                self._open.append(stack.enter_context(way()))
            yield

    def trickle(self) -> None:
        """Send one byte more of each slow request."""
        for line in self._slow:
            try:
                line.send(b"x")
            except OSError:
                continue

    def _idle(self) -> socket.socket:
        return opened(self._shop.address)

    def _half_head(self) -> socket.socket:
        line = opened(self._shop.address)
        line.sendall(self._head + b"X-Slow: ")
        self._slow.append(line)
        return line

    def _half_body(self) -> socket.socket:
        line = opened(self._shop.address)
        line.sendall(self._head + b'Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"plan": "')
        self._slow.append(line)
        return line

    def _deaf(self) -> socket.socket:
        line = socket.socket()
        # A small window: what is not read stays with the shop.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.settimeout(20)
        host, _, port = self._shop.address.removeprefix("http://").partition(":")
        line.connect((host, int(port)))
        line.sendall(self._list)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return line


def serve_beside(shop: Shop, customer: Buyer, crowd: Crowd, seconds: float) -> tuple[int, float]:
    """Order again and again for *seconds* as *customer*; return how often, and what the slowest order took."""
    deadline, placed, slowest = time.monotonic() + seconds, 0, 0.0
    with httpx.Client(base_url=shop.address, timeout=SLOWEST_SECONDS * 5) as client:
        while time.monotonic() < deadline:
            crowd.trickle()
            begun_at = time.monotonic()
            answer = client.post("/orders", json=ORDER, headers=customer.headers)
            slowest = max(slowest, time.monotonic() - begun_at)
            assert answer.status_code == 201, answer.text
            placed += 1
            time.sleep(0.02)
        client.get("/health").raise_for_status()
    # A connection of its own finds a place too.
    assert httpx.get(f"{shop.address}/ready", timeout=SLOWEST_SECONDS * 5).status_code == 200
    return placed, slowest


def crowded(shop: Shop, random: Random, count: int, seconds: float, listed: int) -> Figures:
    """Let *count* connections hold on to *shop* while somebody orders; *listed* orders are in the list left unread."""
    crowd_buyer, customer = shop.buyer(), shop.buyer(balance_cents=100_000_00)
    for _ in range(listed // 200):
        assert {answer.status for answer in volley([Asked(shop.address, crowd_buyer, ORDER)] * 200)} == {201}
    crowd = Crowd(shop, crowd_buyer, random)
    before = shop.order_count(crowd_buyer)
    with crowd.gathered(count):
        placed, slowest = serve_beside(shop, customer, crowd, seconds)
    assert slowest < SLOWEST_SECONDS, f"an order took {slowest:.1f} seconds beside {count} connections"
    assert shop.order_count(customer) == placed
    assert shop.order_count(crowd_buyer) == before, "half an order was placed"
    shop.assert_books_hold()
    return {
        "connections that held on": count,
        "orders placed beside them": placed,
        "milliseconds of the slowest of them": round(slowest * 1000),
    }


def _run(given: Round) -> Figures:
    with EmbeddedShop(given.directory / "data") as embedded, EmbeddedPostgres(embedded.data_dir) as server:
        shop = Shop(server.address.arguments(), embedded.service.address)
        shop.apply_catalog(CATALOG.read_text())
        try:
            count = min(5_000, most_sockets())
            assert count >= 1_000, "the limit of open files (ulimit -Hn) leaves no room for a crowd"
            return crowded(shop, given.random, count, max(5.0, given.seconds - 20), listed=2_000)
        finally:
            shop.http.close()


SCENARIOS = (
    Scenario(
        "crowd",
        "5,000 connections that are idle, half sent or never read stop nobody, and no half order is placed.",
        1,
        _run,
    ),
)
