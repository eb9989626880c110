"""Several API machines on one database, as several services that migrate nothing: each has two workers and its duties.

What one of them does the others see at once; one that ends, in peace or killed, takes nothing with it. That they never
sell more than there is stands in ``tests/races``.
"""

from collections.abc import Callable, Iterator
from itertools import cycle

import httpx
import pytest

from commands import Operator
from loads import FIELDS, PRICE_CENTS, assert_settled, under_load
from market import assert_no_errors
from novaproxy.database.pool import Target
from services import Service, services, within
from shop import CATALOG, Shop
from volleys import Asked, volley

BUYERS = 6
SETTLING_SECONDS = 5.0


@pytest.fixture(scope="module")
def machines(module_database: Target) -> Iterator[list[Service]]:
    with services(module_database, workers=2, migrates=False) as pair:
        yield pair


@pytest.fixture
def shop(module_database: Target, machines: list[Service]) -> Iterator[Shop]:
    shop = Shop(module_database, machines[1].address)
    shop.apply_catalog(CATALOG.read_text())
    yield shop
    shop.http.close()


def test_a_catalog_applied_at_one_machine_holds_at_the_other_from_the_next_order_on(
    common_operator: Operator, machines: list[Service], shop: Shop
) -> None:
    buyer = shop.buyer()
    asked = [Asked(machine.address, buyer, FIELDS) for machine in machines for _ in range(8)]
    assert prices(asked) == {PRICE_CENTS / 100}

    for price in (11.0, 12.0):
        there = common_operator.directory / "catalog.yaml"
        there.write_text(CATALOG.read_text().replace("price_per_gb: 8.00", f"price_per_gb: {price:.2f}"))
        assert "price" in common_operator("catalog", "apply", str(there)).said
        assert prices(asked) == {price}
        for machine in machines:
            shown = httpx.get(f"{machine.address}/plans/mobile").json()
            assert [tier["price_per_gb"] for tier in shown["bandwidths"]] == [price]
    shop.assert_books_hold()
    assert_no_errors(machines)


def prices(asked: list[Asked]) -> set[float]:
    """Place all of *asked* at once; return what was paid."""
    return {answer.body["price"]["net"] for answer in volley(asked)}


@pytest.mark.parametrize("leave", [Service.end, Service.kill], ids=["ended", "killed"])
def test_a_machine_that_leaves_under_load_takes_nothing_with_it(
    machines: list[Service], shop: Shop, leave: Callable[[Service], None]
) -> None:
    leaving, staying = machines
    buyers = [shop.buyer(1_000_000_00) for _ in range(BUYERS)]
    # As clients behind a balancer do: the next connection goes to the next machine that takes one.
    turns = cycle(machines)

    def next_machine() -> str:
        machine = next(turns)
        return machine.address if machine.process.poll() is None else staying.address

    if leaving.process.poll() is not None:
        leaving.restart()
    with under_load(next_machine, buyers) as load:
        within(10, lambda: load.placed() > 40, "orders under load")
        leave(leaving)
        placed = load.placed()
        within(SETTLING_SECONDS, lambda: load.placed() > placed + 40, "orders at the machine that stays")
    assert_settled(shop, load, seconds=SETTLING_SECONDS)
    assert_no_errors([staying])
