"""One service with two and with four workers (T1, T5, T8): a desk in each, and one balance, limit, code and key.

What a round does and asserts stands in ``rounds.py``. Here each worker gets its part of every round; the books are
audited after each.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from loads import FIELDS, assert_settled, under_load
from market import assert_no_errors
from novaproxy.database.pool import Target
from rounds import RACES
from services import EFFORT, Service, on_database, seeded, within
from shop import CATALOG, Shop
from volleys import Asked, read_answer, sent_at_once
from worker_lines import WorkersMarket, lines_to

CONTESTED = (
    "one balance",
    "order limit",
    "last uses of a code",
    "uses per account",
    "one key",
    "apply x order",
)
"""Races that meet in the workers; ``make torture`` runs the others too."""

AT_ONCE = 64
BUYERS = 6
SETTLING_SECONDS = 5.0


@pytest.fixture(scope="module", params=[2, 4], ids=["2 workers", "4 workers"])
def workers(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def of_many_workers(module_database: Target, workers: int) -> Iterator[WorkersMarket]:
    with Service(on_database(module_database), workers=workers) as service:
        shop = Shop(module_database, service.address)
        shop.apply_catalog(CATALOG.read_text())
        yield WorkersMarket([service], shop, seeded("workers"))
        shop.http.close()


@pytest.fixture
def market(of_many_workers: WorkersMarket) -> Iterator[WorkersMarket]:
    yield of_many_workers
    of_many_workers.shop.assert_books_hold()


@pytest.mark.parametrize("race", CONTESTED)
def test_of_those_who_meet_at_different_workers_as_many_are_served_as_have_room(
    market: WorkersMarket, race: str
) -> None:
    for _ in range(EFFORT):
        RACES[race](market, AT_ONCE)
    assert_no_errors(market.services)


def test_one_key_makes_one_order_also_when_one_of_the_workers_it_was_sent_to_is_killed(
    market: WorkersMarket, workers: int
) -> None:
    (service,) = market.services
    for number in range(2 * EFFORT):
        (buyer,) = market.buyers(1, 8_00)
        asked = Asked(service.address, buyer, FIELDS, f"the key {number}")
        pids = service.worker_pids()
        with ExitStack() as stack:
            lines = {pid: lines_to(service, pid, 1, stack)[0] for pid in pids}
            begun_at = sent_at_once(list(lines.values()), [asked] * len(lines))
            time.sleep(market.random.uniform(0, 0.01))
            killed = market.random.choice(pids)
            service.kill_process(killed)
            answers = [read_answer(line, begun_at) for pid, line in lines.items() if pid != killed]
        within(10, lambda: len(service.worker_pids()) == workers, "a worker in the place of the dead one")

        assert {answer.status for answer in answers} == {201}
        assert len({(answer.uuid, answer.body["password"]) for answer in answers}) == 1
        assert market.at_once([(buyer, FIELDS, asked.key)])[0].uuid == answers[0].uuid
        assert market.shop.order_count(buyer) == 1
        assert market.shop.balance_cents(buyer) == 0
        outlive_deaths()


def test_a_worker_that_is_killed_under_load_takes_nothing_with_it(market: WorkersMarket, workers: int) -> None:
    (service,) = market.services
    buyers = market.buyers(BUYERS, 1_000_000_00)
    with under_load(lambda: service.address, buyers) as load:
        for _ in range(2 * EFFORT):
            placed = load.placed()
            within(10, lambda before=placed: load.placed() > before + 5, "orders under load")  # type: ignore[misc]  # mypy: cannot infer a lambda's default
            time.sleep(market.random.uniform(0, 0.2))
            service.kill_process(market.random.choice(service.worker_pids()))
            placed = load.placed()
            # The others go on; nobody waits for the one that is started in its place.
            within(SETTLING_SECONDS, lambda before=placed: load.placed() > before + 5, "orders of the others")  # type: ignore[misc]  # as above
            within(10, lambda: len(service.worker_pids()) == workers, "a worker in the place of the dead one")
            outlive_deaths()
    assert_settled(market.shop, load, seconds=SETTLING_SECONDS)


def outlive_deaths() -> None:
    """Keep to five deaths in half a minute where there are many: more end the service with a word, as they should."""
    time.sleep(8 if EFFORT > 1 else 0)
