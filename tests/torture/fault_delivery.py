"""Orders that are used up on every way into two gateways at once, and gateways that are killed in mid-download."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deliveries import DeliveryShop, delivery_shop
from exactness import WAYS, assert_passes_exactly, downloads
from novaproxy.database.embedded import EmbeddedPostgres
from roles import migrated
from services import Gateway, within
from torture.scenario import Figures, Round, Scenario

SETTLED_SECONDS = 10.0
DEATHS_SECONDS = 6.5
"""More than five deaths in half a minute end a service, as they should."""

DOWNLOADS = 3


@contextmanager
def opened_delivery(
    directory: Path, processes: int, settings: Callable[[DeliveryShop], dict[str, str]] = lambda _: {}
) -> Iterator[tuple[DeliveryShop, Gateway]]:
    """Give a shop, and gateway processes with *settings* that share its ports."""
    with EmbeddedPostgres(directory / "database") as server:
        target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        with (
            delivery_shop(target) as delivery,
            delivery.gateway(processes=processes, **settings(delivery)) as gateway,
        ):
            yield delivery, gateway
            assert gateway.end() == 0, f"the gateway did not end well: {gateway.log()[-2000:]}"


def use_up(given: Round) -> Figures:
    """Use orders of 1 GB up, one way after the other."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with opened_delivery(given.directory, 2) as (delivery, _):
        while True:
            for way in given.random.sample(sorted(WAYS), len(WAYS)):
                figures["bytes passed"] += assert_passes_exactly(delivery, way)
                figures[f"orders of 1 GB used up over {way}"] += 1
            if time.monotonic() > until:
                return figures


def kill(given: Round) -> Figures:
    """Kill the gateway in mid-download, and hold what was charged against what its clients saw."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with opened_delivery(given.directory, 1) as (delivery, gateway):
        while not figures["kills of a gateway in mid-download"] or time.monotonic() < until:
            began_at = time.monotonic()
            seen, consumed = _killed(delivery, gateway, given.random.uniform(0, 1))
            figures["kills of a gateway in mid-download"] += 1
            figures["bytes that clients saw"] += seen
            figures["bytes between what they saw and what was charged"] += abs(consumed - seen)
            assert consumed == seen, f"clients saw {seen} bytes, and {consumed} were charged"
            time.sleep(max(0.0, min(DEATHS_SECONDS - (time.monotonic() - began_at), until - time.monotonic())))
    return figures


def _killed(delivery: DeliveryShop, gateway: Gateway, seconds: float) -> tuple[int, int]:
    """Kill the gateway *seconds* into some downloads; return what the clients saw, and what was charged."""
    proxy = delivery.bought()
    begun = downloads(delivery, proxy, DOWNLOADS)
    time.sleep(seconds)
    killed = set(gateway.kill_gateways())
    seen = sum(one.ended() for one in begun)
    within(SETTLED_SECONDS, lambda: len(set(gateway.gateway_pids()) - killed) == len(killed), "a new gateway")
    within(SETTLED_SECONDS, lambda: delivery.leased(proxy) == 0, "leases that went back")
    return seen, delivery.consumed(proxy)


SCENARIOS = (
    Scenario("used-up-orders", "On every way in, exactly what was bought passes, and no byte more.", 4, use_up),
    Scenario("killed-gateways", "A gateway that is killed in mid-download has charged what its clients saw.", 3, kill),
)
