"""What an order asks for, and when two requests are the same (contract, section 3, rows 0a to 0d, and section 6)."""

import json
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from random import Random
from time import process_time
from typing import TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.errors import Refusal
from novaproxy.http.body import Fields, JsonValue
from novaproxy.http.body_refusals import FieldGivenTwice, FieldIsFile
from novaproxy.http.form_body import form_fields, urlencoded_parts
from novaproxy.orders.request import (
    FIELDS,
    FieldUnknown,
    KeyNotValid,
    KeyUsedOtherwise,
    OrderRequest,
    PaymentGatewaySent,
    checked_key,
    is_absent,
    order_request,
    request_hash,
)
from rule_cases import HOSTILE_NUMBERS, HOSTILE_ZEROS, body, sent

ORDER = '{"plan": "datacenter", "duration": "1_week", "config": {"speed": 10, "country": "us"}}'
ABSENT = ("null", '""', "{}", "[]", '"  "')
PRESENT = ("0", "false", "true", '"0"', "[null]", '{"a": null}', "-0.0", '"null"', '"[]"')


def sentence(fields: Fields) -> str:
    with pytest.raises(Refusal) as refused:
        order_request(fields)
    assert refused.value.status == 422
    return refused.value.sentence


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("nothing", ABSENT)
def test_an_absent_value_is_as_if_the_field_was_not_sent(name: str, nothing: str) -> None:
    assert order_request(body(f'{{"{name}": {nothing}}}')) == OrderRequest()


@pytest.mark.parametrize("something", PRESENT)
def test_nothing_else_is_absent(something: str) -> None:
    value = body(f'{{"plan": {something}}}').values["plan"]
    assert not is_absent(value)
    assert order_request(body(f'{{"plan": {something}}}')).plan == value


def test_the_fields_come_through_trimmed_and_otherwise_as_they_were_sent() -> None:
    asked = order_request(body('{"plan": " p\\n", "bandwidth": 2.0, "config": {" a ": " b "}, "discount_code": true}'))
    assert asked == OrderRequest(plan="p", bandwidth=Decimal("2.0"), config={" a ": "b"}, discount_code=True)


@pytest.mark.parametrize("gateway", ["3", '"3"', "0", "false", "[0]", '{"id": 1}'])
def test_a_payment_gateway_must_not_be_sent(gateway: str) -> None:
    told = "The payment_gateway_id field must not be sent. Orders are charged to the account balance."
    assert sentence(body(f'{{"nonsense": 1, "payment_gateway_id": {gateway}}}')) == told


@pytest.mark.parametrize("nothing", ABSENT)
def test_an_absent_payment_gateway_is_let_pass(nothing: str) -> None:
    assert order_request(body(f'{{"plan": "p", "payment_gateway_id": {nothing}}}')) == OrderRequest(plan="p")


@pytest.mark.parametrize("value", ["1", *ABSENT])
def test_an_unknown_field_is_refused_even_if_it_is_empty(value: str) -> None:
    assert sentence(body(f'{{"plan": "p", "quantity": {value}}}')) == "Unknown field 'quantity'."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(
            ("bandwith", "bandwidth"),
            ("Plan", "plan"),
            ("PLAN", "plan"),
            ("durations", "duration"),
            ("configs", "config"),
        ),
        *(("discount", "discount_code"), ("discountCode", "discount_code"), ("plan_", "plan")),
    ],
)
def test_a_near_miss_is_told_what_was_meant(name: str, meant: str) -> None:
    assert sentence(sent(**{name: 1})) == f"Unknown field '{name}'. Did you mean '{meant}'?"


def test_the_first_unknown_field_in_request_order_is_told() -> None:
    assert sentence(body('{"plan": "p", "zebra": 1, "apple": 1}')) == "Unknown field 'zebra'."


def test_a_long_name_is_cut_and_compared_at_once() -> None:
    name = "bandwidth" * 7_000
    before = process_time()
    assert sentence(sent(**{name: 1})).startswith(f"Unknown field '{name[:100]}'.")
    assert process_time() - before < 0.5
    with pytest.raises(FieldUnknown) as refused:
        order_request(sent(**{name: 1}))
    assert refused.value.name == name


def test_a_repeated_field_comes_before_a_gateway_and_that_before_an_unknown_field() -> None:
    assert (
        sentence(body('{"x": 1, "payment_gateway_id": 1, "plan": 1, "plan": 1}')) == "The plan field was given twice."
    )
    assert sentence(body('{"x": 1, "payment_gateway_id": 1}')).startswith("The payment_gateway_id field must not")


def test_a_file_is_no_field() -> None:
    with pytest.raises(FieldIsFile):
        order_request(form_fields([("plan", None)]))


def test_a_config_that_is_text_may_hold_the_object() -> None:
    for text in ('{"speed": 10}', ' {"speed":10.0} '):
        assert order_request(form_fields([("config", text)])).config == {"speed": Decimal(10)}
    for nothing in ("{}", " { } "):
        assert order_request(form_fields([("config", nothing)])).config is None
    for text in ("[1]", "10", "speed=10", "{", '"{}"', "null"):
        assert order_request(form_fields([("config", text)])).config == text


def test_a_repeat_inside_a_config_text_is_a_repeat() -> None:
    with pytest.raises(FieldGivenTwice) as refused:
        order_request(form_fields([("config", '{"speed": 1, "speed": 1}')]))
    assert refused.value.sentence == "The config[speed] field was given twice."


@pytest.mark.parametrize("key", ["a", " ", "~", "x" * 255, "7f1c6a2e-0000-4000-8000-000000000000"])
def test_a_key_is_1_to_255_printable_characters(key: str) -> None:
    assert checked_key([key]) == key


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\x7f", "a\x1f", "a\n", "\t"])
def test_any_other_key_is_not_valid(key: str) -> None:
    with pytest.raises(KeyNotValid) as refused:
        checked_key([key])
    assert refused.value.sentence == "The Idempotency-Key header must be 1 to 255 printable ASCII characters."


def test_no_key_is_none_and_a_used_one_has_its_sentence() -> None:
    assert checked_key([]) is None
    assert KeyUsedOtherwise().sentence == "The Idempotency-Key was already used with another request."


@pytest.mark.parametrize(
    ("refused", "machine_code"),
    [
        (KeyNotValid(), "idempotency_key_not_valid"),
        (KeyUsedOtherwise(), "idempotency_key_reused"),
        (PaymentGatewaySent(), "payment_gateway_not_allowed"),
        (FieldUnknown("x"), "unknown_field"),
    ],
)
def test_each_refusal_has_a_code_that_clients_rely_on(refused: Refusal, machine_code: str) -> None:
    assert (refused.status, refused.code) == (422, machine_code)


@pytest.mark.parametrize(
    "same",
    [
        '{"config": {"country": "us", "speed": 10}, "duration": "1_week", "plan": "datacenter"}',
        '{"plan": " datacenter ", "duration": "1_week\\r\\n", "config": {"speed": 10.0, "country": "us "}}',
        '{"plan": "datacenter", "duration": "1_week", "config": {"speed": 1e1, "country": "us"}, "bandwidth": null}',
        ORDER.replace('"plan"', '"discount_code": "", "plan"'),
        '{"plan": "datacenter", "duration": "1_week", "config": "{\\"country\\": \\"us\\", \\"speed\\": 10}"}',
        ORDER.replace('"plan"', '"payment_gateway_id": [], "plan"'),
        ORDER.replace('"plan"', '"quantity": null, "plan"'),
    ],
)
def test_the_same_request_has_the_same_hash(same: str) -> None:
    assert request_hash(body(same)) == request_hash(body(ORDER)) is not None


@pytest.mark.parametrize(
    "other",
    [
        ORDER.replace("10", '"10"'),
        ORDER.replace("10", "11"),
        ORDER.replace("us", "US"),
        ORDER.replace("speed", "Speed"),
        ORDER.replace("1_week", "1_weeks"),
        ORDER.replace('"plan"', '"discount_code": "X", "plan"'),
        ORDER.replace('"plan"', '"bandwidth": 0, "plan"'),
        ORDER.replace('"plan"', '"bandwidth": false, "plan"'),
        ORDER.replace('"plan"', '"payment_gateway_id": 1, "plan"'),
        ORDER.replace('"plan"', '"quantity": 2, "plan"'),
        ORDER.replace('"plan"', '"plan": "datacenter", "plan"'),
        ORDER.replace("10", "[10]"),
        ORDER.replace("10", "true"),
    ],
)
def test_another_request_has_another_hash_or_none(other: str) -> None:
    assert request_hash(body(other)) != request_hash(body(ORDER))


def test_a_form_and_json_of_the_same_texts_are_the_same_request() -> None:
    form = form_fields(urlencoded_parts(b"config[country]=us&plan=datacenter&config[speed]=10&duration=1_week"))
    assert request_hash(form) == request_hash(body(ORDER.replace("10", '"10"'))) is not None
    assert request_hash(form) != request_hash(body(ORDER))


@pytest.mark.parametrize("written", HOSTILE_ZEROS)
def test_every_zero_is_the_same_number(written: str) -> None:
    before = process_time()
    assert (
        request_hash(body(f'{{"config": {{"n": {written}}}}}'))
        == request_hash(body('{"config": {"n": 0}}'))
        is not None
    )
    assert process_time() - before < 0.5


@pytest.mark.parametrize("written", HOSTILE_NUMBERS)
def test_a_hostile_number_is_hashed_or_left_at_once(written: str) -> None:
    before = process_time()
    assert request_hash(body(f'{{"config": {{"n": {written}}}}}')) != request_hash(body('{"config": {"n": 0}}'))
    assert process_time() - before < 0.5


def test_a_hash_has_32_bytes_and_lasts() -> None:
    # Stored with every order: another value here would take all replays for other requests.
    digest = request_hash(body('{"plan": "p", "bandwidth": 2, "config": {"a": "b"}}'))
    assert digest is not None
    assert digest.hex() == "142473c42cec0e197605a14fee9e2f4571fa2d93732c8adbf34461c4a606eda7"


Plain: TypeAlias = "str | int | bool | dict[str, str | int | bool]"

pieces = st.sampled_from(
    [
        "a",
        "b",
        "1",
        "10",
        " ",
        "=",
        "{",
        "}",
        ",",
        ":",
        '"',
        "text ",
        "number ",
        "None",
        "True",
        "plan=",
        "config={",
        "\x01",
        "é",
    ]
)
texts = st.lists(pieces, max_size=4).map("".join)
scalars = texts | st.integers(0, 12) | st.booleans()
configs = st.dictionaries(texts, scalars, max_size=3)
requests = st.dictionaries(st.sampled_from(FIELDS), scalars | configs, max_size=3)


def meaning(request: dict[str, Plain]) -> object:
    """What two requests must share to be the same: typed, trimmed, without absent fields, in no order."""

    def value(one: Plain) -> object:
        if isinstance(one, dict):
            return frozenset((name, value(member)) for name, member in one.items())
        if isinstance(one, str):
            return "text", one.strip(" \t\r\n")
        return type(one).__name__, Fraction(one)

    return frozenset(
        (name, value(one))
        for name, one in request.items()
        if isinstance(one, (bool, int)) or (one.strip(" \t\r\n") if isinstance(one, str) else one)
    )


def hashed(request: dict[str, Plain]) -> bytes:
    digest = request_hash(body(json.dumps(request)))
    assert digest is not None
    return digest


@given(st.lists(requests, min_size=2, max_size=6))
@example([{"config": {"a": "b", "c": "d"}}, {"config": {"a": "b\x01c\x01d"}}])
@example([{"plan": "a", "duration": "b"}, {"plan": "a duration=text b"}])
@example([{"config": {"": "x"}}, {"config": {"x": ""}}, {"config": "x"}])
@example([{"plan": 1}, {"plan": "1"}, {"plan": True}, {"plan": "number 1"}, {"plan": "True"}])
@example([{"plan": "config={a"}, {"config": {"a": "b"}}, {"config": "{a"}])
@example([{"config": {"a": "1", "b": ""}}, {"config": {"a": "", "b": "1"}}])
def test_hashes_are_equal_exactly_when_the_requests_are(asked: list[dict[str, Plain]]) -> None:
    for one, other in combinations(asked, 2):
        assert (hashed(one) == hashed(other)) == (meaning(one) == meaning(other))


@given(
    requests,
    st.randoms(use_true_random=False),
    st.sampled_from(["", " ", "\n\t"]),
    st.sampled_from(["null", '""', "[]", "{}"]),
)
def test_order_blanks_and_absent_fields_do_not_count(
    request: dict[str, Plain], shuffled: Random, blanks: str, nothing: str
) -> None:
    names = list(request)
    shuffled.shuffle(names)
    rewritten = {name: _padded(request[name], blanks) for name in names}
    absent = "".join(f', "{name}": {nothing}' for name in FIELDS if name not in request)
    text = json.dumps(rewritten)[:-1] + (absent if rewritten else absent.removeprefix(", ")) + "}"
    assert request_hash(body(text)) == hashed(request)


def _padded(value: Plain, blanks: str) -> Plain:
    if isinstance(value, dict):
        return {
            name: f"{blanks}{one}{blanks}" if isinstance(one, str) else one for name, one in reversed(value.items())
        }
    return f"{blanks}{value}{blanks}" if isinstance(value, str) else value


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "payment_gateway_id", "x"]),
        st.none() | scalars | configs | st.lists(scalars, max_size=2),
    )
)
def test_a_request_that_passes_has_a_hash_or_a_value_that_no_rule_accepts(request: dict[str, JsonValue]) -> None:
    fields = sent(**request)
    try:
        asked = order_request(fields)
    except Refusal:
        return
    values = [asked.plan, asked.bandwidth, asked.duration, asked.config, asked.discount_code]
    if not any(isinstance(value, list) for value in values):
        assert request_hash(fields) is not None
