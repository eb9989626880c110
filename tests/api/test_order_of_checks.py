"""Contract section 3: of all the checks that fail, the first one answers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from contract import Caller, assert_refusal, catalog_with, form_pairs, nothing_left_behind
from shop import Shop

GONE = object()
"""Takes a field away."""

OPTIONS = (
    "options: [{name: country, label: C, type: select, options: [{value: us, label: US}]}, "
    "{name: speed, label: S, type: range, min: 1, max: 100, step: 1}]"
)


def time_plan(slug: str, more: str = "") -> str:
    durations = f"durations: [{{slug: 1_week, name: W, price: 4, {OPTIONS}}}]"
    return f"  - {{slug: {slug}, name: N, type: duration, {more} {durations}}}\n"


def traffic_plan(slug: str, more: str = "") -> str:
    return f"  - {{slug: {slug}, name: N, type: bandwidth, {more} bandwidths: [{{bandwidth: 1, price_per_gb: 4}}]}}\n"


LIMIT = "max_orders_per_account: 1,"
OPEN = time_plan("time") + traffic_plan("traffic") + time_plan("time-full", LIMIT) + traffic_plan("traffic-full", LIMIT)
SOLD = time_plan("time-shut", LIMIT) + traffic_plan("traffic-shut", LIMIT)
SHUT = time_plan("time-shut", LIMIT + "active: false,") + traffic_plan("traffic-shut", LIMIT + "active: false,")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a request: what is changed (``config.speed`` is a member), and the sentence it earns."""

    change: Mapping[str, Any]
    sentence: str
    code: str


TWICE = Fault({"TWICE": "plan"}, "The plan field was given twice.", "field_given_twice")
KEY = Fault(
    {"KEY": "k" * 256},
    "The Idempotency-Key header must be 1 to 255 printable ASCII characters.",
    "idempotency_key_not_valid",
)
GATEWAY = Fault(
    {"payment_gateway_id": 1},
    "The payment_gateway_id field must not be sent. Orders are charged to the account balance.",
    "payment_gateway_not_allowed",
)
UNKNOWN = Fault({"weather": 1}, "Unknown field 'weather'.", "unknown_field")
NO_PLAN = Fault({"plan": GONE}, "The plan field is required.", "plan_required")
STRANGE_PLAN = Fault({"plan": "nope"}, "Plan 'nope' not found.", "plan_not_found")
CODE = Fault({"discount_code": "NOPE"}, "The discount code is not valid.", "discount_code_not_valid")
POOR = Fault({}, "Insufficient balance.", "insufficient_balance")


def closed(slug: str) -> Fault:
    return Fault({"plan": slug}, "The selected plan is not active.", "plan_not_active")


def full(slug: str) -> Fault:
    sentence = "You have reached the maximum number of orders for this plan."
    return Fault({"plan": slug}, sentence, "order_limit_reached")


def unavailable(duration: str, plan: str) -> Fault:
    sentence = f"Duration '{duration}' is not available for plan '{plan}'."
    return Fault({"duration": duration}, sentence, "duration_not_available")


TIME_FAULTS = [
    KEY,
    TWICE,
    GATEWAY,
    UNKNOWN,
    NO_PLAN,
    STRANGE_PLAN,
    Fault({"duration": GONE}, "The duration field is required.", "duration_required"),
    Fault(
        {"duration": "soon"},
        "Invalid duration format 'soon'. Expected e.g. '30_days', '1_day', '20_minutes'.",
        "duration_format_invalid",
    ),
    unavailable("2_weeks", "{plan}"),
    Fault({"config": GONE}, "The config field is required for this plan duration.", "config_required"),
    Fault({"config": "text"}, "The config field must be an object.", "config_not_object"),
    Fault({"config.country": GONE}, "Missing config value for option 'country'.", "option_missing"),
    Fault(
        {"config.ghost": 1},
        "Option 'ghost' does not exist for the selected plan duration.",
        "option_unknown",
    ),
    Fault({"config.country": "de"}, "Invalid value for option 'country'.", "option_value_invalid"),
    Fault({"config.speed": "x"}, "Value for option 'speed' must be numeric.", "option_value_not_numeric"),
    Fault({"config.speed": "0.5"}, "Value for option 'speed' must be at least 1.", "option_value_below_minimum"),
    Fault({"config.speed": "100.5"}, "Value for option 'speed' must be at most 100.", "option_value_above_maximum"),
    Fault({"config.speed": "1.5"}, "Value for option 'speed' must be a multiple of 1.", "option_value_not_multiple"),
    closed("time-shut"),
    Fault({"bandwidth": 2}, "The entered bandwidth is not valid.", "bandwidth_not_valid"),
    full("time-full"),
    CODE,
    POOR,
]
TRAFFIC_FAULTS = [
    KEY,
    TWICE,
    GATEWAY,
    UNKNOWN,
    NO_PLAN,
    STRANGE_PLAN,
    unavailable("soon", "{plan}"),
    Fault({"config": "text"}, "The config field must be an object.", "config_not_object"),
    Fault(
        {"config.ghost": 1},
        "Option 'ghost' does not exist for the selected plan duration.",
        "option_unknown",
    ),
    closed("traffic-shut"),
    Fault({"bandwidth": GONE}, "The bandwidth field is required.", "bandwidth_required"),
    Fault({"bandwidth": "02"}, "The entered bandwidth is not valid.", "bandwidth_not_valid"),
    full("traffic-full"),
    CODE,
    POOR,
]
TIME = {"plan": "time", "duration": "1_week", "config.country": "us", "config.speed": 10}
TRAFFIC = {"plan": "traffic", "bandwidth": 1}


def broken(sound: Mapping[str, Any], *faults: Fault) -> dict[str, Any]:
    """Return the fields of *sound* with all *faults* in them."""
    changes = {name: value for fault in faults for name, value in fault.change.items()}
    whole = {name: value for name, value in ({**sound, **changes}).items() if name not in ("TWICE", "KEY")}
    fields: dict[str, Any] = {}
    for name, value in whole.items():
        field, _, member = name.partition(".")
        if value is GONE or (member and "config" in changes):
            continue
        if member:
            fields.setdefault(field, {})[member] = value
        else:
            fields[field] = value
    return fields


def can_fail_together(earlier: Fault, later: Fault) -> bool:
    fields = {name.partition(".")[0] if "config" in (*earlier.change, *later.change) else name for name in later.change}
    return not any(name in earlier.change or (name == "config" and _touches_config(earlier)) for name in fields)


def _touches_config(fault: Fault) -> bool:
    return any(name.startswith("config") for name in fault.change)


def later_faults(faults: list[Fault], earlier: Fault) -> list[Fault]:
    """Return the faults of later rows that a request can have together with *earlier*."""
    behind = faults[faults.index(earlier) + 1 :]
    return [later for later in behind if can_fail_together(earlier, later)]


def tables() -> Iterator[Any]:
    for kind, sound, faults in (("time", TIME, TIME_FAULTS), ("traffic", TRAFFIC, TRAFFIC_FAULTS)):
        for earlier in faults[:-1]:
            yield pytest.param(sound, earlier, later_faults(faults, earlier), id=f"{kind}-{earlier.code}")


@pytest.fixture(scope="module")
def poor(common_shop: Shop) -> Caller:
    """A buyer who has spent everything on the plans that are full now, one of each since switched off."""
    caller = Caller(common_shop, common_shop.buyer(balance_cents=16_00))
    common_shop.apply_catalog(catalog_with(plans=OPEN + SOLD))
    for slug in ("full", "shut"):
        caller.places(broken(TIME | {"plan": f"time-{slug}"}))
        caller.places(broken(TRAFFIC | {"plan": f"traffic-{slug}"}))
    common_shop.apply_catalog(catalog_with(plans=OPEN + SHUT))
    return caller


@pytest.mark.parametrize(("sound", "earlier", "behind"), list(tables()))
def test_of_two_faults_the_earlier_row_answers(
    poor: Caller,
    sound: Mapping[str, Any],
    earlier: Fault,
    behind: list[Fault],
) -> None:
    assert behind, "every row but the last can fail together with a later one"
    with nothing_left_behind(poor.shop):
        for later in behind:
            fields = broken(sound, earlier, later)
            for response in asked_both_ways(poor, fields, earlier, later):
                assert_refusal(response, 422, earlier.sentence.format(plan=fields.get("plan")), earlier.code)


def asked_both_ways(caller: Caller, fields: Mapping[str, Any], *faults: Fault) -> Iterator[httpx.Response]:
    """Ask in JSON and in a form, with the faults that are no field."""
    headers = {"Idempotency_Key": KEY.change["KEY"]} if KEY in faults else {}
    text, pairs = json.dumps(fields), form_pairs(fields)
    if TWICE in faults:
        text, pairs = text.replace("{", '{"plan": "x", "plan": "x", ', 1), [("plan", "x"), ("plan", "x"), *pairs]
    yield caller.send(text, **headers)
    yield caller.in_urlencoded(pairs, **headers)


@pytest.mark.parametrize(
    ("speed", "sentence", "code"),
    [
        ("-0.5", "Value for option 'speed' must be at least 1.", "option_value_below_minimum"),
        ("100.5", "Value for option 'speed' must be at most 100.", "option_value_above_maximum"),
        ("1000000000000.001", "Value for option 'speed' must be numeric.", "option_value_not_numeric"),
        ("-1000000000000.001", "Value for option 'speed' must be numeric.", "option_value_not_numeric"),
    ],
)
def test_one_value_with_several_faults_is_told_the_first(poor: Caller, speed: str, sentence: str, code: str) -> None:
    poor.is_refused(broken(TIME | {"config.speed": speed}), sentence, code)


def test_the_first_unknown_option_in_request_order_is_named(poor: Caller) -> None:
    poor.is_refused(
        broken({"config.zebra": 1, "config.ape": 1} | TIME),
        "Option 'zebra' does not exist for the selected plan duration.",
        "option_unknown",
    )


def test_the_first_unknown_field_in_request_order_is_named(poor: Caller) -> None:
    poor.is_refused({"zebra": "", "ape": "1", "plan": "nope"}, "Unknown field 'zebra'.", "unknown_field")


def test_of_two_fields_given_twice_the_first_repeat_is_named(poor: Caller) -> None:
    pairs = [("plan", "traffic"), ("bandwidth", "1"), ("bandwidth", "1"), ("plan", "traffic")]
    with nothing_left_behind(poor.shop):
        for response in (
            poor.send('{"plan": "traffic", "bandwidth": 1, "bandwidth": 1, "plan": "traffic"}'),
            poor.in_multipart(pairs),
            poor.in_urlencoded(pairs),
        ):
            assert_refusal(response, 422, "The bandwidth field was given twice.", "field_given_twice")


# --- row 16 has an order of its own -----------------------------------------------------------------------------------

ONE_USE = "percent: 10, max_uses: 1, max_uses_per_account: 1"
TIGHT = "plans: [residential], first_order_only: true, minimum_gross: 5000.00"
NARROWED = {
    "R1": (f"{ONE_USE}, {TIGHT}, starts_at: 2999-01-01T00:00:00Z", "The discount code is not valid yet."),
    "R2": (f"{ONE_USE}, {TIGHT}, ends_at: 2021-01-01T00:00:00Z", "The discount code has expired."),
    "R3": (f"{ONE_USE}, {TIGHT}", "The discount code does not apply to this plan."),
    "R4": (
        f"{ONE_USE}, first_order_only: true, minimum_gross: 5000.00",
        "The discount code is for a first order only.",
    ),
    "R5": (f"{ONE_USE}, minimum_gross: 5000.00", "The order is too small for this discount code."),
    "R6": (ONE_USE, "The discount code has been used up."),
    "R7": ("percent: 10, max_uses: 2, max_uses_per_account: 1", "You have already used this discount code."),
}


@pytest.fixture(scope="module")
def redeemed(poor: Caller) -> Caller:
    """A poor buyer who has used each code once, before the codes were narrowed."""
    shop = poor.shop
    buyer = Caller(shop, shop.buyer(balance_cents=4_00 * 7 - 40 * 7))
    wide = "".join(f"  - {{code: {code}, {ONE_USE}}}\n" for code in NARROWED)
    narrow = "".join(f"  - {{code: {code}, {rules}}}\n" for code, (rules, _) in NARROWED.items())
    shop.apply_catalog(catalog_with(plans=OPEN + SHUT, codes=wide))
    for code in NARROWED:
        buyer.places({"plan": "traffic", "bandwidth": 1, "discount_code": code})
    shop.apply_catalog(catalog_with(plans=OPEN + SHUT, codes=narrow))
    return buyer


@pytest.mark.parametrize("code", NARROWED)
def test_of_several_faults_of_a_discount_code_the_first_answers(redeemed: Caller, code: str) -> None:
    with nothing_left_behind(redeemed.shop):
        fields = {"plan": "traffic", "bandwidth": "1", "discount_code": code}
        for response in redeemed.in_each_format(fields):
            assert (response.status_code, response.json()) == (422, {"error": NARROWED[code][1]})
