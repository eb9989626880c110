"""Plans, codes, bodies and exact arithmetic for the tests of the rules."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from uuid import UUID

from hypothesis import strategies as st

from novaproxy.catalog.listing import Listing, listing
from novaproxy.catalog.model import (
    Catalog,
    Choice,
    DiscountCode,
    Duration,
    Option,
    OptionType,
    Plan,
    PlanType,
    Tier,
)
from novaproxy.http.body import Fields, JsonValue
from novaproxy.http.json_body import json_fields
from novaproxy.orders.batch import Accepted, Decision, Ledgers, decide_batch
from novaproxy.orders.model import Ask, Customer

NOW = datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC)

# Spellings of numbers that JSON allows and that a careless reader hangs on, overflows on or takes for another number.
HOSTILE_NUMBERS = (
    "1e400",
    "1e-400",
    "-1e400",
    "1e999999999",
    "1e-999999999",
    "-1e-999999999",
    "1e99999999999999999999999",
    "1e-99999999999999999999999",
    "-1e99999999999999999999999",
    "1" + "0" * 60_000,
    "1" * 60_000,
    "0." + "0" * 60_000 + "1",
    "0." + "1" * 60_000,
)
HOSTILE_ZEROS = (
    "0e999999999",
    "0e-999999999",
    "-0e-999999999",
    "0e40",
    "0e-40",
    "-0",
    "-0.0",
    "0e99999999999999999999999",
    "0e-99999999999999999999999",
    "0." + "0" * 60_000,
)

prices_e4 = st.one_of(
    st.integers(0, 10**6),
    st.sampled_from([0, 1, 49, 50, 51, 99, 149, 150, 333, 9_999, 10_000, 99_999_999_999_999]),
)


def half_up(number: Fraction) -> int:
    return floor(number + Fraction(1, 2))


def units(price_e4: int) -> Fraction:
    return Fraction(price_e4, 10_000)


def e4(written: str) -> int:
    price = Fraction(written) * 10_000
    assert price.denominator == 1
    return price.numerator


def traffic(*tiers: tuple[int, str], slug: str = "traffic", plan_id: int = 1, limit: int | None = None) -> Plan:
    return Plan(
        slug=slug,
        name=slug.title(),
        type=PlanType.BANDWIDTH,
        max_orders_per_account=limit,
        tiers=tuple(Tier(bandwidth_gb, e4(price)) for bandwidth_gb, price in tiers or ((1, "5.00"),)),
        id=plan_id,
    )


def time(*durations: Duration, slug: str = "time", plan_id: int = 2) -> Plan:
    return Plan(slug=slug, name=slug.title(), type=PlanType.DURATION, durations=durations, id=plan_id)


def duration(slug: str = "1_week", price: str = "9.00", *options: Option) -> Duration:
    return Duration(slug, slug.replace("_", " "), e4(price), options)


def measured(
    name: str = "speed",
    price: str = "0",
    *,
    minimum: str | None = None,
    maximum: str | None = None,
    step: str | None = None,
    kind: OptionType = OptionType.NUMBER,
) -> Option:
    return Option(
        name,
        name.title(),
        kind,
        min=None if minimum is None else Decimal(minimum),
        max=None if maximum is None else Decimal(maximum),
        step=None if step is None else Decimal(step),
        price_per_unit_e4=e4(price),
    )


def select(name: str, *choices: tuple[str | int, str]) -> Option:
    return Option(
        name,
        name.title(),
        OptionType.SELECT,
        choices=tuple(Choice(value, f"<{value}>", e4(price)) for value, price in choices),
    )


def code(
    name: str = "TEN", *, code_id: int = 7, percent_e2: int | None = None, amount_cents: int | None = None
) -> DiscountCode:
    if amount_cents is None and percent_e2 is None:
        percent_e2 = 10_00
    return DiscountCode(name, percent_e2=percent_e2, amount_cents=amount_cents, id=code_id)


def listed(*things: Plan | DiscountCode) -> Listing:
    plans = tuple(thing for thing in things if isinstance(thing, Plan))
    codes = tuple(thing for thing in things if isinstance(thing, DiscountCode))
    return listing(1, Catalog("USD", plans, codes))


def body(text: str) -> Fields:
    """The fields of a JSON body, read as the service reads them."""
    return json_fields(text.encode())


def sent(**fields: object) -> Fields:
    return body(json.dumps(fields))


def read_number(written: str) -> JsonValue:
    return body(f'{{"n": {written}}}').values["n"]


def ask(key: str | None = None, **fields: object) -> Ask:
    return Ask(b"\0" * 32, key, sent(**fields))


def customer(balance_cents: int = 100_00, account_id: int = 1) -> Customer:
    return Customer(account_id, balance_cents, ledger_version=3)


def ledgers(asking: list[int | None], *customers: Customer, uses: dict[int, int] | None = None) -> Ledgers:
    return Ledgers({one.account_id: one for one in customers}, uses or {}, asking)


class Uuids:
    """Uuids that can be told from each other: 1, 2, 3 …"""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, now: datetime) -> UUID:
        assert now == NOW
        self.made += 1
        return UUID(int=self.made)


def decided(asks: list[Ask], books: Ledgers, shop: Listing) -> list[Decision]:
    return decide_batch(asks, books, shop, NOW, Uuids())


def accepted(decision: Decision) -> Accepted:
    assert isinstance(decision, Accepted), decision
    return decision


def told(decision: Decision) -> str:
    """The sentence of a refusal, or what became of the order."""
    return getattr(decision, "sentence", type(decision).__name__)
