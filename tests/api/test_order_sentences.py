"""Each sentence of contract section 3, in JSON and in both kinds of form; the order of the checks stands elsewhere."""

import pytest

from contract import Caller, assert_refusal, catalog_with, nothing_left_behind
from shop import Buyer, Shop

CEILING_CENTS = 999_999_999_999
DATACENTER = {"plan": "datacenter", "duration": "1_week", "config": {"speed": "10", "country": "us"}}
RESIDENTIAL = {"plan": "residential", "bandwidth": "2"}

FORMAT_SENTENCE = "Invalid duration format '{}'. Expected e.g. '30_days', '1_day', '20_minutes'."


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer())


@pytest.fixture
def fresh(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer())


def with_config(**config: str) -> dict[str, object]:
    return {**DATACENTER, "config": {"speed": "10", "country": "us"} | config}


def with_code(code: str, **fields: str) -> dict[str, object]:
    return {**RESIDENTIAL, **fields, "discount_code": code}


# --- 0a to 0d ---------------------------------------------------------------------------------------------------------


def test_an_idempotency_key_must_be_printable_ascii(caller: Caller) -> None:
    caller.is_refused(
        RESIDENTIAL,
        "The Idempotency-Key header must be 1 to 255 printable ASCII characters.",
        "idempotency_key_not_valid",
        Idempotency_Key="k" * 256,
    )


def test_an_idempotency_key_belongs_to_one_request(fresh: Caller) -> None:
    fresh.places({"plan": "residential", "bandwidth": 3}, Idempotency_Key="one")

    fresh.is_refused(
        RESIDENTIAL,
        "The Idempotency-Key was already used with another request.",
        "idempotency_key_reused",
        Idempotency_Key="one",
    )


def test_a_field_given_twice_is_refused(caller: Caller) -> None:
    sentence = "The bandwidth field was given twice."
    pairs = [("plan", "residential"), ("bandwidth", "2"), ("bandwidth", "2")]
    with nothing_left_behind(caller.shop):
        for response in (
            caller.send('{"plan": "residential", "bandwidth": 2, "bandwidth": 2}'),
            caller.in_multipart(pairs),
            caller.in_urlencoded(pairs),
        ):
            assert_refusal(response, 422, sentence, "field_given_twice")


def test_a_file_is_refused(caller: Caller) -> None:
    with nothing_left_behind(caller.shop):
        response = caller.shop.http.post(
            "/orders",
            data={"bandwidth": "2"},
            files={"plan": ("plan.txt", b"residential")},
            headers=caller.buyer.headers,
        )
        assert_refusal(response, 422, "The plan field must not be a file.", "field_is_file")


def test_a_payment_gateway_must_not_be_sent(caller: Caller) -> None:
    caller.is_refused(
        {**RESIDENTIAL, "payment_gateway_id": "1"},
        "The payment_gateway_id field must not be sent. Orders are charged to the account balance.",
        "payment_gateway_not_allowed",
    )


def test_an_unknown_field_is_refused(caller: Caller) -> None:
    caller.is_refused({**RESIDENTIAL, "weather": "fine"}, "Unknown field 'weather'.", "unknown_field")


@pytest.mark.parametrize(
    ("typo", "near"),
    [
        ("plans", "plan"),
        ("bandwith", "bandwidth"),
        ("Duration", "duration"),
        ("configs", "config"),
        ("discount", "discount_code"),
        ("discountCode", "discount_code"),
    ],
)
def test_an_unknown_field_that_is_near_a_known_one_is_told_so(caller: Caller, typo: str, near: str) -> None:
    caller.is_refused(
        {**RESIDENTIAL, typo: "x"},
        f"Unknown field '{typo}'. Did you mean '{near}'?",
        "unknown_field",
    )


# --- 1 to 4 -----------------------------------------------------------------------------------------------------------


def test_a_plan_is_required(caller: Caller) -> None:
    caller.is_refused({"bandwidth": "2"}, "The plan field is required.", "plan_required")


@pytest.mark.parametrize("plan", [1, 2.5, True, False, 0, ["residential"], {"slug": "residential"}])
def test_a_plan_must_be_a_string(caller: Caller, plan: object) -> None:
    caller.is_refused_in_json({"plan": plan, "bandwidth": 2}, "The plan field must be a string.", "plan_not_string")


def test_a_plan_in_brackets_must_be_a_string(caller: Caller) -> None:
    for response in (
        caller.in_multipart([("plan[slug]", "residential"), ("bandwidth", "2")]),
        caller.in_urlencoded([("plan[]", "residential"), ("bandwidth", "2")]),
    ):
        assert_refusal(response, 422, "The plan field must be a string.", "plan_not_string")


@pytest.mark.parametrize("slug", ["nope", "Residential", "residential2", "residentia", "\uff52esidential", "1", "null"])
def test_an_unknown_plan_is_not_found(caller: Caller, slug: str) -> None:
    caller.is_refused({"plan": slug, "bandwidth": "2"}, f"Plan '{slug}' not found.", "plan_not_found")


def test_a_duration_is_required_for_a_duration_plan(caller: Caller) -> None:
    caller.is_refused({"plan": "unlimited"}, "The duration field is required.", "duration_required")


@pytest.mark.parametrize("duration", [1, True, 0, ["1_day"], {"slug": "1_day"}])
def test_a_duration_must_be_a_string(caller: Caller, duration: object) -> None:
    caller.is_refused_in_json(
        {"plan": "unlimited", "duration": duration},
        "The duration field must be a string.",
        "duration_not_string",
    )


@pytest.mark.parametrize(
    "slug",
    [
        "week",
        "0_days",
        "01_day",
        "1-day",
        "1 day",
        "1_Day",
        "1_fortnight",
        "-1_days",
        "1_days1",
        "\u0661_day",
        "1_day\n2",
    ],
)
def test_a_duration_must_be_well_formed(caller: Caller, slug: str) -> None:
    caller.is_refused(
        {"plan": "unlimited", "duration": slug},
        FORMAT_SENTENCE.format(slug),
        "duration_format_invalid",
    )


@pytest.mark.parametrize("slug", ["1_days", "2_day", "30_days", "24_hours", "1_months", "9" * 40 + "_years"])
def test_a_duration_must_be_sold_with_the_plan(caller: Caller, slug: str) -> None:
    caller.is_refused(
        {"plan": "unlimited", "duration": slug},
        f"Duration '{slug}' is not available for plan 'unlimited'.",
        "duration_not_available",
    )


@pytest.mark.parametrize("slug", ["1_day", "whenever", "0"])
def test_no_duration_is_available_for_a_bandwidth_plan(caller: Caller, slug: str) -> None:
    caller.is_refused(
        {**RESIDENTIAL, "duration": slug},
        f"Duration '{slug}' is not available for plan 'residential'.",
        "duration_not_available",
    )


# --- 5 to 12 ----------------------------------------------------------------------------------------------------------


def test_a_config_is_required_where_there_are_options(caller: Caller) -> None:
    caller.is_refused(
        {"plan": "datacenter", "duration": "1_week"},
        "The config field is required for this plan duration.",
        "config_required",
    )


@pytest.mark.parametrize(
    "text", ["speed=10", "[1]", "[]", "10", "true", "null", '"speed"', '{"speed": 10', "{speed: 1}"]
)
def test_a_config_that_is_text_must_hold_an_object(caller: Caller, text: str) -> None:
    caller.is_refused({**DATACENTER, "config": text}, "The config field must be an object.", "config_not_object")


@pytest.mark.parametrize("config", [["speed"], [None], 1, 0, True, False])
@pytest.mark.parametrize(
    "fields",
    [{"plan": "datacenter", "duration": "1_week"}, {"plan": "unlimited", "duration": "1_day"}, RESIDENTIAL],
)
def test_a_config_must_be_an_object(caller: Caller, fields: dict[str, str], config: object) -> None:
    caller.is_refused_in_json({**fields, "config": config}, "The config field must be an object.", "config_not_object")


def test_each_option_must_have_a_value(caller: Caller) -> None:
    caller.is_refused(
        {**DATACENTER, "config": {"speed": "10"}},
        "Missing config value for option 'country'.",
        "option_missing",
    )


def test_the_first_option_in_plan_order_without_a_value_is_named(caller: Caller) -> None:
    caller.is_refused(
        {**DATACENTER, "config": {"ghost": "1"}},
        "Missing config value for option 'speed'.",
        "option_missing",
    )


def test_an_empty_text_is_no_value_for_an_option(caller: Caller) -> None:
    caller.is_refused(with_config(speed=" \t "), "Missing config value for option 'speed'.", "option_missing")


def test_null_is_no_value_for_an_option(caller: Caller) -> None:
    caller.is_refused_in_json(
        {**DATACENTER, "config": {"speed": None, "country": "us"}},
        "Missing config value for option 'speed'.",
        "option_missing",
    )


@pytest.mark.parametrize("name", ["ghost", "Speed", "speed ", " speed", "", "sp\u00e9ed"])
def test_an_option_must_exist(caller: Caller, name: str) -> None:
    caller.is_refused_in_json(
        {**DATACENTER, "config": {"speed": 10, "country": "us", name: 1, "other": 2}},
        f"Option '{name}' does not exist for the selected plan duration.",
        "option_unknown",
    )


@pytest.mark.parametrize("fields", [RESIDENTIAL, {"plan": "unlimited", "duration": "1_day"}])
def test_no_option_exists_where_the_plan_has_none(caller: Caller, fields: dict[str, str]) -> None:
    caller.is_refused(
        {**fields, "config": {"speed": "10", "other": "1"}},
        "Option 'speed' does not exist for the selected plan duration.",
        "option_unknown",
    )


def test_an_option_of_another_duration_does_not_exist(caller: Caller) -> None:
    caller.is_refused(
        {"plan": "datacenter", "duration": "30_days", "config": {"threads": "1", "speed": "10"}},
        "Option 'speed' does not exist for the selected plan duration.",
        "option_unknown",
    )


def test_a_value_must_be_among_the_choices(caller: Caller) -> None:
    caller.is_refused(with_config(country="de"), "Invalid value for option 'country'.", "option_value_invalid")


def test_a_value_must_be_numeric(caller: Caller) -> None:
    caller.is_refused(
        with_config(speed="fast"),
        "Value for option 'speed' must be numeric.",
        "option_value_not_numeric",
    )


def test_a_value_must_be_at_least_the_minimum(caller: Caller) -> None:
    caller.is_refused(
        with_config(speed="0"),
        "Value for option 'speed' must be at least 1.",
        "option_value_below_minimum",
    )


def test_a_value_must_be_at_most_the_maximum(caller: Caller) -> None:
    caller.is_refused(
        with_config(speed="101"),
        "Value for option 'speed' must be at most 100.",
        "option_value_above_maximum",
    )


def test_a_value_must_be_a_multiple_of_the_step(caller: Caller) -> None:
    caller.is_refused(
        with_config(speed="1.5"),
        "Value for option 'speed' must be a multiple of 1.",
        "option_value_not_multiple",
    )


# --- 13 to 15 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "switched-off", "bandwidth": "1"},
        {"plan": "old-datacenter", "duration": "1_week", "config": {"speed": "10"}},
    ],
)
def test_a_plan_that_is_switched_off_is_not_sold(caller: Caller, fields: dict[str, object]) -> None:
    caller.is_refused(fields, "The selected plan is not active.", "plan_not_active")


def test_a_bandwidth_is_required_for_a_bandwidth_plan(caller: Caller) -> None:
    caller.is_refused({"plan": "residential"}, "The bandwidth field is required.", "bandwidth_required")


def test_a_bandwidth_below_the_smallest_tier_is_not_valid(caller: Caller) -> None:
    caller.is_refused(
        {"plan": "residential", "bandwidth": "1"},
        "The entered bandwidth is not valid.",
        "bandwidth_not_valid",
    )


def test_no_bandwidth_is_valid_for_a_duration_plan(caller: Caller) -> None:
    caller.is_refused(
        {"plan": "unlimited", "duration": "1_day", "bandwidth": "2"},
        "The entered bandwidth is not valid.",
        "bandwidth_not_valid",
    )


def test_a_plan_has_a_maximum_number_of_orders(fresh: Caller) -> None:
    for _ in range(2):
        fresh.places({"plan": "limited", "bandwidth": 1})

    fresh.is_refused(
        {"plan": "limited", "bandwidth": "1"},
        "You have reached the maximum number of orders for this plan.",
        "order_limit_reached",
    )


# --- 16 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [10, True, False, 0, ["TEN"], {"code": "TEN"}])
def test_a_discount_code_must_be_a_string(caller: Caller, code: object) -> None:
    caller.is_refused_in_json(
        {"plan": "residential", "bandwidth": 2, "discount_code": code},
        "The discount_code field must be a string.",
        "discount_code_not_string",
    )


@pytest.mark.parametrize(
    "code", ["NOPE", "TEN%", "T EN", "\uff34\uff25\uff2e", "TEN' OR 1=1 --", "T" * 65, "x" * 5000, "\u212a"]
)
def test_an_unknown_discount_code_is_not_valid(caller: Caller, code: str) -> None:
    caller.is_refused(with_code(code), "The discount code is not valid.", "discount_code_not_valid")


def test_a_withdrawn_discount_code_is_not_valid(caller: Caller) -> None:
    caller.shop.apply_catalog(catalog_with(codes="  - {code: LEFT, percent: 10}\n"))
    assert caller.places(with_code("LEFT"))["price"]["discount"] == 1
    caller.shop.apply_catalog(catalog_with())

    caller.is_refused(with_code("LEFT"), "The discount code is not valid.", "discount_code_not_valid")


def test_a_discount_code_may_not_be_valid_yet(caller: Caller) -> None:
    caller.is_refused(with_code("SOON"), "The discount code is not valid yet.", "discount_code_not_yet_valid")


def test_a_discount_code_may_have_expired(caller: Caller) -> None:
    caller.is_refused(with_code("GONE"), "The discount code has expired.", "discount_code_expired")


def test_a_discount_code_may_be_for_other_plans(caller: Caller) -> None:
    caller.is_refused(
        with_code("MOBILE"),
        "The discount code does not apply to this plan.",
        "discount_code_not_for_plan",
    )


def test_a_discount_code_may_be_for_a_first_order_only(fresh: Caller) -> None:
    fresh.places({"plan": "free", "bandwidth": 1})

    fresh.is_refused(
        with_code("FIRST"),
        "The discount code is for a first order only.",
        "discount_code_first_order_only",
    )


def test_an_order_may_be_too_small_for_a_discount_code(caller: Caller) -> None:
    caller.is_refused(
        with_code("BIG"),
        "The order is too small for this discount code.",
        "discount_code_order_too_small",
    )


def test_a_discount_code_may_have_been_used_up(caller: Caller, fresh: Caller) -> None:
    for _ in range(3):
        fresh.places(with_code("TRIO"))

    caller.is_refused(with_code("TRIO"), "The discount code has been used up.", "discount_code_used_up")


def test_an_account_may_have_used_a_discount_code_already(fresh: Caller) -> None:
    fresh.places(with_code("ONCE"))

    fresh.is_refused(with_code("once"), "You have already used this discount code.", "discount_code_already_used")


# --- 17 ---------------------------------------------------------------------------------------------------------------


def test_a_balance_one_cent_short_is_insufficient(common_shop: Shop) -> None:
    Caller(common_shop, common_shop.buyer(balance_cents=9_99)).is_refused(
        RESIDENTIAL,
        "Insufficient balance.",
        "insufficient_balance",
    )


def test_a_gross_above_the_ceiling_is_refused_whatever_the_balance_and_the_discount(common_shop: Shop) -> None:
    rich: Buyer = common_shop.buyer(balance_cents=CEILING_CENTS)
    caller = Caller(common_shop, rich)
    beyond = {"plan": "dear", "bandwidth": "1001"}

    caller.is_refused(beyond, "Insufficient balance.", "insufficient_balance")
    caller.is_refused({**beyond, "discount_code": "ALL"}, "Insufficient balance.", "insufficient_balance")
    caller.is_refused({"plan": "dear", "bandwidth": "8388608"}, "Insufficient balance.", "insufficient_balance")
    assert caller.places({"plan": "dear", "bandwidth": 1000})["price"]["net"] == 9999999990
