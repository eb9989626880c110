"""Random shops, customers and batches against a simple shop that sells one order after the other.

``PlainShop`` is written from the contract's sentences and shares no code with the rules: amounts are fractions of the
currency's unit, the catalog's objects are only read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TypeAlias
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from novaproxy.catalog.listing import listing
from novaproxy.catalog.model import Catalog, Choice, DiscountCode, Duration, Option, OptionType, Plan, PlanType, Tier
from novaproxy.orders.batch import Accepted, Ledgers, Replay, decide_batch
from novaproxy.orders.model import Ask, Customer
from novaproxy.orders.request import request_hash
from rule_cases import NOW, sent

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

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
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
        no(code.starts_at is not None and not code.starts_at <= NOW, "The discount code is not valid yet.")
        no(code.ends_at is not None and not code.ends_at > NOW, "The discount code has expired.")
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
numbers = st.none() | st.integers(0, 6)


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
def catalogs(draw: st.DrawFn) -> Catalog:
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
    return Catalog("USD", tuple(plans), tuple(draw(discount_codes(name)) for name in codes))


@st.composite
def discount_codes(draw: st.DrawFn, name: str) -> DiscountCode:
    by_percent = draw(st.booleans())
    moments = st.sampled_from([*[None] * 12, NOW - TICK, NOW, NOW + TICK])
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


class Decisions(RuleBasedStateMachine):
    """What the tables would hold, kept beside the plain shop; each batch loads from it and saves to it."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = PlainShop(Catalog("USD"))
        self.customers = {number: Customer(number, 0, 0) for number in ACCOUNTS}
        self.uses: dict[int, int] = {}
        self.calls: list[Call] = []

    @initialize(catalog=catalogs())
    def open_shop(self, catalog: Catalog) -> None:
        self.shop.catalog = catalog

    @rule(catalog=catalogs())
    def apply_another_catalog(self, catalog: Catalog) -> None:
        self.shop.catalog = catalog

    @initialize(amounts_cents=st.lists(st.integers(0, 50_00), min_size=3, max_size=3))
    def pay_in(self, amounts_cents: list[int]) -> None:
        for number, amount_cents in zip(ACCOUNTS, amounts_cents, strict=True):
            self.credit(number, amount_cents + 1)

    @rule(number=callers, amount_cents=st.sampled_from([1, 99, 500, 2_000, 10_000]))
    def credit(self, number: int, amount_cents: int) -> None:
        self.shop.customers[number].balance += Fraction(amount_cents, 100)
        self.shop.customers[number].entries.append(Fraction(amount_cents, 100))
        self.customers[number].balance_cents += amount_cents
        self.customers[number].ledger_version += 1

    @rule(data=st.data(), size=st.integers(1, 8))
    def place_a_batch(self, data: st.DataObject, size: int) -> None:
        good_calls = st.tuples(callers, keys, good_requests(self.shop.catalog))
        batch = [data.draw(good_calls) for _ in range(size)]
        self.calls += batch
        self._place(batch)

    @rule(data=st.data(), wild=st.lists(any_calls, min_size=1, max_size=3))
    def place_a_wild_batch(self, data: st.DataObject, wild: list[Call]) -> None:
        good_calls = st.tuples(callers, keys, good_requests(self.shop.catalog))
        batch = data.draw(st.permutations([*wild, data.draw(good_calls), data.draw(good_calls)]))
        self.calls += batch
        self._place(batch)

    @rule(data=st.data())
    def repeat_earlier_calls(self, data: st.DataObject) -> None:
        if self.calls:
            self._place(data.draw(st.lists(st.sampled_from(self.calls), min_size=1, max_size=4)))

    def _place(self, batch: Sequence[Call]) -> None:
        uuids = [uuid4() for _ in batch]
        fresh = iter(uuids)
        asks = [Ask(b"", key, sent(**request)) for _, key, request in batch]
        books = self._loaded(batch)
        shown = listing(1, self.shop.catalog)
        decisions = decide_batch(asks, books, shown, NOW, lambda _: next(fresh))
        fresh = iter(uuids)
        orders = 0
        for (account, key, request), decision in zip(batch, decisions, strict=True):
            expected = self.shop.place(account, key, request, uuids[orders])
            if isinstance(decision, Accepted):
                terms = decision.terms
                prices_cents = (terms.gross_cents, terms.discount_cents, terms.net_cents)
                assert expected == tuple(Fraction(price, 100) for price in prices_cents)
                assert decision.uuid == uuids[orders]
                assert decision.request_hash == (request_hash(sent(**request)) if key else None)
                orders += 1
                self._save(decision)
            elif isinstance(decision, Replay):
                assert (expected, account) == (decision.uuid, decision.account_id)
            else:
                assert expected == decision.sentence
        self._compare_what_is_left(books)

    def _loaded(self, batch: Sequence[Call]) -> Ledgers:
        """What one statement reads: the accounts that ask, the codes that are asked for, the keys that are sent."""
        asking = [account for account, _, _ in batch]
        asked = {str(request.get("discount_code")).lower() for _, _, request in batch}
        codes = [code.id for code in self.shop.catalog.discount_codes if code.code.lower() in asked]
        customers = {}
        for number in set(asking) - {None}:
            known = self.customers[number or 0]
            sent_keys = {key for account, key, _ in batch if account == number}
            customers[known.account_id] = Customer(
                known.account_id,
                known.balance_cents,
                known.ledger_version,
                dict(known.plan_orders),
                {code_id: known.code_uses.get(code_id, 0) for code_id in codes},
                {key: kept for key, kept in known.keys.items() if key in sent_keys},
            )
        return Ledgers(customers, {code_id: self.uses.get(code_id, 0) for code_id in codes}, asking)

    def _save(self, order: Accepted) -> None:
        buyer = self.customers[order.account_id]
        buyer.balance_cents -= order.terms.net_cents
        assert order.balance_after_cents == buyer.balance_cents
        if order.terms.net_cents:
            buyer.ledger_version += 1
        assert order.ledger_version == (buyer.ledger_version if order.terms.net_cents else None)
        plan_id, code_id = order.terms.plan.id, order.terms.discount_code_id
        buyer.plan_orders[plan_id] = buyer.plan_orders.get(plan_id, 0) + 1
        if code_id is not None:
            self.uses[code_id] = self.uses.get(code_id, 0) + 1
            buyer.code_uses[code_id] = buyer.code_uses.get(code_id, 0) + 1
        if order.idempotency_key is not None and order.request_hash is not None:
            buyer.keys[order.idempotency_key] = (order.uuid, order.request_hash)

    def _compare_what_is_left(self, books: Ledgers) -> None:
        """What a batch leaves in memory is what its accepted orders alone make of the tables."""
        for number, left in books.customers.items():
            kept = self.customers[number]
            assert (left.balance_cents, left.ledger_version) == (kept.balance_cents, kept.ledger_version)
            assert left.plan_orders == kept.plan_orders
            assert all(kept.code_uses.get(code_id, 0) == uses for code_id, uses in left.code_uses.items())
            assert left.keys.items() <= kept.keys.items()
        assert all(self.uses.get(code_id, 0) == uses for code_id, uses in books.uses_by_code.items())

    @invariant()
    def the_tables_and_the_plain_shop_agree(self) -> None:
        for number, buyer in self.customers.items():
            plain = self.shop.customers[number]
            assert Fraction(buyer.balance_cents, 100) == plain.balance == sum(plain.entries)
            assert buyer.balance_cents >= 0
            assert buyer.ledger_version == len(plain.entries)
            assert sum(buyer.plan_orders.values()) == len(plain.orders)
            assert {key: uuid for key, (uuid, _) in buyer.keys.items()} == {
                key: uuid for key, (_, uuid) in plain.keys.items()
            }

    @invariant()
    def uses_are_the_redemptions(self) -> None:
        for code_id, name in enumerate(("Aa", "BB", "c-1"), 10):
            assert self.uses.get(code_id, 0) == self.shop.uses(name)


TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(max_examples=100, stateful_step_count=15, deadline=None)
