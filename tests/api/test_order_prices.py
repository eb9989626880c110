"""What an order costs (contract, section 3, "Price"): every amount exact, charged once, and nothing where it is 0."""

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from contract import Caller, catalog_with, footprints, placed
from shop import Shop

PLANS = """
  - slug: halves
    name: Halves
    type: duration
    durations:
      - slug: 1_day
        name: D
        price: "1.0050"
        options:
          - {name: a, label: A, type: number, price_per_unit: "0.0050"}
          - {name: b, label: B, type: number, price_per_unit: "0.0050"}
          - {name: c, label: C, type: select, options: [{value: x, label: X, price: "0.0049"}, {value: y, label: Y}]}
  - {slug: dearer, name: Dearer, type: bandwidth, bandwidths: [{bandwidth: 1, price_per_gb: 1},
     {bandwidth: 2, price_per_gb: "9.995"}, {bandwidth: 3, price_per_gb: "0.0001"}]}
"""
PERCENTS = ["29", "33.33", "0.01", "50", "99.99", "1.5", "14.5", "100"]
CODES = "".join(f'  - {{code: P{number}, percent: "{percent}"}}\n' for number, percent in enumerate(PERCENTS))
AMOUNTS = "  - {code: A1, amount: 0.01}\n  - {code: A2, amount: 0.50}\n  - {code: A3, amount: 99999.99}\n"


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    common_shop.apply_catalog(catalog_with(plans=PLANS, codes=CODES + AMOUNTS))
    return Caller(common_shop, common_shop.buyer(balance_cents=9_999_999_99))


def price_of(caller: Caller, fields: dict[str, Any]) -> dict[str, Decimal]:
    """Place an order and return its price, to the digit, after checking what was charged."""
    before = caller.shop.balance_cents(caller.buyer)
    answer = caller.in_json(fields)
    placed(answer)
    price: dict[str, Decimal] = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)["price"]
    assert set(price) == {"gross", "discount", "net"}
    assert price["net"] == price["gross"] - price["discount"]
    assert caller.shop.balance_cents(caller.buyer) == before - price["net"] * 100
    return price


@pytest.mark.parametrize(
    ("plan", "bandwidth_gb", "gross"),
    [
        ("residential", 2, "10"),
        ("residential", 9, "45"),
        ("residential", 10, "45.08"),
        ("residential", 11, "49.58"),
        ("residential", 99, "446.24"),
        ("residential", 100, "300"),
        ("residential", 101, "303"),
        ("dearer", 1, "1"),
        ("dearer", 2, "19.99"),
        ("dearer", 3, "0"),
        ("dearer", 49, "0"),
        ("dearer", 50, "0.01"),
        ("dearer", 150, "0.02"),
        ("free", 1000, "0"),
    ],
)
def test_every_gb_costs_what_its_tier_says(caller: Caller, plan: str, bandwidth_gb: int, gross: str) -> None:
    price = price_of(caller, {"plan": plan, "bandwidth": bandwidth_gb})

    assert price == {"gross": Decimal(gross), "discount": 0, "net": Decimal(gross)}


@pytest.mark.parametrize(
    ("config", "lines", "gross"),
    [
        ({"a": 1, "b": 1, "c": "x"}, ["0.01", "0.01", "0"], "1.03"),
        ({"a": 1, "b": "0.99", "c": "y"}, ["0.01", "0", "0"], "1.02"),
        ({"a": 0, "b": 3, "c": "x"}, ["0", "0.02", "0"], "1.03"),
        ({"a": "0.000001", "b": 20.25, "c": "y"}, ["0", "0.1", "0"], "1.11"),
        ({"a": 2.9999999, "b": 200, "c": "y"}, ["0.01", "1", "0"], "2.02"),
    ],
)
def test_each_line_of_a_duration_is_rounded_by_itself(
    caller: Caller,
    config: dict[str, Any],
    lines: list[str],
    gross: str,
) -> None:
    answer = caller.in_json({"plan": "halves", "duration": "1_day", "config": config})

    order = json.loads(answer.text, parse_float=Decimal)
    assert [Decimal(option["price"]) for option in order["duration_options"]] == [Decimal(line) for line in lines]
    assert order["price"]["gross"] == Decimal(gross)


@pytest.mark.parametrize("place", range(len(PERCENTS)))
@pytest.mark.parametrize(
    ("fields", "gross"),
    [
        ({"plan": "unlimited", "duration": "20_minutes"}, "0.50"),
        ({"plan": "residential", "bandwidth": 10}, "45.08"),
        ({"plan": "limited", "bandwidth": 10}, "10.00"),
        ({"plan": "dearer", "bandwidth": 50}, "0.01"),
        ({"plan": "free", "bandwidth": 1}, "0"),
    ],
)
def test_a_percentage_is_rounded_half_up(common_shop: Shop, place: int, fields: dict[str, Any], gross: str) -> None:
    exact = Decimal(gross) * Decimal(PERCENTS[place]) / 100
    discount = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    caller = Caller(common_shop, common_shop.buyer())

    price = price_of(caller, fields | {"discount_code": f"P{place}"})

    assert price == {"gross": Decimal(gross), "discount": discount, "net": Decimal(gross) - discount}


def test_29_percent_of_50_cents_are_15(caller: Caller) -> None:
    fields = {"plan": "unlimited", "duration": "20_minutes", "discount_code": "P0"}

    assert price_of(caller, fields) == {"gross": Decimal("0.5"), "discount": Decimal("0.15"), "net": Decimal("0.35")}


@pytest.mark.parametrize(
    ("code", "discount", "net"),
    [("A1", "0.01", "0.49"), ("A2", "0.50", "0"), ("A3", "0.50", "0"), ("FIVE", "0.50", "0"), ("ALL", "0.50", "0")],
)
def test_a_discount_is_never_above_gross(caller: Caller, code: str, discount: str, net: str) -> None:
    fields = {"plan": "unlimited", "duration": "20_minutes", "discount_code": code}

    assert price_of(caller, fields) == {
        "gross": Decimal("0.50"),
        "discount": Decimal(discount),
        "net": Decimal(net),
    }


@pytest.mark.parametrize("code", ["TEN", "ten", "tEn", " Ten\n"])
def test_a_code_is_matched_without_regard_to_case(caller: Caller, code: str) -> None:
    assert price_of(caller, {"plan": "residential", "bandwidth": 2, "discount_code": code})["discount"] == 1


def test_a_code_of_another_case_is_the_same_code(common_shop: Shop) -> None:
    caller = Caller(common_shop, common_shop.buyer())
    fields = {"plan": "residential", "bandwidth": 2}
    caller.places(fields | {"discount_code": "OnCe"})

    caller.is_refused(
        {"plan": "residential", "bandwidth": "2", "discount_code": "oNcE"},
        "You have already used this discount code.",
        "discount_code_already_used",
    )
    other = Caller(common_shop, common_shop.buyer())
    assert price_of(other, fields | {"discount_code": "ONCE"})["discount"] == 1


def test_a_gross_equal_to_the_minimum_of_a_code_passes(common_shop: Shop) -> None:
    caller = Caller(common_shop, common_shop.buyer())

    assert price_of(caller, {"plan": "limited", "bandwidth": 50, "discount_code": "BIG"})["discount"] == 5
    caller.is_refused(
        {"plan": "limited", "bandwidth": "49", "discount_code": "BIG"},
        "The order is too small for this discount code.",
        "discount_code_order_too_small",
    )


def test_a_first_order_may_have_a_code_for_it(common_shop: Shop) -> None:
    caller = Caller(common_shop, common_shop.buyer())

    assert price_of(caller, {"plan": "residential", "bandwidth": 2, "discount_code": "FIRST"})["discount"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "dearer", "bandwidth": 50, "discount_code": "P2"},
        {"plan": "free", "bandwidth": 1, "discount_code": "TEN"},
    ],
)
def test_a_discount_of_nothing_still_uses_the_code(caller: Caller, fields: dict[str, Any]) -> None:
    uses = "SELECT uses FROM discount_code WHERE code = $1"
    before = caller.shop.value(uses, fields["discount_code"])

    assert price_of(caller, fields)["discount"] == 0

    assert caller.shop.value(uses, fields["discount_code"]) == before + 1


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "free", "bandwidth": 5},
        {"plan": "residential", "bandwidth": 10, "discount_code": "ALL"},
        {"plan": "unlimited", "duration": "20_minutes", "discount_code": "FIVE"},
    ],
)
def test_a_net_of_nothing_passes_with_nothing_and_makes_no_ledger_entry(
    common_shop: Shop,
    fields: dict[str, Any],
) -> None:
    poor = Caller(common_shop, common_shop.buyer(balance_cents=0))
    with footprints(common_shop) as read:
        before = read()
        order = poor.places(fields)
        after = read()

    assert order["price"]["net"] == 0
    assert after["orders"] == before["orders"] + 1
    assert (after["transfers"], after["versions"]) == (before["transfers"], before["versions"])
    assert poor.shop.http.get("/balance/entries", headers=poor.buyer.headers).json() == []


def test_an_equal_balance_is_enough(common_shop: Shop) -> None:
    exact = Caller(common_shop, common_shop.buyer(balance_cents=45_08))

    assert exact.places({"plan": "residential", "bandwidth": 10})["price"]["net"] == 45.08

    assert common_shop.balance_cents(exact.buyer) == 0
    exact.is_refused({"plan": "limited", "bandwidth": "1"}, "Insufficient balance.", "insufficient_balance")


def test_amounts_are_numbers_with_at_most_two_decimals(caller: Caller) -> None:
    amounts = []
    for fields in (
        {"plan": "dearer", "bandwidth": 2},
        {"plan": "residential", "bandwidth": 10, "discount_code": "ODD"},
        {"plan": "residential", "bandwidth": 2, "discount_code": "ONCE"},
        {"plan": "dear", "bandwidth": 1, "discount_code": "ALL"},
    ):
        written = re.search(r'"price":\s*(\{[^}]*\})', caller.in_json(fields).text)
        assert written is not None
        amounts += re.findall(r":\s*([^,}]+)", written[1])

    assert all(re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", amount) for amount in amounts)
    assert amounts[0] == amounts[2] == "19.99"
    assert "9999999.99" in amounts
