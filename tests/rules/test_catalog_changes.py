"""What ``catalog apply`` tells the operator, in the words of his file."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalog_files import DOCUMENTED
from novaproxy.catalog.changes import changes
from novaproxy.catalog.file import demo_text, parsed
from novaproxy.catalog.listing import EMPTY
from novaproxy.catalog.model import Catalog, Delivery, DiscountCode, Duration, Option, Plan, Protocol, Tier
from novaproxy.catalog.model import OptionType as Kind
from rule_cases import code, duration, measured, select, time, traffic

FILE = DOCUMENTED.decode()
WEEK, HOMES, FIVE = "plan datacenter: duration 1_week", "plan residential", "discount code FIVE"
ROTATING, STICKY = "rotating (Rotating)", "sticky (Sticky)"
HTTP, SOCKS = "http proxy.example.com:12321", "socks5 proxy.example.com"


def told(old: str, new: str) -> list[str]:
    """The lines of an apply that replaces *old* in the documented file by *new*."""
    assert FILE.count(old) == 1
    return changes(parsed(FILE.encode()), parsed(FILE.replace(old, new).encode()))


def shop(*things: Plan | DiscountCode) -> Catalog:
    plans = tuple(thing for thing in things if isinstance(thing, Plan))
    codes = tuple(thing for thing in things if isinstance(thing, DiscountCode))
    return Catalog("USD", plans, codes)


def test_a_first_apply_tells_everything_that_is_new() -> None:
    assert changes(EMPTY.catalog, parsed(DOCUMENTED)) == [
        "~ currency: none -> USD",
        "+ plan residential: bandwidth, 2 tiers from 4.5075 per GB",
        "+ plan datacenter: duration, 1 duration from 9.00",
        "+ discount code SUMMER10: 10 %",
        "+ discount code FIVE: amount 5.00, plans residential",
    ]
    lines = changes(EMPTY.catalog, parsed(demo_text()))
    assert sum(line.startswith("+ plan ") for line in lines) == 10


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("4.5075", "4.25", f"~ {HOMES}: bandwidth 10: price_per_gb 4.5075 -> 4.25"),
        ("price_per_gb: 5.00", "price_per_gb: 4.5", f"~ {HOMES}: bandwidth 1: price_per_gb 5.00 -> 4.50"),
        ("price: 9.00", "price: 9.125", f"~ {WEEK}: price 9.00 -> 9.125"),
        ("name: 1 week", "name: One week", f"~ {WEEK}: name 1 week -> One week"),
        ("unit: 0.10", "unit: 0", f"~ {WEEK}: option speed: price_per_unit 0.10 -> 0.00"),
        ("min: 1,", "", f"~ {WEEK}: option speed: min 1 -> none"),
        ("max: 100", "max: 50.50", f"~ {WEEK}: option speed: max 100 -> 50.5"),
        ("step: 1", "step: 0.25", f"~ {WEEK}: option speed: step 1 -> 0.25"),
        ("range", "number", f"~ {WEEK}: option speed: type range -> number"),
        (
            "price: 1.00",
            "price: 2",
            f"~ {WEEK}: option country: choice us: price 1.00 -> 2.00",
        ),
        ("Germany", "Chile", f"~ {WEEK}: option country: choice 7: label Germany -> Chile"),
        ("value: 7", 'value: "7"', f'~ {WEEK}: option country: choice 7: value 7 -> "7"'),
        ("active: true", "active: false", f"~ {HOMES}: active yes -> no"),
        ("geo_targeting: true", "geo_targeting: false", f"~ {HOMES}: has_geo_targeting yes -> no"),
        (
            "max_orders_per_account: null",
            "max_orders_per_account: 3",
            f"~ {HOMES}: max_orders_per_account none -> 3",
        ),
        ("validity: null", "validity: 90_days", f"~ {HOMES}: validity none -> 90_days"),
        ("delivery: gateway", "delivery: manual", f"~ {HOMES}: delivery gateway -> manual"),
        ("name: Residential", "name: Homes", f"~ {HOMES}: name Residential -> Homes"),
        (
            ", {code: sticky, name: Sticky}",
            "",
            f"~ {HOMES}: rotations {ROTATING}, {STICKY} -> {ROTATING}",
        ),
        (
            "port: 32325",
            "port: 1",
            f"~ {HOMES}: protocols {HTTP}, {SOCKS}:32325 -> {HTTP}, {SOCKS}:1",
        ),
        (
            ", host: proxy.example.com, port: 32325",
            ", host: h, port: 1",
            f"~ {HOMES}: protocols {HTTP}, {SOCKS}:32325 -> {HTTP}, socks5 h:1",
        ),
        (
            "[{code: rotating, name: Rotating}, {code: sticky, name: Sticky}]",
            "[]",
            f"~ {HOMES}: rotations {ROTATING}, {STICKY} -> none",
        ),
        ("percent: 10", 'percent: "12.50"', "~ discount code SUMMER10: percent 10 % -> 12.5 %"),
        ("amount: 5.00", "amount: 6", f"~ {FIVE}: amount 5.00 -> 6.00"),
        ("max_uses: 100", "max_uses: null", f"~ {FIVE}: max_uses 100 -> none"),
        ("per_account: 1", "per_account: 2", f"~ {FIVE}: max_uses_per_account 1 -> 2"),
        ("2026-01-01T00:00:00Z", "null", f"~ {FIVE}: starts_at 2026-01-01T00:00:00Z -> none"),
        (
            "ends_at: null",
            "ends_at: 2027-01-01T00:00:00+02:00",
            f"~ {FIVE}: ends_at none -> 2026-12-31T22:00:00Z",
        ),
        (
            "plans: [residential]",
            "plans: [datacenter, residential]",
            f"~ {FIVE}: plans residential -> datacenter, residential",
        ),
        ("plans: [residential]", "plans: null", f"~ {FIVE}: plans residential -> all"),
        ("minimum_gross: 10.00", "minimum_gross: null", f"~ {FIVE}: minimum_gross 10.00 -> none"),
        ("first_order_only: false", "first_order_only: true", f"~ {FIVE}: first_order_only no -> yes"),
        ("code: SUMMER10", "code: Summer10", "~ discount code Summer10: code SUMMER10 -> Summer10"),
        ("currency: USD", "currency: EUR", "~ currency: USD -> EUR"),
    ],
)
def test_a_change_is_one_line_in_the_words_of_the_file(old: str, new: str, line: str) -> None:
    assert told(old, new) == [line]


def test_what_is_added_and_what_is_gone_inside_a_plan() -> None:
    assert told("      - {bandwidth: 10,", "      - {bandwidth: 50,") == [
        "+ plan residential: bandwidth 50: price_per_gb 4.5075",
        "- plan residential: bandwidth 10",
    ]
    assert told("slug: 1_week", "slug: 2_weeks") == [
        "+ plan datacenter: duration 2_weeks: price 9.00, options speed, country",
        "- plan datacenter: duration 1_week",
    ]
    assert told("name: speed", "name: threads") == [
        f"+ {WEEK}: option threads: range, price_per_unit 0.10",
        f"- {WEEK}: option speed",
    ]
    assert told("value: us", "value: fr") == [
        f"+ {WEEK}: option country: choice fr: price 1.00",
        f"- {WEEK}: option country: choice us",
    ]


def test_what_is_new_is_told_with_what_it_sells() -> None:
    speed, country = measured("speed", price="0.25"), select("country", ("us", "1"), ("de", "0"))
    by_hand = Plan("m", "M", traffic().type, active=False, delivery=Delivery.MANUAL, tiers=(Tier(1, 50_000),))
    free = Option("seats", "Seats", Kind.NUMBER)
    assert changes(
        shop(time(duration("1_day"))), shop(time(duration("1_day", "3", speed, country, free)), by_hand)
    ) == [
        "~ plan time: duration 1_day: price 9.00 -> 3.00",
        "+ plan time: duration 1_day: option speed: number, price_per_unit 0.25",
        "+ plan time: duration 1_day: option country: 2 choices",
        "+ plan time: duration 1_day: option seats: number",
        "+ plan m: bandwidth, 1 tier from 5.00 per GB, delivery manual, not active",
    ]


def test_a_percentage_that_becomes_an_amount_is_both_told() -> None:
    assert told("percent: 10", "amount: 1.5") == [
        "~ discount code SUMMER10: percent 10 % -> none",
        "~ discount code SUMMER10: amount none -> 1.50",
    ]


def test_what_is_empty_is_none() -> None:
    bare, with_entrance = (
        Plan("p", "P", traffic().type),
        Plan("p", "P", traffic().type, protocols=(Protocol("http", "h", 1),)),
    )
    assert changes(shop(bare), shop(with_entrance)) == ["~ plan p: protocols none -> http h:1"]
    for_all, for_none = code("X"), DiscountCode("X", percent_e2=10_00, plans=())
    assert changes(shop(for_all), shop(for_none)) == ["~ discount code X: plans all -> none"]


def test_a_plan_that_is_left_out_is_switched_off_and_a_code_withdrawn() -> None:
    before = shop(traffic(slug="old"), traffic(slug="kept"), code("X"), code("Y"))
    assert changes(before, shop(traffic(slug="kept"), code("y"))) == [
        "- plan old (switched off)",
        "~ discount code y: code Y -> y",
        "- discount code X (withdrawn)",
    ]


def test_a_plan_that_rests_is_told_when_it_comes_back_and_not_when_it_stays_away() -> None:
    resting = Plan("old", "Old", traffic().type, active=False, tiers=(Tier(1, 50_000),))
    kept, news = traffic(slug="kept"), code("NEW")
    assert changes(shop(resting, kept), shop(kept, news)) == ["+ discount code NEW: 10 %"]
    assert changes(shop(kept, resting), shop(kept, traffic(slug="old"))) == ["~ plan old: active no -> yes"]
    assert changes(shop(resting, kept), shop(kept)) == ["~ order of the plans"]


def test_another_order_is_told_where_it_is() -> None:
    one, two = traffic(slug="one"), traffic(slug="two")
    assert changes(shop(one, two), shop(two, one)) == ["~ order of the plans"]
    assert changes(shop(code("A"), code("B")), shop(code("B"), code("A"))) == ["~ order of the discount codes"]
    week, day, speed, country = (
        duration("1_week"),
        duration("1_day"),
        measured("speed"),
        select("c", ("a", "0"), ("b", "0")),
    )
    assert changes(shop(time(week, day)), shop(time(day, week))) == ["~ plan time: order of the durations"]
    options = [duration("1_day", "1", *pair) for pair in ((speed, country), (country, speed))]
    assert changes(shop(time(options[0])), shop(time(options[1]))) == [
        "~ plan time: duration 1_day: order of the options"
    ]
    turned = select("c", ("b", "0"), ("a", "0"))
    assert changes(shop(time(duration("1_day", "1", country))), shop(time(duration("1_day", "1", turned)))) == [
        "~ plan time: duration 1_day: option c: order of the choices"
    ]
    assert changes(shop(one, two), shop(traffic(slug="new"), one, two)) == [
        "+ plan new: bandwidth, 1 tier from 5.00 per GB"
    ]


def test_ids_are_not_told() -> None:
    before = shop(traffic(plan_id=5), code("A", code_id=9))
    assert changes(before, shop(traffic(plan_id=0), code("A", code_id=0), code("B"))) == ["+ discount code B: 10 %"]


def test_lines_stand_in_the_order_of_the_file() -> None:
    before = shop(traffic((1, "5"), slug="b"), traffic((1, "5"), slug="a"), code("A"))
    after = shop(traffic((1, "4"), slug="b"), traffic((1, "4"), slug="a"), traffic(slug="c"))
    assert changes(before, after) == [
        "~ plan b: bandwidth 1: price_per_gb 5.00 -> 4.00",
        "~ plan a: bandwidth 1: price_per_gb 5.00 -> 4.00",
        "+ plan c: bandwidth, 1 tier from 5.00 per GB",
        "- discount code A (withdrawn)",
    ]


def test_a_text_of_the_file_cannot_make_lines_or_colours_of_its_own() -> None:
    before = shop(Plan("p", "a\u2028+ plan free", traffic().type))
    assert changes(before, shop(Plan("p", "\u202eb\x1b[31m", traffic().type))) == [
        "~ plan p: name a\\u2028+ plan free -> \\u202eb\\x1b[31m",
    ]


def test_a_select_that_becomes_a_number_tells_all_that_differs() -> None:
    before = shop(time(Duration("1_day", "D", 0, (select("o", ("a", "0")),))))
    after = shop(time(Duration("1_day", "D", 0, (Option("o", "O", Kind.NUMBER, price_per_unit_e4=1_000),))))
    place = "plan time: duration 1_day: option o"
    assert changes(before, after) == [
        f"~ {place}: type select -> number",
        f"- {place}: choice a",
        f"~ {place}: price_per_unit 0.00 -> 0.10",
    ]


slugs = st.lists(st.sampled_from(["a", "b", "c"]), unique=True)
plans = slugs.flatmap(
    lambda names: st.tuples(
        *(st.builds(lambda price, slug=name: traffic((1, price), slug=slug), st.sampled_from("12")) for name in names)
    )
)


@given(plans, plans)
@settings(max_examples=60)
def test_different_catalogs_are_never_silent(before: tuple[Plan, ...], after: tuple[Plan, ...]) -> None:
    assume(before != after)
    lines = changes(Catalog("USD", before), Catalog("USD", after))
    assert len(lines) == len(set(lines)) > 0
    assert all(line[:2] in {"+ ", "- ", "~ "} and line.isprintable() for line in lines)
    assert not any("_e4" in line or "_cents" in line for line in lines)
