"""Which spellings of a value are taken, and which are not: the edges of contract section 3, rows 5 to 14."""

import json

import pytest

from contract import Caller, assert_refusal, catalog_with, nothing_left_behind, placed
from shop import Shop

ABSENT = ["null", '""', '" \\t\\r\\n"', "{}", "[]"]
WIDE_DIGITS = "\uff12"
ARABIC_DIGITS = "\u0662"

ODD_PLANS = """
  - slug: choices
    name: Choices
    type: duration
    durations:
      - {slug: 1_day, name: D, price: 0, options: [{name: speed, label: S, type: select, options: [
          {value: 10, label: Ten}, {value: "020", label: Twenty}, {value: "true", label: True},
          {value: "-5", label: Minus five}, {value: no, label: Norway}, {value: "30.0", label: Thirty}]}]}
  - slug: boundless
    name: Boundless
    type: duration
    durations:
      - {slug: 1_day, name: D, price: 0, options: [{name: n, label: N, type: number, price_per_unit: 0.01}]}
  - slug: even
    name: Even
    type: duration
    durations:
      - {slug: 1_day, name: D, price: 0, options: [{name: n, label: N, type: range, min: 1, max: 9, step: 2}]}
  - slug: tenths
    name: Tenths
    type: duration
    durations:
      - {slug: 1_day, name: D, price: 0, options: [
          {name: n, label: N, type: number, min: "0.10", max: "100.0", step: "0.10"}]}
"""


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    common_shop.apply_catalog(catalog_with(plans=ODD_PLANS))
    return Caller(common_shop, common_shop.buyer(balance_cents=9_999_999_999_99))


def body_with_option(plan: str, name: str, written: str, duration: str = "1_day", more: str = "") -> str:
    return f'{{"plan": "{plan}", "duration": "{duration}", "config": {{{more}"{name}": {written}}}}}'


def assert_refused(caller: Caller, body: str, sentence: str) -> None:
    with nothing_left_behind(caller.shop):
        response = caller.send(body)
        assert (response.status_code, response.json()) == (422, {"error": sentence})


# --- bandwidth --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["2", "2.0", "2e0", "0.2e1", "20E-1", "2.000", '"2"', '" 2\\t\\r\\n"'])
def test_an_integral_bandwidth_is_that_many_gb(caller: Caller, written: str) -> None:
    order = placed(caller.send(f'{{"plan": "residential", "bandwidth": {written}}}'))

    assert order["initial_bandwidth_in_bytes"] == 2 * 1_073_741_824
    assert order["price"]["gross"] == 10


@pytest.mark.parametrize(
    "written",
    [
        *("2.5", "true", "false", '"abc"', "[2]", '{"gb": 2}', "0", "-2", "-0", "1", "0.0", "2.0000000000000001"),
        *('"2.0"', '"+2"', '"02"', '"2e0"', '"-2"', '"0"', '"2 0"', '"0x2"', '"NaN"', '"Infinity"', '"2\\n3"'),
        *(f'"{ARABIC_DIGITS}"', f'"{WIDE_DIGITS}"', '"\\u00b2"', '"2\\u00a0"', '"2,0"', '"2_0"'),
        *("8388609", '"8388609"', "1e30", "1e400", "-1e400", "1e-400", "1e999999999999", "1e-99999999999999999999"),
        *("9" * 5000, "-" + "9" * 5000, '"' + "9" * 5000 + '"', "2." + "0" * 5000 + "1", "0e999999999"),
    ],
    ids=lambda written: written[:20],
)
def test_any_other_bandwidth_is_not_valid(caller: Caller, written: str) -> None:
    assert_refused(
        caller,
        f'{{"plan": "residential", "bandwidth": {written}}}',
        "The entered bandwidth is not valid.",
    )


@pytest.mark.parametrize("written", ["8388608", "8388608.0", '"8388608"', "8.388608e6"])
def test_the_greatest_bandwidth_is_two_to_the_53_bytes(caller: Caller, written: str) -> None:
    order = placed(caller.send(f'{{"plan": "free", "bandwidth": {written}}}'))

    assert order["initial_bandwidth_in_bytes"] == order["remaining_bandwidth_in_bytes"] == 2**53


# --- absent values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"plan": %s, "bandwidth": 2}', "The plan field is required."),
        ('{"plan": "residential", "bandwidth": %s}', "The bandwidth field is required."),
        ('{"plan": "unlimited", "duration": %s}', "The duration field is required."),
        (
            '{"plan": "datacenter", "duration": "1_week", "config": %s}',
            "The config field is required for this plan duration.",
        ),
    ],
)
def test_an_absent_value_is_as_if_the_field_were_not_there(
    caller: Caller,
    body: str,
    sentence: str,
    absent: str,
) -> None:
    assert_refused(caller, body % absent, sentence)


@pytest.mark.parametrize("absent", ABSENT)
def test_a_typed_client_may_send_every_field(caller: Caller, absent: str) -> None:
    others = ", ".join(f'"{name}": {absent}' for name in ("config", "discount_code", "payment_gateway_id"))

    placed(caller.send(f'{{"plan": "residential", "bandwidth": 2, "duration": {absent}, {others}}}'))
    placed(caller.send(f'{{"plan": "unlimited", "duration": "1_day", "bandwidth": {absent}, {others}}}'))


@pytest.mark.parametrize("absent", ABSENT)
def test_an_unknown_field_is_refused_even_when_absent(caller: Caller, absent: str) -> None:
    assert_refused(caller, f'{{"plan": "free", "bandwidth": 1, "weather": {absent}}}', "Unknown field 'weather'.")


@pytest.mark.parametrize("sent", ["0", "false", "1", '"none"', "[0]", '{"id": 1}'])
def test_any_payment_gateway_is_refused(caller: Caller, sent: str) -> None:
    assert_refused(
        caller,
        f'{{"plan": "free", "bandwidth": 1, "payment_gateway_id": {sent}}}',
        "The payment_gateway_id field must not be sent. Orders are charged to the account balance.",
    )


# --- select -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value", "label"),
    [
        *((written, 10, "Ten") for written in ("10", '"10"', "10.0", "1e1", "100e-1", '" 10\\n"')),
        ('"020"', "020", "Twenty"),
        ('"true"', "true", "True"),
        ('"-5"', "-5", "Minus five"),
        ("-5", "-5", "Minus five"),
        ("-5.0", "-5", "Minus five"),
        ('"no"', "no", "Norway"),
        ('"30.0"', "30.0", "Thirty"),
    ],
)
def test_a_choice_is_compared_as_text(caller: Caller, written: str, value: str | int, label: str) -> None:
    (chosen,) = placed(caller.send(body_with_option("choices", "speed", written)))["duration_options"]

    assert (chosen["value"], chosen["value_label"]) == (value, label)
    assert type(chosen["value"]) is type(value)


@pytest.mark.parametrize(
    "written",
    [
        *('"010"', '"10.0"', '"1e1"', '"+10"', "10.5", "20", '"20"', "30", "30.0", '"30"', "-10", '"Ten"', '"NO"'),
        *("true", "false", "[10]", '["10"]', '{"value": 10}', "{}", "[]", "1e400", "1" + "0" * 5000, "10e999999999"),
        *(f'"1{ARABIC_DIGITS}"', "0", "-0", "0e99999", '"null"'),
    ],
    ids=lambda written: written[:20],
)
def test_any_other_choice_is_invalid(caller: Caller, written: str) -> None:
    assert_refused(caller, body_with_option("choices", "speed", written), "Invalid value for option 'speed'.")


# --- number and range -------------------------------------------------------------------------------------------------

SPEED = '"country": 7, '


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((written, 10) for written in ("10", '"10"', "10.0", '"10.0"', "1e1", "100E-1", '"010"', '" 10 "')),
        *((written, 10) for written in ('"' + "0" * 5000 + '10"', "10." + "0" * 5000)),
        ("1", 1),
        ("100", 100),
        ('"100.00"', 100),
    ],
    ids=lambda written: str(written)[:20],
)
def test_a_number_is_read_in_any_json_spelling_or_plain_text(caller: Caller, written: str, value: int) -> None:
    answer = caller.send(body_with_option("datacenter", "speed", written, "1_week", SPEED))

    speed, _ = placed(answer)["duration_options"]
    assert (speed["value"], speed["value_label"]) == (value, str(value))
    assert f'"value":{value},' in answer.text


@pytest.mark.parametrize(
    "written",
    [
        *('"+1"', '".5"', '"5."', '"1e1"', '"0x1A"', '"NaN"', '"Infinity"', '"-"', '"--1"', '"1 0"', '"1,5"', '"1_0"'),
        *('"1\\n2"', f'"{ARABIC_DIGITS}"', f'"{WIDE_DIGITS}"', '"\\u00bd"', "true", "false", "[1]", '{"x": 1}'),
        *("{}", "[]", "1.000000000000001", '"1.000000000000001"', "1234567890123456", "-1234567890123456"),
        *("1" * 5000, '"' + "1" * 5000 + '"', "1e0000000000000001.", '"-1."', '"1.-0"', '"\\u22121"')[:2],
    ],
    ids=lambda written: written[:20],
)
def test_any_other_number_is_not_numeric(caller: Caller, written: str) -> None:
    assert_refused(
        caller,
        body_with_option("datacenter", "speed", written, "1_week", SPEED),
        "Value for option 'speed' must be numeric.",
    )


@pytest.mark.parametrize(
    ("written", "rest"),
    [
        *((written, "at least 1") for written in ("0", '"-1"', "-1", "-0", '"-0"', "0.99999999999999", "1e-400")),
        *((written, "at least 1") for written in ("-1e400", "1e-99999999999999999999", "0e5", "0e-999999999")),
        *((written, "at most 100") for written in ("101", "100.000000000001", "123456789012345", "1e18", "1e400")),
        *((written, "at most 100") for written in ("1" + "0" * 4999, '"1' + "0" * 4999 + '"', "1e999999999999999")),
        *((written, "a multiple of 1") for written in ("1.5", '"1.5"', "1.00000000000001", "99.9")),
    ],
    ids=lambda written: written[:20],
)
def test_a_number_has_bounds_and_a_step(caller: Caller, written: str, rest: str) -> None:
    assert_refused(
        caller,
        body_with_option("datacenter", "speed", written, "1_week", SPEED),
        f"Value for option 'speed' must be {rest}.",
    )


@pytest.mark.parametrize(
    ("plan", "option", "written", "rest"),
    [
        ("wide", "size", "0.25", "at least 0.5"),
        ("wide", "size", "20.5", "at most 20.25"),
        ("wide", "size", "0.6", "a multiple of 0.25"),
        ("wide", "size", "0.500000000000001", "a multiple of 0.25"),
        ("tenths", "n", "0", "at least 0.1"),
        ("tenths", "n", "100.1", "at most 100"),
        ("tenths", "n", "0.35", "a multiple of 0.1"),
        ("even", "n", "1", "a multiple of 2"),
        ("even", "n", "9", "a multiple of 2"),
    ],
)
def test_bounds_and_steps_are_exact_decimals_in_shortest_form(
    caller: Caller,
    plan: str,
    option: str,
    written: str,
    rest: str,
) -> None:
    for spelling in (written, json.dumps(written)):
        assert_refused(
            caller,
            body_with_option(plan, option, spelling),
            f"Value for option '{option}' must be {rest}.",
        )


@pytest.mark.parametrize(
    ("plan", "option", "written"),
    [
        *(("wide", "size", written) for written in ("0.5", "0.75", "20.25", "3")),
        *(("tenths", "n", written) for written in ("0.1", "0.3", "0.7", "2.3", "99.9", "100")),
        *(("even", "n", written) for written in ("2", "8")),
        *(("boundless", "n", written) for written in ("0", "0.123456789012345", "3.14", "123456789")),
    ],
)
def test_a_number_within_bounds_and_step_is_taken_as_it_is(
    caller: Caller,
    plan: str,
    option: str,
    written: str,
) -> None:
    answer = caller.send(body_with_option(plan, option, written))

    assert placed(answer)["duration_options"][0]["value_label"] == written
    assert f'"value":{written},' in answer.text


def test_a_minimum_that_is_null_counts_as_0(caller: Caller) -> None:
    assert_refused(
        caller,
        body_with_option("boundless", "n", "-0.1"),
        "Value for option 'n' must be at least 0.",
    )


@pytest.mark.parametrize("written", ["0", "-0", "-0.0", '"-0"', "0e5", "0e-40", "0e999999999", "0e-999999999"])
def test_every_spelling_of_zero_is_zero(caller: Caller, written: str) -> None:
    answer = caller.send(body_with_option("boundless", "n", written), Idempotency_Key=f"zero {written}")

    assert placed(answer)["duration_options"][0]["value_label"] == "0"
    assert '"value":0,' in answer.text


@pytest.mark.parametrize("written", ["1e15", "1e20", "1e30", '"1' + "0" * 30 + '"', "123456789012345e15"])
def test_a_number_without_maximum_may_cost_more_than_anybody_has(caller: Caller, written: str) -> None:
    assert_refused(caller, body_with_option("boundless", "n", written), "Insufficient balance.")


# --- text -------------------------------------------------------------------------------------------------------------


def test_texts_are_trimmed_at_both_ends(caller: Caller) -> None:
    fields = {
        "plan": " \t\r\ndatacenter\n",
        "duration": "\t1_week ",
        "config": {"speed": " 10\r\n", "country": "\tus "},
        "discount_code": " ten ",
    }
    for response in caller.in_each_format(fields):
        order = placed(response)
        assert order["price"]["discount"] == 1.1
        assert [option["value"] for option in order["duration_options"]] == [10, "us"]


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\v", "\f", "\u200b", "\ufeff", "\x85"])
def test_other_spaces_are_text(caller: Caller, space: str) -> None:
    caller.is_refused({"plan": f" {space}free ", "bandwidth": "1"}, f"Plan '{space}free' not found.", "plan_not_found")


@pytest.mark.parametrize("letter", ["x", "é", "😀", "'", '"', "\\", "<", "\x7f", "\x1b"])
def test_a_sentence_repeats_at_most_100_characters(caller: Caller, letter: str) -> None:
    long, cut = f"  {letter * 101}  ", letter * 100
    for fields, sentence, code in (
        ({"plan": long}, f"Plan '{cut}' not found.", "plan_not_found"),
        (
            {"plan": "unlimited", "duration": long},
            f"Invalid duration format '{cut}'. Expected e.g. '30_days', '1_day', '20_minutes'.",
            "duration_format_invalid",
        ),
        (
            {"plan": "free", "duration": long},
            f"Duration '{cut}' is not available for plan 'free'.",
            "duration_not_available",
        ),
        (
            {"plan": "free", "bandwidth": 1, "config": {letter * 101: 1}},
            f"Option '{cut}' does not exist for the selected plan duration.",
            "option_unknown",
        ),
        ({letter * 101: 1}, f"Unknown field '{cut}'.", "unknown_field"),
    ):
        assert_refusal(caller.in_json(fields), 422, sentence, code)
