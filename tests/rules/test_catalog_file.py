"""The catalog file: the documented one, and every fault by name with its place."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from catalog_files import (
    DOCUMENTED,
    PLAN,
    TIERS,
    code_faults,
    duration_faults,
    faults,
    option_faults,
    plan_faults,
    tier_faults,
    told,
)
from novaproxy.catalog.currency import TWO_DECIMAL_CURRENCIES
from novaproxy.catalog.file import parsed
from novaproxy.catalog.model import (
    Catalog,
    Choice,
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


def test_the_documented_file_is_read_as_documented() -> None:
    speed = Option(
        "speed", "Speed", OptionType.RANGE, min=Decimal(1), max=Decimal(100), step=Decimal(1), price_per_unit_e4=1000
    )
    country = Option(
        "country",
        "Country",
        OptionType.SELECT,
        choices=(Choice("us", "United States", 10_000), Choice(7, "Germany")),
    )
    expected = Catalog(
        "USD",
        (
            Plan(
                "residential",
                "Residential",
                PlanType.BANDWIDTH,
                has_geo_targeting=True,
                rotations=(Rotation("rotating", "Rotating"), Rotation("sticky", "Sticky")),
                protocols=(
                    Protocol("http", "proxy.example.com", 12321),
                    Protocol("socks5", "proxy.example.com", 32325),
                ),
                tiers=(Tier(1, 50_000), Tier(10, 45_075)),
            ),
            Plan(
                "datacenter",
                "Datacenter",
                PlanType.DURATION,
                durations=(Duration("1_week", "1 week", 90_000, (speed, country)),),
            ),
        ),
        (
            DiscountCode("SUMMER10", percent_e2=1000),
            DiscountCode(
                "FIVE",
                amount_cents=500,
                max_uses=100,
                max_uses_per_account=1,
                starts_at=datetime(2026, 1, 1, tzinfo=UTC),
                plans=("residential",),
                minimum_gross_cents=1000,
            ),
        ),
    )
    assert parsed(DOCUMENTED) == expected


def test_plans_may_be_an_empty_list_but_must_be_there() -> None:
    assert parsed(b"plans: []") == Catalog("USD")
    assert faults("currency: USD") == ["plans: is required ([] switches all plans off)"]
    assert faults("plans:") == ["plans: is required ([] switches all plans off)"]


def test_a_null_key_is_a_missing_key() -> None:
    nulls = (
        "active: ~, has_geo_targeting: null, rotations: Null, protocols: NULL, validity: , delivery: ~, durations: ~"
    )
    text = "plans: [{slug: r, name: R, type: bandwidth, " + nulls + ", " + TIERS + "}]\ndiscount_codes: ~\ncurrency:"
    assert parsed(text.encode()) == parsed(PLAN.encode())


def test_an_unknown_key_is_told_with_a_near_one() -> None:
    assert plan_faults(f"type: bandwidth, {TIERS}, validty: 1_day") == [
        "plans[0].validty: unknown key; did you mean 'validity'?"
    ]
    assert plan_faults(f"type: bandwidth, {TIERS}, xyzzy: 1") == ["plans[0].xyzzy: unknown key"]
    assert faults("plans: []\nfoo\tbar: 1\n'': 2\n\"a\\nb\": 3") == [
        "foo\\tbar: unknown key",
        "'': unknown key",
        "a\\nb: unknown key",
    ]
    assert faults("plans: []\n? [a]\n: b") == ["a key must be text"]


def test_a_repeated_key_is_told() -> None:
    assert faults("plans: []\ncurrency: USD\n'plans': []") == ["plans: the key is repeated"]
    assert "plans[0].slug: the key is repeated" in plan_faults(f"slug: r, type: bandwidth, {TIERS}")


BROKEN = """\
plans:
  - slug: a
    foo: 1
    type: duration
    type: duration
    durations:
      - slug: 1_day
        name:
          Day
        price:
          -1
        options:
          - {name: s, label: S, type: range, step: 0}
          - &query
            name: q
            label: Q
            type: select
            options: []
      - slug: 1_week
        name: Week
        price: 1
        options: [*query]
  - {slug: b, name: B, type: bandwidth, bandwidths: [5], durations: [
      1]}
discount_codes:
  - code: a b
    plans: [a,
      b, c]
? [1]
: 2
"""


def test_every_fault_is_told_with_the_line_where_it_is_mended() -> None:
    assert told(BROKEN) == [
        "a key must be text (line 29)",
        "plans[0].type: the key is repeated (line 5)",
        "plans[0].foo: unknown key (line 3)",
        "plans[0].name: is required (line 2)",
        "plans[0].durations[0].price: must not be negative (line 11)",
        "plans[0].durations[0].options[0].step: must be above 0 (line 13)",
        "plans[0].durations[0].options[1].options: needs at least one choice (line 18)",
        "plans[0].durations[1].options[0].options: needs at least one choice (line 18)",
        "plans[1].bandwidths[0]: must be a mapping of keys and values (line 23)",
        "plans[1].durations: is for duration plans; a bandwidth plan has bandwidths (line 23)",
        "discount_codes[0].code: must be 1 to 64 letters A-Z and a-z, digits, '_' and '-': 'a b' (line 26)",
        "discount_codes[0]: needs either percent or amount (line 26)",
        "discount_codes[0].plans[2]: no plan 'c' (line 28)",
    ]


@pytest.mark.parametrize("missing", ["slug", "name", "type"])
def test_a_plan_needs_slug_name_and_type(missing: str) -> None:
    keys = {"slug": "r", "name": "R", "type": "bandwidth"}
    text = ", ".join(f"{key}: {value}" for key, value in keys.items() if key != missing)
    assert faults("plans: [{" + text + ", " + TIERS + "}]") == [f"plans[0].{missing}: is required"]


def test_other_required_keys_are_told() -> None:
    assert duration_faults("slug: 1_day") == ["plans[0].durations[0].price: is required"]
    assert duration_faults("price: 1") == ["plans[0].durations[0].slug: is required"]
    place = "plans[0].durations[0].options[0]"
    text = "plans: [{slug: d, name: D, type: duration, durations: [{slug: 1_day, name: D, price: 1, options: [%s]}]}]"
    assert faults(text % "{}") == [f"{place}.{key}: is required" for key in ("name", "label", "type")]
    assert option_faults("type: select, options: [{}]") == [
        f"{place}.options[0].value: is required",
        f"{place}.options[0].label: is required",
    ]
    assert tier_faults("{}") == [
        "plans[0].bandwidths[0].bandwidth: is required",
        "plans[0].bandwidths[0].price_per_gb: is required",
    ]
    assert faults("plans: [{slug: null, name: ~, type: bandwidth, " + TIERS + "}]") == [
        'plans[0].slug: is required (the text null is written "null")',
        "plans[0].name: is required",
    ]


def test_what_is_given_twice_is_told() -> None:
    two_plans = "plans:\n" + 2 * ("  - {slug: r, name: R, type: bandwidth, " + TIERS + "}\n")
    assert faults(two_plans) == ["plans[1].slug: 'r' is given twice"]
    tier = "{bandwidth: 10, price_per_gb: 1}"
    assert tier_faults(f"{tier}, {tier}") == ["plans[0].bandwidths[1].bandwidth: 10 is given twice"]
    assert tier_faults(f"{tier}, {tier.replace('10', '010')}") == [
        "plans[0].bandwidths[1].bandwidth: 010 is given twice"
    ]
    duration = "{slug: 1_day, name: D, price: 1}"
    assert plan_faults(f"type: duration, durations: [{duration}, {duration}]") == [
        "plans[0].durations[1].slug: '1_day' is given twice"
    ]
    option = "{name: o, label: O, type: number}"
    assert duration_faults(f"slug: 1_day, price: 1, options: [{option}, {option}]") == [
        "plans[0].durations[0].options[1].name: 'o' is given twice"
    ]
    codes = "discount_codes: [{code: SUMMER, percent: 1}, {code: summer, percent: 2}]"
    assert faults(PLAN + codes) == ["discount_codes[1].code: 'summer' is given twice"]
    choices = "type: select, options: [{value: 7, label: a}, {value: '7', label: b}]"
    assert option_faults(choices) == ["plans[0].durations[0].options[0].options[1].value: 7 is given twice"]
    rotations = "rotations: [{code: a, name: A}, {code: a, name: B}]"
    assert plan_faults(f"type: bandwidth, {TIERS}, {rotations}") == ["plans[0].rotations[1].code: 'a' is given twice"]


def test_a_plan_needs_a_tier_or_a_duration_and_a_select_a_choice() -> None:
    for rest in ("", ", bandwidths: []", ", bandwidths: null"):
        assert plan_faults(f"type: bandwidth{rest}") == ["plans[0].bandwidths: needs at least one tier"]
    for rest in ("", ", durations: []"):
        assert plan_faults(f"type: duration{rest}") == ["plans[0].durations: needs at least one duration"]
    for rest in ("", ", options: []"):
        assert option_faults(f"type: select{rest}") == [
            "plans[0].durations[0].options[0].options: needs at least one choice"
        ]


@pytest.mark.parametrize(
    ("bounds", "fault"),
    [
        ("min: 5, max: 4.5", "min: must not be above max: 5 > 4.5"),
        ("min: -1", "min: must not be negative"),
        ("max: -1", "max: must not be negative"),
        ("step: 0", "step: must be above 0"),
        ("step: 0.000", "step: must be above 0"),
        ("step: -1", "step: must be above 0"),
        ("step: 1e3", "step: must be a number such as 1 or 0.5: '1e3'"),
        ("min: 1234567890123456", "min: must have at most 15 digits"),
        ("min: 0.0000000000000001", "min: must have at most 15 digits"),
        ("min: .inf", "min: must be a number such as 1 or 0.5: '.inf'"),
        ("min: [1]", "min: must be one value, not a list"),
        ("price_per_unit: -1", "price_per_unit: must not be negative"),
        ("options: []", "options: unknown key of a number; it is for select"),
    ],
)
def test_a_wrong_bound_is_told(bounds: str, fault: str) -> None:
    assert option_faults(f"type: number, {bounds}") == [f"plans[0].durations[0].options[0].{fault}"]


@pytest.mark.parametrize("key", ["min", "max", "step", "price_per_unit"])
def test_a_select_has_no_bounds(key: str) -> None:
    assert option_faults("type: select, options: [{value: a, label: A}], " + key + ": 1") == [
        f"plans[0].durations[0].options[0].{key}: unknown key of a select; it is for number and range"
    ]


@pytest.mark.parametrize(
    ("price", "fault"),
    [
        ("-1", "must not be negative"),
        ("-0.01", "must not be negative"),
        ("1.00001", "must have at most 4 decimals: '1.00001'"),
        ("1e3", "must be a number such as 5 or 4.50: '1e3'"),
        ("1_000", "must be a number such as 5 or 4.50: '1_000'"),
        ("1,5", "must be a number such as 5 or 4.50: '1,5'"),
        ("0x10", "must be a number such as 5 or 4.50: '0x10'"),
        (".nan", "must be a number such as 5 or 4.50: '.nan'"),
        ("\u0663", "must be a number such as 5 or 4.50: '\u0663'"),
        ("true", "must be a number such as 5 or 4.50: 'true'"),
        ("10000000000", "must be at most 9999999999.9999"),
        ("9" * 5000, "must be at most 9999999999.9999"),
        ("", "must be a number such as 5 or 4.50: ''"),
        ("0." + "0" * 5000, "must have at most 4 decimals: '0." + "0" * 55 + "...'"),
    ],
)
def test_a_wrong_price_is_told(price: str, fault: str) -> None:
    assert tier_faults(f'{{bandwidth: 1, price_per_gb: "{price}"}}') == [
        f"plans[0].bandwidths[0].price_per_gb: {fault}"
    ]


@pytest.mark.parametrize(
    ("price", "price_e4"),
    [("0", 0), ("5", 50_000), ("5.00", 50_000), ("'4.5075'", 45_075), ("0.0001", 1), ("9999999999.9999", 10**14 - 1)],
)
def test_a_price_is_an_exact_decimal_quoted_or_not(price: str, price_e4: int) -> None:
    text = "plans: [{slug: r, name: R, type: bandwidth, bandwidths: [{bandwidth: 1, price_per_gb: " + price + "}]}]"
    assert parsed(text.encode()).plans[0].tiers == (Tier(1, price_e4),)


@pytest.mark.parametrize(
    ("bandwidth", "fault"),
    [
        ("0", "must be at least 1"),
        ("-3", "must be at least 1"),
        ("1.0", "must be an integer: '1.0'"),
        ("1_0", "must be an integer: '1_0'"),
        ("8388609", "must be at most 8388608"),
        ("9" * 5000, "must be at most 8388608"),
    ],
)
def test_a_wrong_tier_is_told(bandwidth: str, fault: str) -> None:
    assert tier_faults(f"{{bandwidth: {bandwidth}, price_per_gb: 1}}") == [f"plans[0].bandwidths[0].bandwidth: {fault}"]


def test_limits_below_one_are_told() -> None:
    assert plan_faults(f"type: bandwidth, {TIERS}, max_orders_per_account: 0") == [
        "plans[0].max_orders_per_account: must be at least 1"
    ]
    assert code_faults("percent: 1, max_uses: 0, max_uses_per_account: -1") == [
        "discount_codes[0].max_uses: must be at least 1",
        "discount_codes[0].max_uses_per_account: must be at least 1",
    ]
    assert code_faults(f"percent: 1, max_uses: {2**53}") == []
    assert code_faults(f"percent: 1, max_uses: {2**53 + 1}") == [f"discount_codes[0].max_uses: must be at most {2**53}"]


def test_a_code_has_either_a_percentage_or_an_amount() -> None:
    assert code_faults("max_uses: 1") == ["discount_codes[0]: needs either percent or amount"]
    assert code_faults("percent: 1, amount: 1") == ["discount_codes[0]: needs either percent or amount, not both"]


@pytest.mark.parametrize(
    ("rest", "fault"),
    [
        ("percent: 0", "percent: must be above 0"),
        ("percent: 100.01", "percent: must be at most 100"),
        ("percent: 1.001", "percent: must have at most 2 decimals: '1.001'"),
        ("amount: 0.00", "amount: must be above 0"),
        ("amount: -5", "amount: must not be negative"),
        ("amount: 0.001", "amount: must have at most 2 decimals: '0.001'"),
        ("percent: 1, minimum_gross: -1", "minimum_gross: must not be negative"),
        ("percent: 1, first_order_only: 'true'", "first_order_only: must be true or false, without quotes: 'true'"),
        ("percent: 1, plans: [r, foo]", "plans[1]: no plan 'foo'"),
        ("percent: 1, plans: r", "plans: must be a list"),
        ("percent: 1, plans: [[r]]", "plans[0]: must be one value, not a list"),
        (
            "percent: 1, starts_at: 2026-01-01",
            "starts_at: is a date alone; add the time and the zone: '2026-01-01T00:00:00Z'",
        ),
        (
            "percent: 1, starts_at: 2026-01-01T00:00:00",
            "starts_at: has no time zone; add Z or one such as +02:00: '2026-01-01T00:00:00'",
        ),
        (
            "percent: 1, starts_at: '2026-02-29T00:00:00Z'",
            "starts_at: is a time that does not exist: '2026-02-29T00:00:00Z'",
        ),
        (
            "percent: 1, starts_at: '0001-01-01T00:00:00+09:00'",
            "starts_at: is a time that does not exist: '0001-01-01T00:00:00+09:00'",
        ),
        ("percent: 1, starts_at: soon", "starts_at: must be a time such as 2026-01-01T00:00:00Z: 'soon'"),
        (
            "percent: 1, starts_at: 2026-01-01T00:00:00Z, ends_at: 2026-01-01T01:00:00+01:00",
            "ends_at: must be after starts_at",
        ),
    ],
)
def test_a_wrong_discount_code_is_told(rest: str, fault: str) -> None:
    assert code_faults(rest) == [f"discount_codes[0].{fault}"]


@pytest.mark.parametrize("code", ["a b", "é", "", "x" * 65, "a.b", "a\\n"])
def test_a_code_of_other_characters_is_told(code: str) -> None:
    (line,) = faults(PLAN + f'discount_codes: [{{code: "{code}", percent: 1}}]')
    assert line.startswith("discount_codes[0].code: must be 1 to 64 letters")


def test_a_code_may_name_a_plan_of_an_earlier_revision() -> None:
    text = PLAN + "discount_codes: [{code: C, percent: 1, plans: [r, old, r]}]"
    assert faults(text) == ["discount_codes[0].plans[1]: no plan 'old'"]
    assert parsed(text.encode(), known_types={"old": PlanType.BANDWIDTH}).discount_codes[0].plans == ("r", "old")


@pytest.mark.parametrize(
    ("unit", "longest"),
    [("minute", 5_258_880), ("hour", 87_648), ("day", 3652), ("week", 521), ("month", 120), ("year", 10)],
)
def test_a_duration_has_at_most_ten_years(unit: str, longest: int) -> None:
    assert duration_faults(f"slug: {longest}_{unit}s, price: 1") == []
    sentence = f"must be at most 10 years, so at most {longest}_{unit}s"
    for amount in (longest + 1, "9" * 5000):
        assert duration_faults(f"slug: {amount}_{unit}, price: 1") == [f"plans[0].durations[0].slug: {sentence}"]
        assert plan_faults(f"type: bandwidth, {TIERS}, validity: {amount}_{unit}") == [f"plans[0].validity: {sentence}"]


@pytest.mark.parametrize(
    "slug", ["0_days", "01_day", "1_fortnight", "1 day", "day", "1_DAY", "-1_day", "\u0661_day", "1_day\\n"]
)
def test_what_is_no_duration_is_told(slug: str) -> None:
    (line,) = duration_faults(f'slug: "{slug}", price: 1')
    assert line.startswith("plans[0].durations[0].slug: must be a duration such as")


def test_keys_of_the_other_plan_type_are_told() -> None:
    durations = "durations: [{slug: 1_day, name: D, price: 1}]"
    assert plan_faults(f"type: duration, validity: 1_day, {TIERS}, {durations}") == [
        "plans[0].validity: is for bandwidth plans; a duration plan ends with its duration",
        "plans[0].bandwidths: is for bandwidth plans; a duration plan has durations",
    ]
    assert plan_faults(f"type: bandwidth, {TIERS}, {durations}") == [
        "plans[0].durations: is for duration plans; a bandwidth plan has bandwidths"
    ]


def test_a_changed_type_is_told() -> None:
    assert plan_faults(f"type: bandwidth, {TIERS}", known_types={"r": PlanType.DURATION}) == [
        "plans[0].type: cannot change from 'duration' to 'bandwidth'; sell a new plan instead"
    ]
    assert plan_faults(f"type: bandwidth, {TIERS}", known_types={"r": PlanType.BANDWIDTH}) == []


def test_words_outside_a_list_of_words_are_told() -> None:
    assert plan_faults(f"type: Bandwidth, {TIERS}") == ["plans[0].type: must be 'bandwidth' or 'duration': 'Bandwidth'"]
    assert plan_faults(f"type: bandwidth, {TIERS}, delivery: later") == [
        "plans[0].delivery: must be 'gateway' or 'manual': 'later'"
    ]
    assert option_faults("type: text") == [
        "plans[0].durations[0].options[0].type: must be 'select', 'number' or 'range': 'text'"
    ]


@pytest.mark.parametrize("currency", ["JPY", "KWD", "XAU", "usd", "XXX", "HRK", "US", "840"])
def test_a_currency_without_two_decimals_is_told(currency: str) -> None:
    assert faults(f"plans: []\ncurrency: {currency}") == [
        f"currency: must be an ISO 4217 code with two decimals, such as USD: '{currency}'"
    ]


def test_a_file_without_currency_keeps_the_installations() -> None:
    assert parsed(b"plans: []").currency == "USD"
    assert parsed(b"plans: []", currency="EUR").currency == "EUR"
    assert parsed(b"plans: []\ncurrency: EUR", currency="USD").currency == "EUR"
    assert {"USD", "EUR", "GBP", "XCG"} <= TWO_DECIMAL_CURRENCIES


def test_the_currency_is_fixed_once_there_is_an_account() -> None:
    assert faults("plans: []\ncurrency: EUR", currency="USD", currency_fixed=True) == [
        "currency: cannot change from USD to EUR: there are accounts"
    ]
    assert faults("plans: []\ncurrency: USD", currency="USD", currency_fixed=True) == []
    assert faults("plans: []", currency="BGN", currency_fixed=True) == []
    assert faults("plans: []\ncurrency: BGN", currency="BGN", currency_fixed=True) == []


@pytest.mark.parametrize("slug", ["a/b", "a?b", "a#b", "a b", "a\\\\b", ".", "..", "a\\u00a0b"])
def test_a_plan_slug_must_stand_in_a_path(slug: str) -> None:
    (line,) = faults(f'plans: [{{slug: "{slug}", name: R, type: bandwidth, {TIERS}}}]')
    assert line.startswith("plans[0].slug: must be usable in a URL's path")


@pytest.mark.parametrize(
    ("slug", "fault"),
    [
        (" a", "must not begin or end with white space"),
        ("a\\u2003", "must not begin or end with white space"),
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("a\\0", "must not have control characters: U+0000"),
        ("a\\n", "must not have control characters: U+000A"),
        ("x" * 101, "must have at most 100 characters"),
    ],
)
def test_a_text_that_nobody_could_ask_for_is_told(slug: str, fault: str) -> None:
    assert faults(f'plans: [{{slug: "{slug}", name: R, type: bandwidth, {TIERS}}}]') == [f"plans[0].slug: {fault}"]


@pytest.mark.parametrize("port", ["0", "65536", "http", "1.5"])
def test_a_wrong_port_is_told(port: str) -> None:
    (line,) = plan_faults(f"type: bandwidth, {TIERS}, protocols: [{{code: http, host: h, port: {port}}}]")
    assert line.startswith("plans[0].protocols[0].port: must be")


def test_wrong_shapes_are_told() -> None:
    assert faults("plans: {a: b}") == ["plans: must be a list"]
    assert faults("plans: [5]") == ["plans[0]: must be a mapping of keys and values"]
    assert faults("plans: [null]") == ["plans[0]: must be a mapping of keys and values"]
    assert faults("[plans]") == [
        "line 1: a catalog is a mapping with the keys currency, plans, discount_codes, upstreams"
    ]
    assert faults("plans: [{slug: {a: b}, name: R, type: bandwidth, " + TIERS + "}]") == [
        "plans[0].slug: must be one value, not a mapping"
    ]


def test_all_faults_are_told_and_none_hides_another() -> None:
    text = """
plans:
  - {name: X, type: bandwidth, bandwidths: [{bandwidth: 0, price_per_gb: -1}]}
  - {slug: a, name: [x], typ: duration}
  - {slug: b, name: B, type: duration, durations: [{slug: 1_day, name: D, price: 1, options: [{name: s, label: S,
     type: range, step: 0}]}, 5]}
discount_codes: [{code: A, percent: x, plans: [a, c]}]
"""
    assert faults(text) == [
        "plans[0].slug: is required",
        "plans[0].bandwidths[0].bandwidth: must be at least 1",
        "plans[0].bandwidths[0].price_per_gb: must not be negative",
        "plans[1].typ: unknown key; did you mean 'type'?",
        "plans[1].name: must be one value, not a list",
        "plans[1].type: is required",
        "plans[2].durations[0].options[0].step: must be above 0",
        "plans[2].durations[1]: must be a mapping of keys and values",
        "discount_codes[0].percent: must be a number such as 5 or 4.50: 'x'",
        "discount_codes[0].plans[1]: no plan 'c'",
    ]


def test_a_hundred_faults_are_told_and_the_rest_counted() -> None:
    lines = faults("plans: [" + "5, " * 250 + "]")
    assert len(lines) == 101
    assert lines[-1] == "... and 150 more"
