"""Floods and insults at the gateway: thousands of idle tunnels and silent strangers beside those who are served."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from deliveries import DeliveryShop, Proxy
from floods import crowd, fetched, resident_kib, unleaked
from services import Gateway
from strangers import Holder, deaf_readers, dropped, held_tunnels, insult, new_tunnels, trickled, unknown_users
from torture.fault_delivery import opened_delivery
from torture.scenario import Figures, Round, Scenario

IDLE_TUNNELS = 5_000
OF_ONE_ORDER = 1_000
NEW_A_SECOND = 500
SLOWEST_SECONDS = 5.0
SILENT = 6_000
DEAF = 500
MOST_GROWN_KIB = 128 * 1024
"""What a process may have more of after a second round than after the first.

Its allocator keeps what it once had: 64 MiB for readers who never read, and the strangers' tasks.
"""

_HOSTS = tuple(f"127.0.{number}.7" for number in range(1, 100))
_OWN_DESCRIPTORS = 500


def _descriptors() -> int:
    """Return how many descriptors this process, which holds both ends of each tunnel, has."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard, 1_000_000)


def crowds(given: Round) -> Figures:
    """Have thousands of tunnels idle while hundreds open each second, then strangers of every kind; twice."""
    figures: Counter[str] = Counter()
    holder = Holder()
    try:
        with opened_delivery(given.directory, 1, lambda delivery: _open_to(delivery, holder)) as (delivery, gateway):
            first = _crowded(delivery, gateway, holder, given.random, given.seconds / 3, figures)
            second = _crowded(delivery, gateway, holder, given.random, given.seconds / 3, figures)
            figures["KiB of the gateway after all had gone"] = second
            assert second < first + MOST_GROWN_KIB, f"the gateway grew from {first} to {second} KiB"
            assert "rror" not in gateway.log(), gateway.log()[-3_000:]
    finally:
        holder.close()
    return figures


def _open_to(delivery: DeliveryShop, holder: Holder) -> dict[str, str]:
    return {"NOVAPROXY_GATEWAY_ALLOW": f"127.0.0.1:{delivery.origin.port},127.0.0.1:{holder.port}"}


def _crowded(
    delivery: DeliveryShop, gateway: Gateway, holder: Holder, random: Random, seconds: float, figures: Counter[str]
) -> int:
    """Return the resident memory of the gateway, in KiB, after it all."""
    (pid,) = gateway.gateway_pids()
    with unleaked(gateway, 60):
        asyncio.run(_idle_and_new(delivery, holder, seconds, figures))
        _beside(delivery, figures, "silent strangers", lambda: _silent(delivery, random))
        _beside(delivery, figures, "guesses", lambda: unknown_users(delivery.bought(), random, 2_000))
        _beside(delivery, figures, "readers that never read", lambda: _deaf(delivery))
    return resident_kib(pid)


async def _idle_and_new(delivery: DeliveryShop, holder: Holder, seconds: float, figures: Counter[str]) -> None:
    # This process has both ends of each, and those that come and go.
    count = min(IDLE_TUNNELS, (_descriptors() - _OWN_DESCRIPTORS) // 2)
    holders = await asyncio.to_thread(_orders_of_strangers, delivery, -(-count // OF_ONE_ORDER))
    lines = await held_tunnels(holders, holder.port, count)
    other, newcomer = delivery.bought(), delivery.bought()
    opening = asyncio.create_task(new_tunnels(newcomer, holder.port, NEW_A_SECOND, seconds))
    slowest = 0.0
    while not opening.done():
        slowest = max(slowest, await asyncio.to_thread(fetched, other, delivery))
        await asyncio.sleep(0.05)
    took = sorted(await opening)
    dropped(lines)
    figures["idle tunnels"] = max(figures["idle tunnels"], count)
    figures["tunnels opened beside them, 500 a second"] += len(took)
    _note_slowest(figures, "of a new tunnel beside them", took[-1])
    _note_slowest(figures, "of a small page beside them", slowest)
    figures["milliseconds of the middle one of the new tunnels"] = round(took[len(took) // 2] * 1000)


def _orders_of_strangers(delivery: DeliveryShop, count: int) -> list[Proxy]:
    # Of an account each: one alone has two thirds of a process at most.
    return [delivery.bought(delivery.shop.buyer()) for _ in range(count)]


def _beside(
    delivery: DeliveryShop, figures: Counter[str], what: str, flood: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Run *flood* while somebody else fetches a page again and again."""
    other = delivery.bought()

    async def both() -> float:
        flooding = asyncio.create_task(flood())
        slowest = 0.0
        while not flooding.done():
            slowest = max(slowest, await asyncio.to_thread(fetched, other, delivery))
        await flooding
        return slowest

    _note_slowest(figures, f"of a small page beside {what}", asyncio.run(both()))


def _note_slowest(figures: Counter[str], what: str, seconds: float) -> None:
    assert seconds < SLOWEST_SECONDS, f"{seconds:.1f} seconds {what}"
    key = f"milliseconds of the slowest {what}".replace("slowest of", "slowest,")
    figures[key] = max(figures[key], round(seconds * 1000))


async def _silent(delivery: DeliveryShop, random: Random) -> None:
    with crowd(delivery.http_port, SILENT, random.choice([_HOSTS, _HOSTS[:1]]), b"G") as lines:
        await trickled(lines, 2)


async def _deaf(delivery: DeliveryShop) -> None:
    lines = await deaf_readers(delivery.bought(), delivery.origin.port, DEAF)
    await asyncio.sleep(2)
    dropped(lines)


def insults(given: Round) -> Figures:
    """Say broken handshakes with credentials that hold to both ports, for as long as there is time."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with opened_delivery(given.directory, 1) as (delivery, gateway), unleaked(gateway, 60):
        proxy: Proxy = delivery.bought()
        while not figures["served"] or time.monotonic() < until:
            figures.update(asyncio.run(insult(proxy, delivery.origin.port, given.random, 500)))
            assert fetched(proxy, delivery) < SLOWEST_SECONDS
        assert "rror" not in gateway.log(), gateway.log()[-3_000:]
    return {f"broken handshakes {what}": count for what, count in figures.items()}


SCENARIOS = (
    Scenario(
        "gateway-crowds",
        "5,000 idle tunnels, 500 new ones a second and strangers of every kind hold up nobody, and nothing stays open.",
        2,
        crowds,
    ),
    Scenario("gateway-insults", "Whatever is said to a gateway, it lives, and leaves nothing open.", 1, insults),
)
