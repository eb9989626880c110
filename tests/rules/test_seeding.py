"""What is drawn for past orders: only what the rules sell, and only lives that an order can have."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from novaproxy.catalog.file import demo_text, parsed
from novaproxy.catalog.listing import Listing, listing
from novaproxy.catalog.model import Duration, Option, OptionType, Plan, PlanType
from novaproxy.money import AMOUNT_CEILING_CENTS
from novaproxy.orders.model import Customer, OrderStatus, Terms
from novaproxy.orders.moves import LEGAL, status_at
from novaproxy.orders.rules import decide
from novaproxy.seeding.lives import lived
from novaproxy.seeding.wishes import wish, wishes
from shop import CATALOG

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
LISTINGS = [listing(1, parsed(text)) for text in (demo_text(), CATALOG.read_bytes())]


def sold(plan: Plan, held: Listing, chance: Random) -> Terms:
    return decide(wish(plan, chance), Customer(1001, AMOUNT_CEILING_CENTS, 0), {}, held, NOW)


@pytest.mark.parametrize("held", LISTINGS, ids=["demo", "tests"])
def test_whatever_is_wished_for_is_sold(held: Listing) -> None:
    chance = Random(1)
    for plan in held.active_plans:
        if plan.slug != "dear":
            bought = [sold(plan, held, chance) for _ in range(200)]
            assert len({(terms.term, terms.bandwidth_gb, terms.options) for terms in bought}) > 1


@pytest.mark.parametrize(
    ("least", "most", "step", "answers"),
    [
        (None, None, None, {str(number) for number in range(1_000)}),
        (Decimal("0.5"), Decimal(2), Decimal("0.25"), {"0.50", "0.75", "1.00", "1.25", "1.50", "1.75", "2.00"}),
        (Decimal(7), Decimal(20), Decimal(5), {"10", "15", "20"}),
        (Decimal("0.5"), Decimal("0.75"), None, {"0.5"}),
        (Decimal(1), Decimal(4), Decimal(5), {"1"}),
    ],
)
def test_a_number_is_any_multiple_within_its_bounds(
    least: Decimal | None, most: Decimal | None, step: Decimal | None, answers: set[str]
) -> None:
    option = Option("size", "Size", OptionType.NUMBER, min=least, max=most, step=step)
    plan = Plan("p", "P", PlanType.DURATION, durations=(Duration("1_day", "1 day", 0, (option,)),))
    chance = Random(2)
    drawn = set()
    for _ in range(20_000 if len(answers) > 100 else 500):
        config = wish(plan, chance).config
        assert isinstance(config, dict)
        drawn.add(str(config["size"]))
    assert drawn == answers


def test_wishes_come_in_the_order_of_their_times() -> None:
    begin = NOW - timedelta(days=3)
    drawn = wishes(LISTINGS[0], [1001, 1002], begin, NOW, 500, Random(3))
    assert [one.at for one in drawn] == sorted(one.at for one in drawn)
    assert all(begin <= one.at <= NOW for one in drawn)
    assert {one.account_id for one in drawn} == {1001, 1002}


@pytest.mark.parametrize("held", LISTINGS, ids=["demo", "tests"])
@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=20), timedelta(days=300)], ids=str)
def test_a_life_is_one_that_an_order_can_have(held: Listing, age: timedelta) -> None:
    chance = Random(4)
    for plan in held.active_plans:
        if plan.slug == "dear":
            continue
        for _ in range(100):
            terms = sold(plan, held, chance)
            life = lived(terms, NOW - age, NOW, chance)
            statuses = [terms.status, *(move.after for move in life.moves)]
            assert life.status is statuses[-1]
            assert [move.before for move in life.moves] == statuses[:-1]
            assert {(move.before, move.after) for move in life.moves} <= LEGAL
            times = [NOW - age, *(move.at for move in life.moves), NOW]
            assert all(earlier <= later for earlier, later in pairwise(times))
            assert status_at(life.status, life.expires_at, NOW) is life.status
            initial_bytes = (terms.bandwidth_gb or 0) * 2**30
            assert 0 <= life.consumed_bytes <= initial_bytes
            is_used_up = bool(initial_bytes) and life.consumed_bytes == initial_bytes
            assert is_used_up == (life.status is OrderStatus.EXHAUSTED)
