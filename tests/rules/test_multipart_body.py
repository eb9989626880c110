"""Multipart bodies: as real clients write them, and broken in every way."""

import httpx
import pytest

from bodies import (
    BROWSER,
    CURL,
    DOTNET,
    GUZZLE,
    IS_FILE,
    MULTIPART,
    UNDICI,
    multipart,
    multipart_fault,
    part,
    sentence_of,
)
from novaproxy.http.body import Fields, JsonValue, read_fields
from novaproxy.http.body_refusals import BodyNotForm, BodyNotUtf8, UnsupportedCharset

CLIENTS = pytest.mark.parametrize(
    ("content_type", "body"),
    [CURL, BROWSER, UNDICI, GUZZLE, DOTNET],
    ids=["curl", "browser", "undici", "guzzle", "dotnet"],
)


@CLIENTS
def test_forms_of_real_clients_are_read(content_type: str, body: bytes) -> None:
    values: dict[str, JsonValue] = {"plan": "datacenter", "duration": "1_week", "config": {"speed": "10"}}
    assert read_fields(body, content_type) == Fields(values, None)


@CLIENTS
def test_a_form_cut_off_anywhere_is_refused(content_type: str, body: bytes) -> None:
    # The line end behind the last boundary is no loss.
    for length in range(len(body) - 2):
        with pytest.raises(BodyNotForm):
            read_fields(body[:length], content_type)
    assert read_fields(body[:-2], content_type) == read_fields(body, content_type)


def test_forms_as_httpx_builds_them_are_read() -> None:
    request = httpx.Request(
        "POST",
        "http://shop.test/orders",
        data={"plan": "résidentiel", "config[speed]": "10"},
        files={"duration": (None, "1_week")},
    )
    fields = read_fields(request.read(), request.headers["content-type"])
    assert fields == Fields({"plan": "résidentiel", "config": {"speed": "10"}, "duration": "1_week"}, None)
    upload = httpx.Request("POST", "http://shop.test/orders", files={"plan": b"residential"})
    assert sentence_of(read_fields(upload.read(), upload.headers["content-type"])) == IS_FILE.format("plan")


def test_a_part_of_json_stays_text() -> None:
    body = multipart(part("config", '{"speed":10}', "Content-Type: application/json"))
    assert read_fields(body, MULTIPART).values == {"config": '{"speed":10}'}


def test_an_empty_form_gives_no_fields() -> None:
    assert read_fields(b"--XX--\r\n", MULTIPART) == Fields({}, None)
    assert read_fields(b"--XX--", MULTIPART) == Fields({}, None)


def test_what_stands_around_a_form_is_ignored() -> None:
    body = multipart(part("plan", "a"))
    for preamble in (b"\r\n", b"read me\r\n", b"--X\r\nno boundary: --XX\r\n", b"-\r\n"):
        assert read_fields(preamble + body, MULTIPART).values == {"plan": "a"}
    assert read_fields(body + b"the end\r\n" + body, MULTIPART).values == {"plan": "a"}


@pytest.mark.parametrize(
    "text",
    ["", "a\r\nb", "--XX", "a--XX--", "a\r\n--X", "a\r\n-", "a\r\n\r\n", "\r\na", "a\r\n--XXX", "a\r\n--XX-x\r\n--XXy"],
)
def test_a_text_that_looks_like_a_boundary_is_kept(text: str) -> None:
    body = multipart(part("a", text), part("b", "1"))
    assert read_fields(body, MULTIPART).values == {"a": text.strip(), "b": "1"}


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=YY",
        "multipart/form-data; boundary=X",
        "multipart/form-data; boundary=\xe9",
        "multipart/form-data; boundary=\ud800",
        "multipart/form-data; boundary=" + "X" * 300,
    ],
)
def test_a_form_without_its_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BodyNotForm) as refusal:
        read_fields(multipart(part("plan", "a")), content_type)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"plan=a",
        b'{"plan":"a"}',
        b"--XX",
        b"--XX\r\n",
        b"--XX\r\n\r\n",
        b"x--XX--",
        b"--XX\r\n--XX--\r\n",
        b"--XX\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data; name\r\n\r\na\r\n--XX--\r\n",
        b'--XX\r\nContent-Disposition: form-data; name="a\r\n\r\na\r\n--XX--\r\n',
        b"--XX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data; name*=UTF-8''a\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition:\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nX: form-data; name=a\r\nContent-Disposition:\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Type: text/plain\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\na\r\n--XX--",
        b"--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/plain; x\r\n\r\na\r\n--XX--",
        b"--XX\nContent-Disposition: form-data; name=a\n\na\n--XX--\n",
        b"--XX\r\nContent-Disposition form-data; name=a\r\n\r\na\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\na\r\n--XX--\r\n",
        b'--XX\r\nContent-Disposition: form-data; name="' + b"a" * 9_000 + b'"\r\n\r\na\r\n--XX--\r\n',
        b"--XX\r\n" + b"X: y\r\n" * 100 + b"\r\na\r\n--XX--\r\n",
    ],
)
def test_a_broken_form_is_refused(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BodyNotForm) as refusal:
        read_fields(body, MULTIPART)
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_form")
    assert not caplog.records


def test_a_form_whose_boundary_is_nothing_is_refused() -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'):
        with pytest.raises(BodyNotForm):
            read_fields(multipart(part("plan", "a")).replace(b"XX", b""), content_type)


def test_blanks_around_unquoted_parameters_are_no_part_of_them() -> None:
    body = b"--XX\r\nContent-Disposition: form-data ; name = plan ; x = y \r\n\r\na\r\n--XX--\r\n"
    assert read_fields(body, "multipart/form-data ; boundary = XX ; charset = utf-8 ").values == {"plan": "a"}


def test_parts_that_are_no_utf8_are_refused() -> None:
    for broken in (part("plan", b"\xff"), part("plan", "é".encode("latin-1"))):
        with pytest.raises(BodyNotUtf8):
            read_fields(multipart(broken), MULTIPART)
    with pytest.raises(BodyNotUtf8):
        read_fields(b'--XX\r\nContent-Disposition: form-data; name="\xe9"\r\n\r\na\r\n--XX--\r\n', MULTIPART)


def test_a_part_in_another_charset_is_refused() -> None:
    with pytest.raises(UnsupportedCharset):
        read_fields(multipart(part("plan", "a", "Content-Type: text/plain; charset=iso-8859-1")), MULTIPART)


def test_a_transfer_encoding_is_ignored() -> None:
    body = multipart(part("plan", "YQ==", "Content-Transfer-Encoding: base64"))
    assert read_fields(body, MULTIPART).values == {"plan": "YQ=="}


def test_names_may_be_utf8_and_hold_what_quotes_allow() -> None:
    body = multipart(part('pläne; x=\\"1\\"', "a"), part("b\\\\c", "b"), part("filename*=x", "c"))
    assert read_fields(body, MULTIPART).values == {'pläne; x="1"': "a", "b\\c": "b", "filename*=x": "c"}


@pytest.mark.parametrize(
    "parameters",
    [
        '; filename="order.txt"',
        '; filename=""',
        "; filename=",
        ";filename=a",
        "; FileName = a",
        "; filename*=UTF-8''a%20b",
        '; filename="\xff;\\""',
    ],
)
def test_a_part_with_a_file_name_is_a_file(parameters: str) -> None:
    body = multipart(part("plan", b"\xff\x00", "Content-Type: application/octet-stream", parameters=parameters))
    fields = read_fields(body, MULTIPART)
    assert sentence_of(fields) == IS_FILE.format("plan")
    assert fields.values == {"plan": ""}


def test_a_file_inside_config_is_named_in_full() -> None:
    assert multipart_fault(part("config[speed]", "", parameters='; filename=""')) == IS_FILE.format("config[speed]")
