"""A simple shop that sells one order after the other, and random catalogs and requests to try the real one against it.

``PlainShop`` is written from the contract's sentences and shares no code with the rules: amounts are fractions of the
currency's unit, the catalog's objects are only read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TypeAlias
from uuid import UUID

from hypothesis import strategies as st

from novaproxy.catalog.model import Catalog, Choice, DiscountCode, Duration, Option, OptionType, Plan, PlanType, Tier
from rule_cases import NOW

Request: TypeAlias = Mapping[str, "str | int | dict[str, str | int] | None"]
Outcome: TypeAlias = "str | UUID | tuple[Fraction, Fraction, Fraction]"
"""A refusal's sentence, the order that is replayed, or gross, discount and net of a new order."""

ACCOUNTS = (1, 2, 3)
KEYS = ("k1", "k2")
TICK = timedelta(microseconds=1)


class No(Exception):  # noqa: N818 -- an answer
    """The sentence of a refusal."""


def no(when: bool, sentence: str) -> None:  # noqa: FBT001 -- reads as the contract's rows
    if when:
        raise No(sentence)


def cents(amount: Fraction) -> Fraction:
    """Round half up to whole cents, in units."""
    return Fraction(floor(amount * 100 + Fraction(1, 2)), 100)


@dataclass
class PlainCustomer:
    balance: Fraction
    entries: list[Fraction] = field(default_factory=list)
    orders: list[tuple[str, str | None]] = field(default_factory=list)
    """The plan and the code of each."""
    keys: dict[str, tuple[str, UUID]] = field(default_factory=dict)


class PlainShop:
    """The contract's section 3, row by row, one order at a time."""

    def __init__(self, catalog: Catalog, now: datetime = NOW) -> None:
        self.catalog = catalog
        self.now = now
        self.customers = {number: PlainCustomer(Fraction(0)) for number in ACCOUNTS}

    def uses(self, code: str) -> int:
        return sum(used == code for one in self.customers.values() for _, used in one.orders)

    def place(self, account: int | None, key: str | None, request: Request, uuid: UUID) -> Outcome:
        try:
            return self._placed(account, key, request, uuid)
        except No as refusal:
            return str(refusal)

    def _placed(self, account: int | None, key: str | None, request: Request, uuid: UUID) -> Outcome:
        if account is None:
            raise No("Unauthenticated.")
        buyer = self.customers[account]
        asked = {name: value for name, value in request.items() if value not in (None, "", {})}
        fingerprint = json.dumps(asked, sort_keys=True)
        if key in buyer.keys:
            known, earlier = buyer.keys[key]
            no(known != fingerprint, "The Idempotency-Key was already used with another request.")
            return earlier
        plan = self._plan(asked)
        gross = self._gross(plan, asked)
        in_plan = sum(slug == plan.slug for slug, _ in buyer.orders)
        no(
            plan.max_orders_per_account is not None and in_plan >= plan.max_orders_per_account,
            "You have reached the maximum number of orders for this plan.",
        )
        code, discount = self._discount(asked.get("discount_code"), plan, gross, buyer)
        net = gross - discount
        no(buyer.balance < net, "Insufficient balance.")
        buyer.balance -= net
        buyer.orders.append((plan.slug, code))
        buyer.entries += [-net] if net else []
        if key is not None:
            buyer.keys[key] = (fingerprint, uuid)
        return gross, discount, net

    def _plan(self, asked: Request) -> Plan:
        slug = asked.get("plan")
        no(slug is None, "The plan field is required.")
        no(not isinstance(slug, str), "The plan field must be a string.")
        found = [plan for plan in self.catalog.plans if plan.slug == slug]
        no(not found, f"Plan '{slug}' not found.")
        return found[0]

    def _gross(self, plan: Plan, asked: Request) -> Fraction:
        slug, config, gb = asked.get("duration"), asked.get("config"), asked.get("bandwidth")
        gross = Fraction(0)
        if plan.type is PlanType.BANDWIDTH:
            no(slug is not None, f"Duration '{slug}' is not available for plan '{plan.slug}'.")
            gross += self._options((), config)
        else:
            no(slug is None, "The duration field is required.")
            no(
                not re.fullmatch("[1-9][0-9]*_(minute|hour|day|week|month|year)s?", str(slug)),
                f"Invalid duration format '{slug}'. Expected e.g. '30_days', '1_day', '20_minutes'.",
            )
            found = [duration for duration in plan.durations if duration.slug == slug]
            no(not found, f"Duration '{slug}' is not available for plan '{plan.slug}'.")
            gross += cents(Fraction(found[0].price_e4, 10_000)) + self._options(found[0].options, config)
        no(not plan.active, "The selected plan is not active.")
        if plan.type is PlanType.DURATION:
            no(gb is not None, "The entered bandwidth is not valid.")
            return gross
        no(gb is None, "The bandwidth field is required.")
        amount = int(str(gb)) if isinstance(gb, int) or re.fullmatch("[1-9][0-9]*", str(gb)) else 0
        reached = [tier for tier in plan.tiers if tier.bandwidth_gb <= amount]
        no(not reached or amount > 2**53 // 2**30, "The entered bandwidth is not valid.")
        return cents(amount * Fraction(reached[-1].price_per_gb_e4, 10_000))

    def _options(self, options: tuple[Option, ...], config: object) -> Fraction:
        no(bool(options) and config is None, "The config field is required for this plan duration.")
        if config is None:
            return Fraction(0)
        no(not isinstance(config, dict), "The config field must be an object.")
        values: dict[str, str | int] = config if isinstance(config, dict) else {}
        for option in options:
            no(values.get(option.name) in (None, ""), f"Missing config value for option '{option.name}'.")
        for name in values:
            known = name in [option.name for option in options]
            no(not known, f"Option '{name}' does not exist for the selected plan duration.")
        return sum((self._line(option, values[option.name]) for option in options), Fraction(0))

    def _line(self, option: Option, value: str | int) -> Fraction:
        if option.type is OptionType.SELECT:
            chosen = [choice for choice in option.choices if str(choice.value) == str(value)]
            no(not chosen, f"Invalid value for option '{option.name}'.")
            return cents(Fraction(chosen[0].price_e4, 10_000))
        told = f"Value for option '{option.name}' must be"
        no(not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", str(value)), f"{told} numeric.")
        number = Fraction(value)
        minimum = Fraction(option.min) if option.min is not None else Fraction(0)
        no(number < minimum, f"{told} at least {minimum}.")
        no(option.max is not None and number > Fraction(option.max), f"{told} at most {option.max}.")
        no(
            option.step is not None and (number / Fraction(option.step)).denominator != 1,
            f"{told} a multiple of {option.step}.",
        )
        return cents(number * Fraction(option.price_per_unit_e4, 10_000))

    def _discount(
        self, asked: object, plan: Plan, gross: Fraction, buyer: PlainCustomer
    ) -> tuple[str | None, Fraction]:
        if asked is None:
            return None, Fraction(0)
        no(not isinstance(asked, str), "The discount_code field must be a string.")
        found = [code for code in self.catalog.discount_codes if code.code.upper() == str(asked).upper()]
        no(not found, "The discount code is not valid.")
        code = found[0]
        no(code.starts_at is not None and not code.starts_at <= self.now, "The discount code is not valid yet.")
        no(code.ends_at is not None and not code.ends_at > self.now, "The discount code has expired.")
        no(code.plans is not None and plan.slug not in code.plans, "The discount code does not apply to this plan.")
        no(code.first_order_only and bool(buyer.orders), "The discount code is for a first order only.")
        minimum = Fraction(code.minimum_gross_cents or 0, 100)
        no(not minimum <= gross, "The order is too small for this discount code.")
        left = None if code.max_uses is None else code.max_uses - self.uses(code.code)
        no(left is not None and left <= 0, "The discount code has been used up.")
        mine = sum(used == code.code for _, used in buyer.orders)
        limit = code.max_uses_per_account
        no(limit is not None and mine + 1 > limit, "You have already used this discount code.")
        if code.percent_e2 is not None:
            return code.code, cents(gross * Fraction(code.percent_e2, 10_000))
        return code.code, min(gross, Fraction(code.amount_cents or 0, 100))


prices = st.sampled_from([0, 1, 50, 333, 4_950, 10_000, 12_345, 50_000])
limits = st.none() | st.integers(1, 3)
order_limits = st.none() | st.integers(1, 6)
switched_on = st.sampled_from([True] * 7 + [False])
around_now: st.SearchStrategy[datetime | None] = st.sampled_from([*[None] * 12, NOW - TICK, NOW, NOW + TICK])


@st.composite
def options(draw: st.DrawFn) -> tuple[Option, ...]:
    speed = Option(
        "speed",
        "Speed",
        draw(st.sampled_from([OptionType.NUMBER, OptionType.RANGE])),
        min=draw(st.sampled_from([None, *map(_decimal, "012")])),
        max=draw(st.sampled_from([None, *map(_decimal, "259")])),
        step=draw(st.sampled_from([None, *map(_decimal, "123")])),
        price_per_unit_e4=draw(prices),
    )
    choices = (Choice("us", "United States", draw(prices)), Choice(7, "Seven", draw(prices)), Choice("010", "Ten"))
    country = Option("country", "Country", OptionType.SELECT, choices=choices)
    return draw(st.sampled_from([(), (speed,), (country,), (speed, country)]))


def _decimal(digit: str) -> Decimal:
    return Decimal(digit)


@st.composite
def catalogs(draw: st.DrawFn, moments: st.SearchStrategy[datetime | None] = around_now) -> Catalog:
    plans = []
    for number, slug in enumerate(("alpha", "beta"), 1):
        tiers = draw(st.dictionaries(st.sampled_from([1, 2, 3, 5]), prices, min_size=1))
        sold = tuple(Tier(bound, price) for bound, price in sorted(tiers.items()))
        is_on, limit = draw(switched_on), draw(order_limits)
        plans.append(Plan(slug, slug, PlanType.BANDWIDTH, is_on, max_orders_per_account=limit, tiers=sold, id=number))
    times = tuple(Duration(slug, slug, draw(prices), draw(options())) for slug in ("1_day", "1_week"))
    is_on, limit = draw(switched_on), draw(order_limits)
    plans.append(Plan("gamma", "gamma", PlanType.DURATION, is_on, max_orders_per_account=limit, durations=times, id=3))
    codes = draw(st.lists(st.sampled_from(["Aa", "BB", "c-1"]), unique=True, min_size=1))
    return Catalog("USD", tuple(plans), tuple(draw(discount_codes(name, moments)) for name in codes))


@st.composite
def discount_codes(draw: st.DrawFn, name: str, moments: st.SearchStrategy[datetime | None]) -> DiscountCode:
    by_percent = draw(st.booleans())
    return DiscountCode(
        name,
        percent_e2=draw(st.sampled_from([1, 1_000, 2_900, 3_333, 10_000])) if by_percent else None,
        amount_cents=None if by_percent else draw(st.sampled_from([1, 500, 10_000])),
        max_uses=draw(limits),
        max_uses_per_account=draw(limits),
        starts_at=draw(moments),
        ends_at=draw(moments),
        plans=draw(st.sampled_from([*[None] * 5, ("alpha",), ("beta", "gamma"), ()])),
        minimum_gross_cents=draw(st.sampled_from([*[None] * 4, 0, 500, 1_000])),
        first_order_only=draw(st.sampled_from([*[False] * 4, True])),
        id=10 + ("Aa", "BB", "c-1").index(name),
    )


values = st.sampled_from(["us", "7", 7, "010", 10, "2", 2, "3.0", 4, "6", "-1", "fast", "", None])
configs = st.dictionaries(st.sampled_from(["speed", "country", "speed", "country", "size"]), values, max_size=3)
bandwidths = st.sampled_from([1, 2, 3, 4, 5, 6, "2", "02", 0, 8_388_609, None])
codes_asked = st.sampled_from([None, None, "AA", "aa", "bB", "C-1", "D", 5, ""])
any_requests = st.fixed_dictionaries(
    {"plan": st.sampled_from(["alpha", "beta", "gamma", "gamma", "Alpha", None, 5])},
    optional={
        "bandwidth": bandwidths,
        "duration": st.sampled_from(["1_day", "1_week", "1_weeks", "week", None]),
        "config": configs | st.just("text"),
        "discount_code": codes_asked,
    },
)


@st.composite
def good_requests(draw: st.DrawFn, catalog: Catalog) -> Request:
    """A request that only a limit, a code or the balance may refuse."""
    plan = draw(st.sampled_from(catalog.plans))
    request: dict[str, str | int | dict[str, str | int] | None] = {"plan": plan.slug}
    if plan.tiers:
        request["bandwidth"] = draw(st.integers(plan.tiers[0].bandwidth_gb, 7))
    else:
        duration = draw(st.sampled_from(plan.durations))
        request["duration"] = duration.slug
        request["config"] = {option.name: draw(good_values(option)) for option in duration.options}
    if draw(st.booleans()):
        request["discount_code"] = draw(st.sampled_from([*catalog.discount_codes])).code.swapcase()
    return request


def good_values(option: Option) -> st.SearchStrategy[str | int]:
    if option.type is OptionType.SELECT:
        return st.sampled_from([choice.value for choice in option.choices] + ["7"])
    step = int(option.step or 1)
    return st.sampled_from([number for number in range(10) if number % step == 0] + ["6"])


callers = st.sampled_from(ACCOUNTS)
keys = st.sampled_from([*[None] * 6, *KEYS])
any_calls = st.tuples(st.sampled_from([*ACCOUNTS * 3, None]), keys, any_requests)
Call: TypeAlias = tuple[int | None, str | None, Request]
