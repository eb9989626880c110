"""Bodies that are broken, hostile or too long (contract, section 1): one clear refusal, nothing left behind, no 500."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from contract import (
    BOUNDARY,
    JSON,
    MULTIPART,
    URLENCODED,
    Caller,
    assert_refusal,
    exchange,
    multipart_body,
    nothing_left_behind,
    placed,
    raw_post,
)
from shop import Shop

LIMIT = 65_536
FREE = {"plan": "free", "bandwidth": 1}
JSON_HEADER = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"

NOT_JSON = ("The body must be valid JSON.", "invalid_json")
NOT_OBJECT = ("The body must be a JSON object.", "body_not_object")
NOT_UTF8 = ("The body must be valid UTF-8.", "body_not_utf8")
NOT_FORM = ("The body must be valid multipart/form-data.", "invalid_form")
TOO_DEEP = ("The body is nested too deeply.", "body_too_deep")
TOO_LARGE = ("The body must be at most 65536 bytes.", "body_too_large")


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Iterator[Caller]:
    """A buyer who sends rubbish and buys nothing."""
    rubbish = Caller(common_shop, common_shop.buyer())
    yield rubbish
    assert rubbish.shop.balance_cents(rubbish.buyer) == 100_000_00


def assert_400(caller: Caller, body: bytes, content_type: str, refusal: tuple[str, str]) -> None:
    with nothing_left_behind(caller.shop):
        assert_refusal(caller.send(body, content_type), 400, *refusal)


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *("", " ", "{", "}", '{"plan"}', '{"plan": }', '{"plan": "free",}', "{'plan': 'free'}", "{plan: 1}", "nul"),
        *('{"plan": "free"} x', '{"plan": "free"}{}', '{"bandwidth": NaN}', '{"bandwidth": Infinity}'),
        *(
            '{"bandwidth": -Infinity}',
            '{"bandwidth": +1}',
            '{"bandwidth": 01}',
            '{"bandwidth": .5}',
            '{"bandwidth": 1.}',
        ),
        *('{"bandwidth": 0x1}', '{"bandwidth": 1_000}', '{"plan": "a\nb"}', '{"plan": "\0"}', '{"plan": "\\x"}'),
        *("plan=free&bandwidth=1", "\ufeff{}", '{"plan": "free" "bandwidth": 1}', "// x\n{}", '{"plan": "\\u12"}'),
        *('{"bandwidth": \u0661}', "{" * 60_000),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_refused(caller: Caller, body: str) -> None:
    assert_400(caller, body.encode(), JSON, NOT_JSON)


@pytest.mark.parametrize("body", ["[]", '[{"plan": "free", "bandwidth": 1}]', '"plan"', "1", "true", "null", "1e400"])
def test_json_that_is_no_object_is_refused(caller: Caller, body: str) -> None:
    assert_400(caller, body.encode(), JSON, NOT_OBJECT)


@pytest.mark.parametrize(
    "body",
    [
        b'{"plan": "\xff"}',
        b"\x80",
        b'{"plan": "\xed\xa0\x80"}',
        b'{"plan": "\xc0\x80"}',
        '{"plan": "é"}'.encode("latin-1"),
    ],
)
def test_bytes_that_are_no_utf8_are_refused(caller: Caller, body: bytes) -> None:
    assert_400(caller, body, JSON, NOT_UTF8)
    assert_400(caller, b"plan=" + body, URLENCODED, NOT_UTF8)
    assert_400(caller, multipart_body([("plan", "free")]).replace(b"free", body), MULTIPART, NOT_UTF8)


@pytest.mark.parametrize("body", ['{"plan": "free"}'.encode("utf-16"), '{"plan": "free"}'.encode("utf-32")])
def test_other_encodings_are_refused(caller: Caller, body: bytes) -> None:
    assert_400(caller, body, JSON, NOT_UTF8)


@pytest.mark.parametrize("field", ["plan", "bandwidth", "duration", "config", "discount_code", "weather"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_deep_nesting_is_refused(caller: Caller, field: str, opening: str, closing: str) -> None:
    for depth in (40, 900, 5_000):
        body = f'{{"{field}": {opening * depth}1{closing * depth}}}'
        assert_400(caller, body.encode(), JSON, TOO_DEEP)


def test_deep_nesting_without_an_end_is_refused(caller: Caller) -> None:
    for opening in ("[", '{"a":', '[{"a":'):
        response = caller.send('{"plan": ' + opening * 8_000)
        assert response.status_code == 400


def test_a_deep_name_of_a_form_is_no_order(caller: Caller) -> None:
    with nothing_left_behind(caller.shop):
        for name in (
            "config" + "[a]" * 5_000,
            "config" + "[]" * 5_000,
            "plan" + "[" * 9_000,
            "[" * 9_000 + "]" * 9_000,
        ):
            assert caller.in_urlencoded([("plan", "free"), ("bandwidth", "1"), (name, "1")]).status_code in {400, 422}


def test_many_fields_are_no_order(caller: Caller) -> None:
    pairs = [("plan", "free"), ("bandwidth", "1"), *((f"f{number}", "") for number in range(5_000))]
    with nothing_left_behind(caller.shop):
        for response in (
            caller.in_json(dict(pairs)),
            caller.in_urlencoded(pairs),
            caller.in_multipart(pairs[:700]),
        ):
            assert_refusal(response, 422, "Unknown field 'f0'.", "unknown_field")


# --- text that cannot be kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["\\u0000", "\\ud800", "\\udfff", "a\\u0000b", "\\udc00\\ud800", " \\u0000 "])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"plan": "%s", "bandwidth": 1}', "plan"),
        ('{"plan": "free", "bandwidth": "%s"}', "bandwidth"),
        ('{"plan": "free", "bandwidth": 1, "duration": "%s"}', "duration"),
        ('{"plan": "free", "bandwidth": 1, "discount_code": "%s"}', "discount_code"),
        ('{"plan": "free", "bandwidth": 1, "config": "%s"}', "config"),
        ('{"plan": "free", "bandwidth": 1, "config": {"speed": "%s"}}', "config[speed]"),
        ('{"plan": "free", "bandwidth": 1, "config": {"speed": [{"x": "%s"}]}}', "config[speed]"),
        ('{"plan": "free", "bandwidth": 1, "weather": "%s"}', "weather"),
        ('{"plan": "free", "bandwidth": 1, "weather": [["%s"]]}', "weather"),
        ('{"plan": "free", "bandwidth": 1, "payment_gateway_id": "%s"}', "payment_gateway_id"),
        ('{"plan": "free", "bandwidth": 1, "%s": 1}', None),
        ('{"plan": "free", "bandwidth": 1, "config": {"%s": 1}}', None),
        ('{"plan": "free", "bandwidth": 1, "weather": {"%s": 1}}', None),
    ],
)
def test_nul_and_lone_surrogates_are_refused_everywhere(
    caller: Caller,
    body: str,
    field: str | None,
    letter: str,
) -> None:
    subject = "A field name" if field is None else f"The {field} field"
    for key in (None, "key-1"):
        with nothing_left_behind(caller.shop):
            response = caller.send(body % letter, **({"Idempotency_Key": key} if key else {}))
            assert_refusal(response, 422, f"{subject} contains a character that is not allowed.", "text_not_allowed")


@pytest.mark.parametrize(
    ("name", "text", "subject"),
    [
        ("plan", "\0", "The plan field"),
        ("config[speed]", "1\0", "The config[speed] field"),
        ("config[a\0]", "1", "A field name"),
        ("\0", "1", "A field name"),
    ],
)
def test_nul_in_a_form_is_refused(caller: Caller, name: str, text: str, subject: str) -> None:
    sentence = f"{subject} contains a character that is not allowed."
    with nothing_left_behind(caller.shop):
        assert_refusal(caller.in_urlencoded([(name, text)]), 422, sentence, "text_not_allowed")
        if "\0" in text:
            assert_refusal(caller.in_multipart([(name, text)]), 422, sentence, "text_not_allowed")


def test_a_pair_of_surrogates_is_a_character(caller: Caller) -> None:
    response = caller.send('{"plan": "\\ud83d\\ude00", "bandwidth": 1}')

    assert_refusal(response, 422, "Plan '😀' not found.", "plan_not_found")


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e999999999999999999999", "1e-999999999999999999999", "9" * 9_000]
)
@pytest.mark.parametrize(
    "body",
    [
        '{"plan": %s}',
        '{"plan": "free", "bandwidth": %s}',
        '{"plan": "unlimited", "duration": %s}',
        '{"plan": "free", "bandwidth": 1, "config": %s}',
        '{"plan": "datacenter", "duration": "30_days", "config": {"threads": %s}}',
        '{"plan": "datacenter", "duration": "1_week", "config": {"speed": 1, "country": %s}}',
        '{"plan": "free", "bandwidth": 1, "discount_code": %s}',
        '{"plan": "free", "bandwidth": 1, "weather": %s}',
        '{"plan": "free", "bandwidth": 1, "payment_gateway_id": %s}',
    ],
)
def test_an_enormous_number_is_a_422_anywhere(caller: Caller, body: str, number: str) -> None:
    with nothing_left_behind(caller.shop):
        response = caller.send(body % number, Idempotency_Key="enormous")
        assert response.status_code == 422
        assert set(response.json()) == {"error"}


# --- forms ------------------------------------------------------------------------------------------------------------

PART = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="plan"\r\n\r\nfree\r\n'


@pytest.mark.parametrize(
    "body",
    [
        *(
            "",
            "\r\n",
            "free",
            PART,
            PART[:-2],
            PART[:40],
            f"--{BOUNDARY}",
            f"--{BOUNDARY}\r\n\r\nfree\r\n--{BOUNDARY}--",
        ),
        PART.replace("; name=", "; nome=") + f"--{BOUNDARY}--\r\n",
        PART.replace("form-data", "attachment") + f"--{BOUNDARY}--\r\n",
        PART.replace("Content-Disposition", "Content Disposition") + f"--{BOUNDARY}--\r\n",
        PART.replace(BOUNDARY, "other") + "--other--\r\n",
        PART.replace('"plan"', '"plan"; name="bandwidth"') + f"--{BOUNDARY}--\r\n",
        '{"plan": "free", "bandwidth": 1}',
    ],
    ids=lambda body: repr(body[-30:]),
)
def test_a_broken_multipart_is_refused(caller: Caller, body: str) -> None:
    assert_400(caller, body.encode(), MULTIPART, NOT_FORM)


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data;"]
)
def test_a_multipart_without_a_boundary_is_refused(caller: Caller, content_type: str) -> None:
    assert_400(caller, PART.encode(), content_type, NOT_FORM)


@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "text/plain",
            "text/json",
            "application/xml",
            "application/jsonx",
            "application/problem+json",
            "json",
            "",
            "*/*",
        ),
        *(
            "application/json, text/plain",
            "multipart/mixed; boundary=x",
            "application/octet-stream",
            "application/json/x",
        ),
        *(";", "\xff", "application/ json"),
    ],
)
def test_another_content_type_is_not_supported(caller: Caller, content_type: str) -> None:
    headers = [
        (b"Authorization", f"Bearer {caller.buyer.token}".encode()),
        (b"Content-Type", content_type.encode("latin-1")),
    ]
    with nothing_left_behind(caller.shop):
        response = caller.shop.http.post("/orders", content=json.dumps(FREE), headers=headers)
        assert_refusal(
            response,
            415,
            "The Content-Type must be application/json, multipart/form-data or application/x-www-form-urlencoded.",
            "unsupported_media_type",
        )


def test_a_body_without_a_content_type_is_not_supported(caller: Caller) -> None:
    with nothing_left_behind(caller.shop):
        response = caller.shop.http.post("/orders", content=json.dumps(FREE), headers=caller.buyer.headers)
        assert response.status_code == 415


# --- length -----------------------------------------------------------------------------------------------------------


def padded(length: int) -> bytes:
    return json.dumps(FREE).encode().ljust(length)


def chunked(body: bytes, size: int = 8_192) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT])
def test_a_body_up_to_the_limit_is_read(caller: Caller, length: int) -> None:
    body = padded(length)

    assert placed(caller.send(body))["status"] == "active"
    assert (
        exchange(caller.shop, raw_post(caller.buyer, chunked(body), JSON_HEADER, CHUNKED, b"Connection: close")).status
        == 201
    )


@pytest.mark.parametrize("length", [LIMIT + 1, 100_000, 3_000_000])
def test_a_client_that_sends_a_longer_body_can_read_the_refusal(caller: Caller, length: int) -> None:
    body = padded(length)
    announced = f"Content-Length: {length}".encode()
    with nothing_left_behind(caller.shop):
        for request in (
            raw_post(caller.buyer, body, JSON_HEADER, announced),
            raw_post(caller.buyer, chunked(body), JSON_HEADER, CHUNKED),
            raw_post(caller.buyer, body, b"Content-Type: text/plain", announced),
        ):
            answer = exchange(caller.shop, request)
            assert (answer.status, json.loads(answer.body)) == (413, {"error": TOO_LARGE[0]})
            assert answer.headers["X-Error-Code"] == TOO_LARGE[1]
            assert answer.headers["X-Request-Id"]


def test_a_client_that_only_announces_a_longer_body_is_told_at_once(caller: Caller) -> None:
    for more in ((), (b"Expect: 100-continue",)):
        request = raw_post(caller.buyer, b"", JSON_HEADER, b"Content-Length: 100000", *more)
        assert exchange(caller.shop, request).status == 413


def test_the_connection_of_a_refused_body_stays_sound(caller: Caller) -> None:
    with httpx.Client(base_url=caller.shop.address, timeout=10) as client:
        for body, status in ((padded(100_000), 413), (b"{", 400), (b"{}", 422), (padded(100_000), 413), (b"[]", 400)):
            answer = client.post("/orders", content=body, headers=caller.buyer.headers | {"Content-Type": JSON})
            assert answer.status_code == status


def test_a_client_that_goes_away_in_mid_body_leaves_nothing(caller: Caller) -> None:
    with nothing_left_behind(caller.shop):
        for request in (
            raw_post(caller.buyer, json.dumps(FREE).encode(), JSON_HEADER, b"Content-Length: 1000"),
            raw_post(caller.buyer, b"20\r\n" + json.dumps(FREE).encode(), JSON_HEADER, CHUNKED),
        ):
            address = httpx.URL(caller.shop.address)
            with socket.create_connection((address.host, address.port or 80)) as connection:
                connection.sendall(request)
        assert caller.send("{}").status_code == 422


@pytest.mark.parametrize(
    "head",
    [
        *((b"Content-Length: -1",), (b"Content-Length: 1e3",), (b"Content-Length: 5", b"Content-Length: 6")),
        *((b"Content-Length: " + b"9" * 30,), (b"Transfer-Encoding: gzip",), (b"X: " + b"x" * 200_000,)),
    ],
    ids=lambda head: repr(head[0][:24]),
)
def test_odd_framing_is_no_order_and_no_500(caller: Caller, head: tuple[bytes, ...]) -> None:
    with nothing_left_behind(caller.shop):
        answer = exchange(caller.shop, raw_post(caller.buyer, b"", JSON_HEADER, *head))
        assert 400 <= answer.status < 500


def test_fields_in_the_address_are_not_read(caller: Caller) -> None:
    with nothing_left_behind(caller.shop):
        response = caller.shop.http.post("/orders?plan=free&bandwidth=1", json={}, headers=caller.buyer.headers)
        assert_refusal(response, 422, "The plan field is required.", "plan_required")
