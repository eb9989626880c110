"""The export reads back as the same catalog, and the demo is one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_files import (
    DOCUMENTED,
)
from novaproxy.catalog.currency import TWO_DECIMAL_CURRENCIES
from novaproxy.catalog.file import demo_text, exported, parsed
from novaproxy.catalog.model import (
    Catalog,
    Choice,
    Delivery,
    DiscountCode,
    Duration,
    Option,
    OptionType,
    Plan,
    PlanType,
    Protocol,
    Rotation,
    Tier,
)

NASTY = [
    "no",
    "null",
    "~",
    "y",
    "7",
    "007",
    "1_000",
    "1e3",
    "0o17",
    "2026-01-01",
    "<<",
    "=",
    "- a",
    "a: b",
    "a #b",
    "#",
]
NASTY += [
    "'",
    '"',
    "\\",
    "{",
    "]",
    ",",
    "a,b",
    "&a",
    "*a",
    "!a",
    "%",
    "@",
    "`",
    "|",
    ">",
    "?",
    "---",
    "...",
    "a\u2028b",
]
NASTY += ["\ufeffa", "\U0001f600", "\u00a0x\u00a0".strip() + "\u00a0y", "Türkiye", "\u202eabc", "a  b", ".inf", "0x1F"]

names = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20
).filter(lambda text: text.strip() != "")
identities = names.map(str.strip)
slugs = identities.filter(lambda text: not any(c.isspace() or c in "/\\?#" for c in text) and text not in (".", ".."))
prices = st.integers(0, 10**14 - 1) | st.integers(0, 100_000)
limits = st.none() | st.integers(1, 2**53)
decimals = st.decimals(0, 10**9, places=3).map(lambda number: number.quantize(Decimal("0.001")))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 -- Hypothesis takes naive bounds
duration_slugs = st.builds(
    lambda amount, unit, plural: f"{amount}_{unit}{plural}",
    st.integers(1, 10),
    st.sampled_from(["minute", "hour", "day", "week", "month", "year"]),
    st.sampled_from(["", "s"]),
)
values = st.integers(0, 2**53) | identities
choices = st.lists(
    st.builds(Choice, values, names, prices), min_size=1, max_size=4, unique_by=lambda choice: str(choice.value)
).map(tuple)


@st.composite
def options(draw: st.DrawFn) -> Option:
    name, label, option_type = draw(identities), draw(names), draw(st.sampled_from(OptionType))
    if option_type is OptionType.SELECT:
        return Option(name, label, option_type, choices=draw(choices))
    low, high = sorted((draw(decimals), draw(decimals)))
    return Option(
        name,
        label,
        option_type,
        min=draw(st.sampled_from([None, low])),
        max=draw(st.sampled_from([None, high])),
        step=draw(st.none() | decimals.filter(bool)),
        price_per_unit_e4=draw(prices),
    )


durations = st.builds(
    Duration,
    duration_slugs,
    names,
    prices,
    st.lists(options(), max_size=3, unique_by=lambda option: option.name).map(tuple),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    plan_type = draw(st.sampled_from(PlanType))
    is_bandwidth = plan_type is PlanType.BANDWIDTH
    tiers = st.lists(
        st.builds(Tier, st.integers(1, 8_388_608), prices), min_size=1, max_size=4, unique_by=lambda t: t.bandwidth_gb
    )
    rotations = st.lists(st.builds(Rotation, identities, names), max_size=2, unique_by=lambda rotation: rotation.code)
    hosts = st.sampled_from(["localhost", "::1", "proxy.example.com", "10.0.0.1"])
    return Plan(
        draw(slugs),
        draw(names),
        plan_type,
        active=draw(st.booleans()),
        has_geo_targeting=draw(st.booleans()),
        has_ip_whitelist=draw(st.booleans()),
        rotations=tuple(draw(rotations)),
        protocols=tuple(draw(st.lists(st.builds(Protocol, identities, hosts, st.integers(1, 65_535)), max_size=2))),
        max_orders_per_account=draw(limits),
        validity=draw(st.none() | duration_slugs) if is_bandwidth else None,
        delivery=draw(st.sampled_from(Delivery)),
        tiers=tuple(sorted(draw(tiers), key=lambda tier: tier.bandwidth_gb)) if is_bandwidth else (),
        durations=()
        if is_bandwidth
        else tuple(draw(st.lists(durations, min_size=1, max_size=2, unique_by=lambda duration: duration.slug))),
    )


@st.composite
def discount_codes(draw: st.DrawFn, plan_slugs: list[str]) -> DiscountCode:
    is_percent = draw(st.booleans())
    starts_at = draw(st.none() | moments)
    ends_at = draw(st.none() | moments)
    if starts_at is not None and ends_at is not None:
        ends_at = starts_at + timedelta(microseconds=draw(st.integers(1, 10**12)))
    named = st.lists(st.sampled_from(plan_slugs), unique=True).map(tuple) if plan_slugs else st.just(())
    return DiscountCode(
        draw(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True) | st.sampled_from(["no", "1e3", "-", "7", "_"])),
        percent_e2=draw(st.integers(1, 10_000)) if is_percent else None,
        amount_cents=None if is_percent else draw(st.integers(1, 10**12 - 1)),
        max_uses=draw(limits),
        max_uses_per_account=draw(limits),
        starts_at=starts_at,
        ends_at=ends_at,
        plans=draw(st.none() | named),
        minimum_gross_cents=draw(st.none() | st.integers(0, 10**12 - 1)),
        first_order_only=draw(st.booleans()),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    sold = draw(st.lists(plans(), max_size=3, unique_by=lambda plan: plan.slug))
    codes = st.lists(discount_codes([plan.slug for plan in sold]), max_size=3, unique_by=lambda code: code.code.lower())
    return Catalog(draw(st.sampled_from(sorted(TWO_DECIMAL_CURRENCIES))), tuple(sold), tuple(draw(codes)))


@given(catalogs())
@settings(max_examples=80, deadline=None)
def test_an_export_reads_back_as_the_same_catalog(catalog: Catalog) -> None:
    text = exported(catalog)
    again = parsed(text.encode())
    assert again == catalog
    assert exported(again) == text
    read_by_others = yaml.safe_load(text)
    assert {plan["slug"] for plan in read_by_others["plans"]} == {plan.slug for plan in catalog.plans}
    assert {plan["name"] for plan in read_by_others["plans"]} == {plan.name for plan in catalog.plans}
    assert [code["code"] for code in read_by_others.get("discount_codes", [])] == [
        code.code for code in catalog.discount_codes
    ]


@given(st.lists(values, min_size=1, unique_by=str, max_size=5))
@settings(max_examples=80, deadline=None)
def test_select_values_keep_their_type_through_an_export(kept: list[str | int]) -> None:
    option = Option("o", "O", OptionType.SELECT, choices=tuple(Choice(value, "L") for value in kept))
    plan = Plan("d", "D", PlanType.DURATION, durations=(Duration("1_day", "D", 0, (option,)),))
    again = parsed(exported(Catalog("USD", (plan,))).encode()).plans[0].durations[0].options[0].choices
    assert [(type(choice.value), choice.value) for choice in again] == [(type(value), value) for value in kept]


def test_an_export_says_only_what_differs_from_the_defaults() -> None:
    assert exported(parsed(DOCUMENTED)) == (
        """\
currency: USD
plans:
  - slug: residential
    name: Residential
    type: bandwidth
    has_geo_targeting: true
    rotations:
      - {code: rotating, name: Rotating}
      - {code: sticky, name: Sticky}
    protocols:
      - {code: http, host: proxy.example.com, port: 12321}
      - {code: socks5, host: proxy.example.com, port: 32325}
    bandwidths:
      - {bandwidth: 1, price_per_gb: 5.00}
      - {bandwidth: 10, price_per_gb: 4.5075}
  - slug: datacenter
    name: Datacenter
    type: duration
    durations:
      - slug: 1_week
        name: 1 week
        price: 9.00
        options:
          - {name: speed, label: Speed, type: range, min: 1, max: 100, step: 1, price_per_unit: 0.10}
          - name: country
            label: Country
            type: select
            options:
              - {value: us, label: United States, price: 1.00}
              - {value: 7, label: Germany}
discount_codes:
  - code: SUMMER10
    percent: 10
  - code: FIVE
    amount: 5.00
    max_uses: 100
    max_uses_per_account: 1
    starts_at: 2026-01-01T00:00:00Z
    plans: [residential]
    minimum_gross: 10.00
"""
    )


def test_an_export_carries_inactive_plans_and_leaves_ids_out() -> None:
    plan = Plan("r", "R", PlanType.BANDWIDTH, active=False, tiers=(Tier(1, 0, id=3),), id=4)
    text = exported(Catalog("USD", (plan,)))
    assert "active: false" in text
    assert parsed(text.encode()) == Catalog(
        "USD", (Plan("r", "R", PlanType.BANDWIDTH, active=False, tiers=(Tier(1, 0),)),)
    )
    assert exported(Catalog(None)) == "plans: []\n"


def test_the_demo_has_the_ten_documented_products() -> None:
    demo = parsed(demo_text())
    assert {plan.slug: plan.type.value for plan in demo.plans} == {
        "residential": "bandwidth",
        "residential-budget": "bandwidth",
        "mobile": "bandwidth",
        "ipv6-residential": "duration",
        "ipv6-datacenter": "duration",
        "unlimited-residential": "duration",
        "unlimited-residential-budget": "duration",
        "static-isp": "duration",
        "static-datacenter": "duration",
        "datacenter": "duration",
    }
    sold = {plan.slug: {duration.slug: duration for duration in plan.durations} for plan in demo.plans}
    assert not any(duration.options for duration in sold["unlimited-residential"].values())
    assert list(sold["unlimited-residential-budget"]) == ["1_day", "1_week", "1_month"]
    for duration in sold["unlimited-residential-budget"].values():
        assert [choice.value for choice in duration.options[0].choices] == [10, 25, 50, 100]
    for slug in ("static-isp", "static-datacenter"):
        assert sold[slug]["30_days"].options[0].name == "country"
    assert {slug: [o.name for o in duration.options] for slug, duration in sold["datacenter"].items()} == {
        "1_day": ["speed"],
        "1_week": ["speed"],
        "30_days": ["threads"],
    }
    assert [code.code for code in demo.discount_codes] == ["WELCOME10", "FIVE", "SPRING25"]
    assert parsed(exported(demo).encode()) == demo
