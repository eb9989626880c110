"""Crowds at the door of a real gateway: strangers who say nothing, slowly, or nonsense lock nobody out."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deliveries import DeliveryShop, Proxy, delivery_shop, drained
from floods import crowd, fetched, unleaked
from novaproxy.database.pool import Target
from novaproxy.gateway.room import MOST_STRANGERS, room_of
from services import EFFORT, Gateway, seeded
from strangers import deaf_readers, dropped, insult, trickled, tunnel, unknown_users

SLOWEST_SECONDS = 5.0
"""What a small page may take beside a crowd, at its worst, on a busy machine; alone it takes some milliseconds."""

ONE_HOST = ("127.0.0.66",)
MANY_HOSTS = tuple(f"127.0.{number}.7" for number in range(1, 100))


@pytest.fixture(scope="module")
def delivery(module_database: Target) -> Iterator[DeliveryShop]:
    with delivery_shop(module_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def gateway(delivery: DeliveryShop) -> Iterator[Gateway]:
    with delivery.gateway() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(delivery: DeliveryShop, gateway: Gateway) -> Proxy:
    assert gateway.gateway_pids()
    return delivery.bought()


@pytest.mark.parametrize("hosts", [ONE_HOST, MANY_HOSTS], ids=["one host", "many hosts"])
def test_more_silent_strangers_than_there_is_room_for_lock_nobody_out(
    delivery: DeliveryShop, gateway: Gateway, proxy: Proxy, hosts: tuple[str, ...]
) -> None:
    fetched(proxy, delivery)
    with unleaked(gateway), crowd(proxy.http_port, MOST_STRANGERS + 500, hosts):
        assert max(fetched(proxy, delivery) for _ in range(3)) < SLOWEST_SECONDS


def test_mutated_handshakes_end_no_process_leak_nothing_and_leave_no_error(
    delivery: DeliveryShop, gateway: Gateway, proxy: Proxy
) -> None:
    with unleaked(gateway):
        came = asyncio.run(insult(proxy, delivery.origin.port, seeded("insults"), 800 * EFFORT))
        fetched(proxy, delivery)
    assert came["served"] > 10, came
    assert came["refused"] > 10, came
    assert "rror" not in gateway.log(), gateway.log()


def test_strangers_who_guess_hold_up_nobody(delivery: DeliveryShop, gateway: Gateway, proxy: Proxy) -> None:
    with unleaked(gateway), ThreadPoolExecutor(1) as other:
        guessing = other.submit(asyncio.run, unknown_users(proxy, seeded("guesses"), 1_000 * EFFORT))
        slowest = 0.0
        while not guessing.done():
            slowest = max(slowest, fetched(proxy, delivery))
        guessing.result()
    assert slowest < SLOWEST_SECONDS


def test_deaf_readers_and_slow_writers_hold_up_nobody(delivery: DeliveryShop, gateway: Gateway, proxy: Proxy) -> None:
    async def held_up() -> float:
        deaf = await deaf_readers(delivery.bought(), delivery.origin.port, 100)
        with crowd(proxy.socks_port, 200, MANY_HOSTS, b"\x05\xff\x02") as slow:
            trickling = asyncio.create_task(trickled(slow, 1.5))
            took = await asyncio.gather(*(asyncio.to_thread(fetched, proxy, delivery) for _ in range(4)))
            await trickling
        dropped(deaf)
        return max(took)

    with unleaked(gateway):
        assert asyncio.run(held_up()) < SLOWEST_SECONDS


class FewDescriptors(Gateway):
    """A gateway whose processes may have no more than *most* descriptors each."""

    def __init__(self, environment: dict[str, str], most: int) -> None:
        super().__init__(environment)
        self._most = most

    def command(self) -> list[str]:
        return ["sh", "-c", f'ulimit -n {self._most}; exec "$@"', "sh", *super().command()]


def test_a_process_with_few_descriptors_says_that_it_is_full_and_serves_those_who_are_in(database: Target) -> None:
    async def filled(proxy: Proxy, port: int) -> tuple[list[socket.socket], str]:
        lines: list[socket.socket] = []
        while True:
            try:
                lines.append(await tunnel(proxy, port))
            except AssertionError as refusal:
                return lines, str(refusal)

    room = room_of(400)
    with delivery_shop(database) as delivery, FewDescriptors(delivery.environment(), 400) as gateway:
        first, second = delivery.bought(), delivery.bought()
        with unleaked(gateway), crowd(delivery.socks_port, room.strangers, MANY_HOSTS):
            lines, told = asyncio.run(filled(first, delivery.origin.port))
            assert "gateway_unavailable" in told
            # Both are of one account, which leaves a third to others.
            assert len(lines) == -(-room.tunnels * 2 // 3)
            assert "gateway_unavailable" in asyncio.run(filled(second, delivery.origin.port))[1]
            for line in lines:
                line.settimeout(10)
                line.sendall(b"GET /bytes/1 HTTP/1.1\r\nHost: origin\r\n\r\n")
            assert all(drained(line) > 1 for line in lines)
        assert fetched(first, delivery) < SLOWEST_SECONDS
        assert "level=error" not in gateway.log(), gateway.log()
