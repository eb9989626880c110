"""Prices against exact fractions (contract, section 3, "Price")."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.catalog.model import DiscountCode, Option, OptionType, Plan, PlanType, Tier
from novaproxy.catalog.rules import Chosen, asked_options, bandwidth_price_cents, duration_price_cents
from novaproxy.discounts.rules import taken_off_cents
from rule_cases import duration, half_up, measured, prices_e4, sent, traffic, units
from services import EFFORT

CASES = 1_000_000 if EFFORT > 1 else 30_000
"""A million is the long form: with NOVAPROXY_TEST_EFFORT."""

tier_maps = st.dictionaries(st.integers(1, 8_388_608), prices_e4, min_size=1, max_size=6)


def tiered(prices: dict[int, int]) -> Plan:
    tiers = tuple(Tier(bandwidth_gb, price) for bandwidth_gb, price in sorted(prices.items()))
    return Plan(slug="p", name="P", type=PlanType.BANDWIDTH, tiers=tiers)


def exact_volume_price_cents(prices: dict[int, int], bandwidth_gb: int) -> int:
    reached = sorted(bound for bound in prices if bound <= bandwidth_gb)
    return half_up(bandwidth_gb * units(prices[reached[-1]]) * 100)


@given(tier_maps, st.data())
def test_every_gb_costs_what_the_greatest_tier_reached_says(prices: dict[int, int], data: st.DataObject) -> None:
    near = {bound + step for bound in prices for step in (-1, 0, 1)}
    sold = sorted(amount for amount in near if min(prices) <= amount <= 8_388_608)
    bandwidth_gb = data.draw(st.sampled_from(sold) | st.integers(min(prices), 8_388_608))
    assert bandwidth_price_cents(tiered(prices), bandwidth_gb) == exact_volume_price_cents(prices, bandwidth_gb)


@pytest.mark.parametrize(
    ("bandwidth_gb", "cents"),
    [(2, 1000), (9, 4500), (10, 4508), (11, 4958), (99, 44_624), (100, 30_000), (101, 30_300)],
)
def test_the_volume_price_at_each_tiers_edge(bandwidth_gb: int, cents: int) -> None:
    plan = traffic((2, "5.00"), (10, "4.5075"), (100, "3"))
    assert bandwidth_price_cents(plan, bandwidth_gb) == cents


def test_the_order_of_the_tiers_does_not_count() -> None:
    assert bandwidth_price_cents(traffic((100, "3"), (1, "5"), (10, "4")), 50) == 200_00


def test_more_traffic_may_cost_less_than_little() -> None:
    plan = traffic((1, "5"), (10, "4"))
    assert bandwidth_price_cents(plan, 10) < bandwidth_price_cents(plan, 9)


@given(st.lists(st.tuples(prices_e4, st.integers(0, 10**6)), max_size=5), prices_e4)
def test_each_line_is_rounded_by_itself_and_gross_is_their_sum(lines: list[tuple[int, int]], price_e4: int) -> None:
    options = tuple(measured(f"o{place}", str(units(price))) for place, (price, _) in enumerate(lines))
    sold = duration("1_week", str(units(price_e4)), *options)
    config = {f"o{place}": str(value) for place, (_, value) in enumerate(lines)}
    chosen = asked_options(sold, sent(config=config).values["config"] if config else None)
    exact = [half_up(value * units(price) * 100) for price, value in lines]
    assert [option.price_cents for option in chosen] == exact
    assert duration_price_cents(sold, chosen) == half_up(units(price_e4) * 100) + sum(exact)


def test_three_lines_of_half_a_cent_are_three_cents() -> None:
    options = tuple(Chosen(name, name, 1, "1", 1) for name in ("a", "b"))
    assert duration_price_cents(duration("1_week", "0.005"), options) == 3


def test_seeded_prices_and_discounts_equal_exact_fractions() -> None:
    seeded = random.Random(20_260_701)
    for _ in range(CASES):
        price_e4 = seeded.randrange(10 ** seeded.randrange(1, 9))
        bandwidth_gb = seeded.randrange(1, 10 ** seeded.randrange(1, 7))
        plan = Plan(slug="p", name="P", type=PlanType.BANDWIDTH, tiers=(Tier(1, price_e4),))
        gross_cents = bandwidth_price_cents(plan, bandwidth_gb)
        assert gross_cents == half_up(Fraction(bandwidth_gb * price_e4, 100))
        percent_e2 = seeded.randrange(1, 10_001)
        off_cents = taken_off_cents(DiscountCode("C", percent_e2=percent_e2), gross_cents)
        assert off_cents == half_up(Fraction(gross_cents * percent_e2, 10_000))
        assert 0 <= off_cents <= gross_cents
        number, unit_e4 = Decimal(seeded.randrange(1, 10**6)).scaleb(-seeded.randrange(4)), seeded.randrange(10**6)
        (line,) = asked_options(duration("1_week", "0", _priced(unit_e4)), {"o": number})
        assert line.price_cents == half_up(Fraction(number) * Fraction(unit_e4, 100))


def _priced(unit_e4: int) -> Option:
    return Option(name="o", label="O", type=OptionType.NUMBER, price_per_unit_e4=unit_e4)
