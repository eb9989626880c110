"""Forms mean what the same text means in JSON (contract, section 1), and their faults (section 3, row 0b)."""

import pytest

from contract import (
    BOUNDARY,
    MULTIPART,
    URLENCODED,
    Caller,
    assert_refusal,
    multipart_body,
    nothing_left_behind,
    placed,
)
from shop import Shop

TIME = [("plan", "datacenter"), ("duration", "1_week")]
SPEED = ("config[speed]", "10")
COUNTRY = ("config[country]", "us")
CONFIG_TEXT = ("config", '{"speed": 10, "country": "us"}')


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer())


@pytest.mark.parametrize("config", [[SPEED, COUNTRY], [COUNTRY, SPEED], [CONFIG_TEXT]])
def test_the_same_order_is_placed_from_each_kind_of_form(caller: Caller, config: list[tuple[str, str]]) -> None:
    pairs = [*TIME, *config, ("discount_code", "TEN")]
    orders = [placed(caller.in_multipart(pairs)), placed(caller.in_urlencoded(pairs))]
    for order in orders:
        assert order["price"] == {"gross": 11, "discount": 1.1, "net": 9.9}
        assert [(option["name"], option["value"]) for option in order["duration_options"]] == [
            ("speed", 10),
            ("country", "us"),
        ]


@pytest.mark.parametrize("text", ['{"speed": 10, "country": "us"}', '\r\n {"country":"us","speed":"10.0"}\t'])
def test_a_config_that_is_text_holding_an_object_is_that_object(caller: Caller, text: str) -> None:
    fields = {"plan": "datacenter", "duration": "1_week", "config": text}
    for response in caller.in_each_format(fields):
        assert [option["value"] for option in placed(response)["duration_options"]] == [10, "us"]


@pytest.mark.parametrize("text", ["{}", " {} ", "{\n}", "", "   "])
def test_a_config_that_is_text_holding_nothing_is_absent(caller: Caller, text: str) -> None:
    caller.is_refused(
        {"plan": "datacenter", "duration": "1_week", "config": text},
        "The config field is required for this plan duration.",
        "config_required",
    )
    for response in caller.in_each_format({"plan": "free", "bandwidth": "1", "config": text}):
        placed(response)


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([*TIME, TIME[0], SPEED, COUNTRY], "plan"),
        ([*TIME, SPEED, COUNTRY, TIME[1]], "duration"),
        ([*TIME, SPEED, SPEED, COUNTRY], "config[speed]"),
        ([*TIME, SPEED, COUNTRY, CONFIG_TEXT], "config"),
        ([*TIME, CONFIG_TEXT, SPEED], "config"),
        ([*TIME, CONFIG_TEXT, CONFIG_TEXT], "config"),
        ([*TIME, ("config", ""), SPEED, COUNTRY], "config"),
        ([*TIME, ("discount_code", ""), ("discount_code", "TEN"), CONFIG_TEXT], "discount_code"),
        ([*TIME, CONFIG_TEXT, ("weather", "1"), ("weather", "1")], "weather"),
        ([*TIME, CONFIG_TEXT, ("payment_gateway_id", "1"), ("payment_gateway_id", "1")], "payment_gateway_id"),
        ([*TIME, ("config", '{"speed": 10, "country": "us", "speed": 11}')], "config[speed]"),
    ],
)
def test_a_form_field_given_twice_is_refused(caller: Caller, pairs: list[tuple[str, str]], name: str) -> None:
    with nothing_left_behind(caller.shop):
        for response in (caller.in_multipart(pairs), caller.in_urlencoded(pairs)):
            assert_refusal(response, 422, f"The {name} field was given twice.", "field_given_twice")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"plan": "free", "bandwidth": 1, "plan": "free"}', "plan"),
        ('{"plan": "free", "bandwidth": 1, "bandwidth": null}', "bandwidth"),
        ('{"plan": "free", "bandwidth": 1, "pl\\u0061n": "free"}', "plan"),
        ('{"plan": "datacenter", "config": {"speed": 1, "speed": 1}}', "config[speed]"),
        ('{"plan": "free", "weather": 1, "weather": 1}', "weather"),
        ('{"config": {"a": 1}, "config": {"b": 1}}', "config"),
    ],
)
def test_a_json_member_given_twice_is_refused(caller: Caller, body: str, name: str) -> None:
    caller.is_refused_in_json(body, f"The {name} field was given twice.", "field_given_twice")


@pytest.mark.parametrize("name", ["plan", "bandwidth", "discount_code", "config", "config[speed]", "weather"])
@pytest.mark.parametrize("file_name", ['filename="plan.txt"', 'filename=""', "filename*=UTF-8''plan.txt"])
def test_a_file_part_is_refused_whatever_its_name(caller: Caller, name: str, file_name: str) -> None:
    pairs = [pair for pair in [("plan", "free"), ("bandwidth", "1")] if pair[0] != name]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; {file_name}\r\n\r\nfree\r\n'
    with nothing_left_behind(caller.shop):
        response = caller.send(file.encode() + multipart_body(pairs), MULTIPART)
        assert_refusal(response, 422, f"The {name} field must not be a file.", "field_is_file")


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([*TIME, ("config[speed][x]", "1"), COUNTRY], "Value for option 'speed' must be numeric."),
        ([*TIME, ("config[speed][]", "1"), COUNTRY], "Value for option 'speed' must be numeric."),
        ([*TIME, SPEED, ("config[country][x]", "us")], "Invalid value for option 'country'."),
        ([*TIME, ("config[]", "10"), ("config[]", "us")], "The config field must be an object."),
        (
            [*TIME, SPEED, COUNTRY, ("config[ghost]", "")],
            "Option 'ghost' does not exist for the selected plan duration.",
        ),
        ([("plan[]", "free"), ("bandwidth", "1")], "The plan field must be a string."),
        ([("plan", "free"), ("bandwidth[gb]", "1")], "The entered bandwidth is not valid."),
        ([("plan", "free"), ("bandwidth[]", "1")], "The entered bandwidth is not valid."),
        ([("plan", "free"), ("bandwidth", "null")], "The entered bandwidth is not valid."),
        ([("plan", "free"), ("bandwidth", "true")], "The entered bandwidth is not valid."),
        (
            [("plan", "free"), ("bandwidth", "1"), ("discount_code[]", "TEN")],
            "The discount_code field must be a string.",
        ),
        ([("plan", "unlimited"), ("duration[]", "1_day")], "The duration field must be a string."),
    ],
)
def test_brackets_make_the_objects_and_lists_they_stand_for(
    caller: Caller,
    pairs: list[tuple[str, str]],
    sentence: str,
) -> None:
    with nothing_left_behind(caller.shop):
        for response in (caller.in_multipart(pairs), caller.in_urlencoded(pairs)):
            assert (response.status_code, response.json()) == (422, {"error": sentence})


@pytest.mark.parametrize("name", ["config[speed", "config]", "[config]", "plan ", "PLAN", "[]", "[", "config[a]b"])
def test_a_name_that_is_not_a_field_is_unknown(caller: Caller, name: str) -> None:
    pairs = [("plan", "free"), ("bandwidth", "1"), (name, "1")]
    with nothing_left_behind(caller.shop):
        for response in (caller.in_multipart(pairs), caller.in_urlencoded(pairs)):
            assert response.status_code == 422
            assert response.json()["error"].startswith(f"Unknown field '{name}'.")
            assert response.headers["X-Error-Code"] == "unknown_field"


@pytest.mark.parametrize(
    "content_type",
    [
        URLENCODED,
        "Application/X-WWW-Form-Urlencoded; Charset=UTF-8",
        'application/x-www-form-urlencoded ; charset="utf-8"',
    ],
)
def test_a_content_type_is_read_without_regard_to_case_and_parameters(caller: Caller, content_type: str) -> None:
    assert placed(caller.send("plan=free&bandwidth=1", content_type))["plan"]["slug"] == "free"
    assert placed(caller.send('{"plan":"free","bandwidth":1}', "Application/JSON; charset=utf-8"))["status"] == "active"


def test_escapes_of_a_urlencoded_form_are_undone(caller: Caller) -> None:
    assert placed(caller.send("%70lan=+free%20&bandwidth=%31&&discount%5Fcode=", URLENCODED))["plan"]["slug"] == "free"
