"""What was sold beyond bytes, over several gateways at once: the speed within a tenth."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deliveries import DeliveryShop, delivery_shop
from novaproxy.database.embedded import EmbeddedPostgres
from roles import migrated
from speeds import SHAPES, machines, part_of_speed
from torture.scenario import Figures, Round, Scenario

MEASURED_SECONDS = 6.0


@contextmanager
def _open(directory: Path) -> Iterator[DeliveryShop]:
    with EmbeddedPostgres(directory / "database") as server:
        target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        with delivery_shop(target) as delivery:
            yield delivery


def speed(given: Round) -> Figures:
    """Measure what clients get of a speed, spread over gateways in every shape."""
    figures: Counter[str] = Counter()
    parts: list[int] = []
    until = time.monotonic() + given.seconds
    with _open(given.directory) as delivery:
        while not parts or time.monotonic() < until:
            for name in given.random.sample(sorted(SHAPES), len(SHAPES)):
                begin, processes, are_two = SHAPES[name]
                with machines(delivery, processes, are_two=are_two):
                    part = part_of_speed(delivery, begin, MEASURED_SECONDS)
                assert 0.9 <= part <= 1.1, f"{name}: {part:.3f} of the speed that was sold"
                parts.append(round(1000 * part))
                figures[f"orders measured with {name}"] += 1
    return {
        **figures,
        "thousandths of the speed at the least": min(parts),
        "thousandths of the speed at the most": max(parts),
    }


SCENARIOS = (
    Scenario("speed", "However its clients are spread over gateways, an order has its speed within a tenth.", 3, speed),
)
