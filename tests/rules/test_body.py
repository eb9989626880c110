"""Request bodies: three formats, one mapping, the same faults in each."""

import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from urllib.parse import quote_plus

import pytest

from bodies import (
    GIVEN_TWICE,
    IS_FILE,
    JSON,
    MULTIPART,
    NAME_NOT_ALLOWED,
    NOT_ALLOWED,
    URLENCODED,
    form_fault,
    form_values,
    json_fault,
    json_values,
    multipart,
    multipart_fault,
    part,
    sentence_of,
    texts_in,
)
from novaproxy.errors import Refusal
from novaproxy.http.body import ClientGone, Fields, read_body, read_fields
from novaproxy.http.body_refusals import BodyTooLarge, UnsupportedCharset, UnsupportedMediaType


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json ; Charset=utf8",
        "application/json; profile=x; charset=utf-8;",
    ],
)
def test_json_is_read_under_every_spelling_of_its_content_type(content_type: str) -> None:
    assert read_fields(b'{"plan":"a"}', content_type).values == {"plan": "a"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/vnd.api+json",
        "application/jsonp",
        "application/json, text/plain",
        "application/json; charset",
        'application/json; charset="utf-8',
        "application/json; charset=utf-8; charset=latin-1",
        "multipart/mixed; boundary=XX",
        "application/x-www-form-urlencoded-x",
        ";",
        "\u20ac/json",
    ],
)
def test_other_content_types_are_refused_and_the_three_are_named(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as refusal:
        read_fields(b'{"plan":"a"}', content_type)
    assert refusal.value.status == 415
    for accepted in ("application/json", "multipart/form-data", "application/x-www-form-urlencoded"):
        assert accepted in refusal.value.sentence


@pytest.mark.parametrize("media_type", [JSON, URLENCODED, MULTIPART])
@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "us-ascii", '""', ""])
def test_other_charsets_are_refused(media_type: str, charset: str) -> None:
    with pytest.raises(UnsupportedCharset) as refusal:
        read_fields(b"{}", f"{media_type}; charset={charset}")
    assert refusal.value.status == 415


@pytest.mark.parametrize("content_type", [None, ""])
def test_no_body_and_no_content_type_are_no_fields(content_type: str | None) -> None:
    assert read_fields(b"", content_type) == Fields({}, None)


def test_an_empty_body_of_an_unknown_type_is_still_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        read_fields(b"", "text/plain")


# Given twice


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"plan":"a","plan":"b"}', "plan"),
        ('{"plan":"a","plan":"a"}', "plan"),
        ('{"plan":null,"plan":"a"}', "plan"),
        ('{"a":1,"b":1,"b":2,"a":2}', "b"),
        ('{"pl\\u0061n":"a","plan":"b"}', "plan"),
        ('{"config":{"speed":1,"speed":2}}', "config[speed]"),
        ('{"config":{"a":{},"a":[]},"plan":1,"plan":2}', "config[a]"),
        ('{"config":{},"config":{"a":1,"a":2}}', "config"),
        ('{"":1,"":2}', ""),
    ],
)
def test_a_repeated_json_member_is_told(body: str, field: str) -> None:
    assert json_fault(body) == GIVEN_TWICE.format(field)


@pytest.mark.parametrize(
    "body",
    [
        '{"plan":{"a":1,"a":2}}',
        '{"config":{"a":{"x":1,"x":2}}}',
        '{"config":[{"a":1,"a":2}]}',
        '{"config":{"plan":1},"plan":1}',
        '{"plan":1,"Plan":2,"plan ":3}',
    ],
)
def test_repeats_deeper_inside_are_none_of_ours(body: str) -> None:
    assert json_fault(body) is None


def test_the_first_of_two_values_is_kept() -> None:
    assert read_fields(b'{"plan":"a","plan":"b","config":{"x":1,"x":2}}', JSON).values == {
        "plan": "a",
        "config": {"x": Decimal(1)},
    }
    assert json_values('{"plan":{"a":1,"a":{"b":2}}}') == {"plan": {"a": Decimal(1)}}
    assert read_fields(b"plan=a&plan=b&config[x]=1&config[x]=2", URLENCODED).values == {
        "plan": "a",
        "config": {"x": "1"},
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("plan=a&plan=b", "plan"),
        ("plan=a&plan=a", "plan"),
        ("plan=&plan=", "plan"),
        ("plan&pl%61n", "plan"),
        ("config[speed]=1&config[speed]=2", "config[speed]"),
        ("config[speed]=1&config%5Bspeed%5D=2", "config[speed]"),
        ("config={}&config[speed]=1", "config"),
        ("config[speed]=1&config={}", "config"),
        ("config[]=1&config=2", "config"),
        ("config[]=1&config[a]=2", "config"),
        ("config[a]=1&config[]=2", "config"),
        ("plan=a&plan[x]=b", "plan"),
        ("config[a]=1&config[a][x]=2", "config[a][x]"),
        ("config[a][x]=1&config[a]=2", "config[a]"),
        ("config[a][x]=1&config[a][]=2", "config[a][]"),
        ("config[speed=1&config[speed=2", "config[speed"),
        ("a[b][c][d][e][f]=1&a[b][c][d][e][f]=2", "a[b][c][d][e][f]"),
    ],
)
def test_a_repeated_form_field_is_told(body: str, field: str) -> None:
    assert form_fault(body) == GIVEN_TWICE.format(field)


@pytest.mark.parametrize(
    "body",
    [
        "config[]=1&config[]=1",
        "config[a][]=1&config[a][]=1",
        "config[][x]=1&config[][x]=1",
        "config[a][x]=1&config[a][y]=1",
        "config[a]=1&a=1",
        "config[a]=1&config[a =1",
        "a[b][c][d][e][f]=1&a[b][c][d][e][g]=1",
    ],
)
def test_fields_side_by_side_are_no_repeat(body: str) -> None:
    assert form_fault(body) is None


def test_a_repeated_multipart_field_is_told() -> None:
    assert multipart_fault(part("plan", "a"), part("plan", "b")) == GIVEN_TWICE.format("plan")
    assert multipart_fault(part("config", "{}"), part("config[a]", "b")) == GIVEN_TWICE.format("config")


def test_a_long_name_is_cut_in_the_sentence() -> None:
    name = "x" * 500
    assert json_fault(f'{{"{name}":1,"{name}":1}}') == GIVEN_TWICE.format("x" * 100)


# Texts


def test_texts_are_trimmed_and_names_are_not() -> None:
    trimmed = {" a ": "x", "config": {"b\t": "y z", "c": ["v", {"d": "w"}]}, "e": ""}
    body = '{" a ":" x\\r\\n","config":{"b\\t":"\\ty z ","c":[" v",{"d":"w "}]},"e":" \\t\\r\\n "}'
    assert json_values(body) == trimmed
    assert form_values("+a+=+x%0D%0A&config[b%09]=%09y+z&e=+") == {" a ": "x", "config": {"b\t": "y z"}, "e": ""}
    assert read_fields(multipart(part(" a ", "\r\n x\t\n")), MULTIPART).values == {" a ": "x"}


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\ufeff", "\x0b", "\x0c", "\x85", "\x1f"])
def test_other_blanks_are_text(blank: str) -> None:
    assert json_values(json.dumps({"a": f"{blank}x{blank}"})) == {"a": f"{blank}x{blank}"}
    assert form_values(f"a={quote_plus(blank)}x{quote_plus(blank)}") == {"a": f"{blank}x{blank}"}


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\uDFFF", "x\\udc00\\ud800y", "\\ud83d \\ude00"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"plan":"%s"}', "plan"),
        ('{"plan":[["%s"]]}', "plan"),
        ('{"plan":{"a":{"b":"%s"}}}', "plan"),
        ('{"config":{"speed":"%s"}}', "config[speed]"),
        ('{"config":{"speed":{"a":["%s"]}}}', "config[speed]"),
        ('{"config":{"a":{"b":1},"speed":"%s"}}', "config[speed]"),
        ('{"config":["%s"]}', "config"),
        ('{"plan":{"a":1},"config":"%s"}', "config"),
        ('{"config":[{"a":"%s"}]}', "config"),
        ('{"plan":{"a":1,"a":"%s"}}', "plan"),
        ('{"%s":1}', None),
        ('{"config":{"%s":1}}', None),
        ('{"plan":[{"a":{"%s":1}}]}', None),
    ],
)
def test_nul_and_lone_surrogates_are_refused_and_never_repeated(escape: str, body: str, field: str | None) -> None:
    fields = read_fields((body % escape).encode(), JSON)
    assert sentence_of(fields) == (NAME_NOT_ALLOWED if field is None else NOT_ALLOWED.format(field))
    assert all(text.isprintable() for text in texts_in(fields.values))


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert json_values('{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("plan=%00", NOT_ALLOWED.format("plan")),
        ("plan[x]=%00", NOT_ALLOWED.format("plan")),
        ("config[speed]=a%00", NOT_ALLOWED.format("config[speed]")),
        ("config[speed][x]=%00", NOT_ALLOWED.format("config[speed]")),
        ("config[]=%00", NOT_ALLOWED.format("config")),
        ("%00=1", NAME_NOT_ALLOWED),
        ("config[%00]=1", NAME_NOT_ALLOWED),
    ],
)
def test_nul_in_a_form_is_refused(body: str, sentence: str) -> None:
    assert form_fault(body) == sentence


def test_nul_in_a_multipart_form_is_refused() -> None:
    assert multipart_fault(part("plan", b"\x00")) == NOT_ALLOWED.format("plan")
    assert multipart_fault(part("a\x00", b"x", parameters="; filename=x")) == NAME_NOT_ALLOWED


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"a":"\\u0000","b":1,"b":1}', NOT_ALLOWED.format("a")),
        ('{"b":1,"b":1,"a":"\\u0000"}', GIVEN_TWICE.format("b")),
        ('{"b":1,"a":"\\u0000","b":1}', NOT_ALLOWED.format("a")),
        ('{"b":1,"b":"\\u0000"}', GIVEN_TWICE.format("b")),
        ('{"config":{"a":1,"a":2,"b":"\\u0000"}}', GIVEN_TWICE.format("config[a]")),
        ('{"config":{"b":"\\u0000","a":1,"a":2}}', NOT_ALLOWED.format("config[b]")),
        ('{"\\u0000":1,"\\u0000":1}', NAME_NOT_ALLOWED),
        ('{"plan":["\\u0000"],"\\u0000":1}', NOT_ALLOWED.format("plan")),
    ],
)
def test_the_first_fault_of_a_json_body_is_told(body: str, sentence: str) -> None:
    assert json_fault(body) == sentence


def test_the_first_fault_of_a_form_is_told() -> None:
    assert form_fault("config[a]=1&plan=%00&config[a]=2") == NOT_ALLOWED.format("plan")
    assert form_fault("config[a]=1&config[a]=2&plan=%00") == GIVEN_TWICE.format("config[a]")
    assert form_fault("plan=1&plan=2&%00=1") == GIVEN_TWICE.format("plan")
    upload = part("plan", "", parameters="; filename=x")
    assert multipart_fault(part("a", b"\x00"), upload) == NOT_ALLOWED.format("a")
    assert multipart_fault(upload, part("a", b"\x00")) == IS_FILE.format("plan")
    assert multipart_fault(part("a", "1"), part("a", "1"), upload) == GIVEN_TWICE.format("a")


# Reading the bytes


def arriving(*messages: Mapping[str, object]) -> Callable[[], Awaitable[Mapping[str, object]]]:
    waiting = iter(messages)

    async def receive() -> Mapping[str, object]:
        # One call more than there are messages fails the test: nothing is read that was not needed.
        return next(waiting)

    return receive


def chunk(body: bytes, *, more: bool = False) -> Mapping[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_put_together_from_its_chunks() -> None:
    receive = arriving(chunk(b"ab", more=True), {"type": "http.request", "more_body": True}, chunk(b"c"))
    assert await read_body(receive, None) == b"abc"


async def test_a_body_may_be_absent() -> None:
    assert await read_body(arriving({"type": "http.request"}), None) == b""


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    receive = arriving(chunk(b"a" * 65_535, more=True), chunk(b"b"))
    assert len(await read_body(receive, 65_536)) == 65_536


async def test_an_announced_length_above_the_limit_is_refused_before_reading() -> None:
    with pytest.raises(BodyTooLarge, match=r"^The body must be at most 65536 bytes\.$") as refusal:
        await read_body(arriving(), 65_537)
    assert (refusal.value.status, refusal.value.code) == (413, "body_too_large")


@pytest.mark.parametrize("content_length", [None, 3])
async def test_chunks_above_the_limit_are_refused_at_once(content_length: int | None) -> None:
    with pytest.raises(BodyTooLarge, match=r"^The body must be at most 3 bytes\.$"):
        await read_body(arriving(chunk(b"ab", more=True), chunk(b"cd", more=True)), content_length, limit=3)


async def test_a_client_that_went_away_is_no_refusal() -> None:
    with pytest.raises(ClientGone):
        await read_body(arriving(chunk(b"ab", more=True), {"type": "http.disconnect"}), 3)
    assert not issubclass(ClientGone, Refusal)
