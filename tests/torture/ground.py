"""Where a scenario of races takes place: a PostgreSQL of its own that really syncs, migrated, and services on it."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from market import Market, assert_no_errors
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from roles import migrated
from services import Service, on_database
from shop import CATALOG, Shop

MAX_CONNECTIONS = 400
"""Room for 200 operators at once beside the services."""

_SETTINGS = {
    "max_connections": str(MAX_CONNECTIONS),
    # A circle of waits is to be seen as one, before a lock's time limit ends it.
    "deadlock_timeout": "20ms",
}


@contextmanager
def ground(directory: Path, *, syncs: bool = True) -> Iterator[Target]:
    """Give an empty, migrated database on a server of its own, which *syncs* unless nothing depends on it."""
    settings = _SETTINGS if syncs else _SETTINGS | {"fsync": "off"}
    with EmbeddedPostgres(directory / "postgres", settings=settings) as server:
        target: Target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        yield target


@contextmanager
def market_on(target: Target, random: Random, workers: Sequence[int]) -> Iterator[Market]:
    """Give services with so many *workers* each, on *target*; at the end the books hold and nothing was an error."""
    with ExitStack() as stack:
        told = [stack.enter_context(Service(on_database(target), workers=number)) for number in workers]
        shop = Shop(target, told[0].address)
        stack.callback(shop.http.close)
        shop.apply_catalog(CATALOG.read_text())
        yield Market(told, shop, random)
        shop.assert_books_hold()
        assert_no_errors(told)


def deadlocks(shop: Shop) -> int:
    """Return how many deadlocks PostgreSQL had to break."""
    return int(shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


def until(seconds: float) -> Iterator[int]:
    """Count rounds until *seconds* are over; there is always a first."""
    end_at = time.monotonic() + seconds
    number = 0
    while number == 0 or time.monotonic() < end_at:
        yield number
        number += 1
