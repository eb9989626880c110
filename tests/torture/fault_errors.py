"""Errors of the database in the middle of batches: patience is asked for where a retry would do, never a 500 (T7)."""

import asyncio
import time
from collections import Counter
from random import Random

from structlog.testing import capture_logs

from injections import ALWAYS, MOMENTS, injected
from loads import FIELDS, PRICE_CENTS
from novaproxy.database.embedded import EmbeddedPostgres
from roles import migrated
from shop import Shop, open_shop
from torture.scenario import Figures, Round, Scenario
from volleys import Asked, volley

SQLSTATES = ("40001", "40P01", "55P03", "57014", "53000", "53100", "53200", "53300", "25006", "57P01")
"""Lost to another, a deadlock, no lock, cancelled, no resources, disk, memory, connections, read-only, shut down."""

ORDERS = 3
LONGEST_SECONDS = 15.0


def error_among_others(shop: Shop, sqlstate: str, moment: str, times: int) -> Counter[str]:
    """Raise *sqlstate* *times* times for one buyer whose orders share batches with others'; retry what was refused."""
    what = f"SQLSTATE {sqlstate} at {moment}, {times} times"
    marked, *others = [shop.buyer(PRICE_CENTS * ORDERS) for _ in range(4)]
    asked = [Asked(shop.address, buyer, FIELDS, f"key {turn}") for turn in range(ORDERS) for buyer in (marked, *others)]
    with injected(shop, marked, sqlstate, times, moment):
        answers = volley(asked)
    refused = [one for one, answer in zip(asked, answers, strict=True) if answer.status != 201]
    for one, answer in zip(asked, answers, strict=True):
        assert answer.status in {201, 503}, f"{what}: {answer}"
        assert answer.status == 201 or one.buyer is marked, f"{what}: somebody else heard {answer}"
        assert answer.seconds < LONGEST_SECONDS, f"{what}: an answer after {answer.seconds:.1f} s"
    for answer in volley(refused) if refused else []:
        assert answer.status == 201, f"{what}: the retry heard {answer}"
    for buyer in (marked, *others):
        sold = (shop.order_count(buyer), shop.balance_cents(buyer))
        assert sold == (ORDERS, 0), f"{what}: {sold[0]} orders, balance {sold[1]}"
    shop.assert_books_hold()
    return Counter({"injected errors": 1, "orders that met one": len(refused), "orders placed": len(asked)})


def run(given: Round) -> Figures:
    """Raise drawn errors at drawn moments, for as long as the time allows."""
    until = time.monotonic() + given.seconds
    with EmbeddedPostgres(given.directory / "database") as server:
        target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        # What the service says of each injected error is not to be read by anybody.
        with capture_logs(), open_shop(target) as shop:
            return _injected_until(shop, given.random, until)


def _injected_until(shop: Shop, random: Random, until: float) -> Figures:
    figures: Counter[str] = Counter()
    while not figures or time.monotonic() < until:
        times = random.choice([1, 2, random.randint(3, 9), ALWAYS])
        figures += error_among_others(shop, random.choice(SQLSTATES), random.choice(list(MOMENTS)), times)
    return figures


SCENARIOS = (
    Scenario("database-errors", "An error of the database in a batch is a 503 at most, and its own buyer's.", 1, run),
)
