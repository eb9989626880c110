"""JSON bodies, and the JSON object that a form's config may hold."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from bodies import GIVEN_TWICE, JSON, NAME_NOT_ALLOWED, NOT_ALLOWED, form_values, json_values, sentence_of
from novaproxy.http.body import Fields, JsonValue, json_object, read_fields
from novaproxy.http.body_refusals import BodyNotJson, BodyNotObject, BodyNotUtf8, BodyTooDeep


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b"NaN",
        b'{"a":01}',
        b'{"a":.5}',
        b'{"a":5.}',
        b'{"a":+1}',
        b'{"a":0x1A}',
        b'{"a":"\x00"}',
        b'{"a":"\n"}',
        b'{"a":"\\ud80"}',
        b"plan=residential",
        b'\xef\xbb\xbf{"a":1}',
        b"{\x00}",
        b"[" * 500,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BodyNotJson) as refusal:
        read_fields(body, JSON)
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    "body",
    [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', '{"a":"é"}'.encode("latin-1"), b"\xff\xfe{\x00"],
)
def test_json_that_is_no_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(BodyNotUtf8) as refusal:
        read_fields(body, JSON)
    assert refusal.value.status == 400


@pytest.mark.parametrize("body", ["[]", '[{"plan":"a"}]', "1", '"plan"', "null", "true", "1e999"])
def test_json_that_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(BodyNotObject, match=r"^The body must be a JSON object\.$"):
        read_fields(body.encode(), JSON)


@pytest.mark.parametrize("depth", [32, 100, 990, 1_000, 10_000, 30_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_without_a_traceback(depth: int, opening: str, closing: str) -> None:
    body = f'{{"config":{opening * depth}1{closing * depth}}}'.encode()
    with pytest.raises(BodyTooDeep) as refusal:
        read_fields(body, JSON)
    assert refusal.value.status == 400
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_up_to_the_bound_is_read(opening: str, closing: str) -> None:
    body = f'{{"config":{opening * 31}1{closing * 31}}}'
    assert list(json_values(body)) == ["config"]


def test_every_json_number_is_the_decimal_that_was_written() -> None:
    values = json_values('{"a":2,"b":2.0,"c":19.990,"d":-0,"e":1E400,"f":1e-400,"g":[10]}')
    assert [str(value) for value in values.values() if isinstance(value, Decimal)] == [
        "2",
        "2.0",
        "19.990",
        "-0",
        "1E+400",
        "1E-400",
    ]
    assert values["g"] == [Decimal(10)]
    assert all(not isinstance(value, int | float) for value in values.values())


@pytest.mark.parametrize("digits", ["9" * 5_000, "9" * 60_000, "0." + "1" * 60_000])
def test_a_number_of_thousands_of_digits_is_read_in_full(digits: str) -> None:
    assert str(json_values(f'{{"a":{digits}}}')["a"]) == digits


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1e99999999999999999999", Decimal("Infinity")),
        ("-1E+99999999999999999999", Decimal("-Infinity")),
        ("0e99999999999999999999", Decimal(0)),
        ("0.00e-99999999999999999999", Decimal(0)),
        ("1e-99999999999999999999", Decimal("1E-1999999999999999997")),
        ("-1e-99999999999999999999", Decimal("-1E-1999999999999999997")),
        ("1e" + "9" * 60_000, Decimal("Infinity")),
    ],
)
def test_a_number_beyond_every_exponent_is_the_nearest_decimal(written: str, read: Decimal) -> None:
    assert json_values(f'{{"a":{written}}}')["a"] == read


def test_true_false_and_null_stay_what_they_are() -> None:
    assert json_values('{"a":true,"b":false,"c":null}') == {"a": True, "b": False, "c": None}


def test_fields_keep_the_order_of_the_request() -> None:
    assert list(json_values('{"z":1,"plan":2,"a":3}')) == ["z", "plan", "a"]
    assert list(form_values("z=1&plan=2&a=3")) == ["z", "plan", "a"]


# A config that is text


def test_a_text_config_is_not_decoded_by_itself() -> None:
    assert json_values('{"config":"{\\"speed\\":10}"}') == {"config": '{"speed":10}'}
    assert form_values('config={"speed":10}') == {"config": '{"speed":10}'}


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("{}", {}),
        (' {"speed": 10} ', {"speed": Decimal(10)}),
        ('{"speed":" 10 ","x":{"y":[" z "]}}', {"speed": "10", "x": {"y": ["z"]}}),
        ('{"config":{"a":1}}', {"config": {"a": Decimal(1)}}),
    ],
)
def test_a_json_object_in_a_text_is_read(text: str, members: Mapping[str, JsonValue]) -> None:
    assert json_object(text) == Fields(members, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "speed", "10", "[]", '[{"a":1}]', "null", '"{}"', '{"a":NaN}', "{", "{}x"),
        *('{"a":' * 40 + "1" + "}" * 40, "[" * 30_000, '{"a":' * 10_000),
    ],
)
def test_a_text_without_a_json_object_holds_none(text: str) -> None:
    assert json_object(text) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"speed":1,"speed":2}', GIVEN_TWICE.format("config[speed]")),
        ('{"config":1,"config":2}', GIVEN_TWICE.format("config[config]")),
        ('{"speed":"\\u0000"}', NOT_ALLOWED.format("config[speed]")),
        ('{"speed":{"a":["\\ud800"]}}', NOT_ALLOWED.format("config[speed]")),
        ('{"\\u0000":1}', NAME_NOT_ALLOWED),
    ],
)
def test_faults_in_a_text_config_name_its_members(text: str, sentence: str) -> None:
    fields = json_object(text)
    assert fields is not None
    assert sentence_of(fields) == sentence
