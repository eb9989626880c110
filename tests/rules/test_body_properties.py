"""Whatever is sent as a body: a refusal or clean fields, and the same fields from each format."""

import json
from urllib.parse import quote_plus

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodies import CURL, DOTNET, GUZZLE, JSON, MULTIPART, URLENCODED, multipart, part, texts_in
from novaproxy.errors import Refusal
from novaproxy.http import body_refusals
from novaproxy.http.body import Fields, read_fields

plain = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='[]"\\'), max_size=12)
names = plain.filter(lambda name: name != "config")
contents = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
content_types = st.sampled_from([JSON, URLENCODED, MULTIPART, "multipart/form-data; boundary=-", None])
FORM_FRAGMENTS = (
    b"--XX",
    b"--XX--",
    b"\r\n",
    b"\r",
    b"-",
    b'Content-Disposition: form-data; name="',
    b'"',
    b"; filename=",
)
TYPE_FRAGMENTS = (
    b"Content-Type: text/plain; charset=",
    b"utf-8",
    b";",
    b":",
    b"=",
    b"&",
    b"%00",
    b"%",
    b"[",
    b"]",
    b"\xff",
)
JSON_FRAGMENTS = (b"{", b"}", b'"config":', b'"plan"', b",", b"1e", b"9" * 30, b"\\", b"\\u0000", b"\\ud800", b"\0")
fragments = st.sampled_from(FORM_FRAGMENTS + TYPE_FRAGMENTS + JSON_FRAGMENTS)


def read_or_refusal(body: bytes, content_type: str | None) -> Fields | Refusal:
    try:
        return read_fields(body, content_type)
    except Refusal as refusal:
        return refusal


def check_fields(body: bytes, content_type: str | None) -> None:
    """Whatever is sent, either a refusal is raised, or every text that comes back can be stored and sent."""
    fields = read_or_refusal(body, content_type)
    if isinstance(fields, Refusal):
        assert fields.status in {400, 415}
        assert fields.code
        return
    assert fields.fault is None or fields.fault.status == 422
    for text in texts_in(fields.values):
        assert "\0" not in text
        text.encode()
    if fields.fault is not None:
        assert "\0" not in fields.fault.sentence
        fields.fault.sentence.encode()


@given(st.binary(max_size=400), content_types)
@settings(deadline=None)
def test_arbitrary_bytes_raise_nothing_but_refusals(body: bytes, content_type: str | None) -> None:
    check_fields(body, content_type)


@given(st.lists(fragments, max_size=25), content_types)
@settings(max_examples=400, deadline=None)
def test_bodies_of_telling_fragments_raise_nothing_but_refusals(pieces: list[bytes], content_type: str | None) -> None:
    check_fields(b"".join(pieces), content_type)


@given(st.binary(max_size=60) | st.lists(fragments, max_size=12).map(b"".join), st.text(max_size=40))
@settings(deadline=None)
def test_arbitrary_content_types_raise_nothing_but_refusals(body: bytes, content_type: str) -> None:
    check_fields(body, content_type)
    check_fields(body, "multipart/form-data; boundary=" + content_type)


@given(
    st.sampled_from([CURL, GUZZLE, DOTNET]), st.integers(0, 500), st.integers(0, 20), fragments | st.binary(max_size=3)
)
@settings(max_examples=300, deadline=None)
def test_forms_with_a_broken_place_raise_nothing_but_refusals(
    capture: tuple[str, bytes],
    place: int,
    length: int,
    instead: bytes,
) -> None:
    content_type, body = capture
    check_fields(body[:place] + instead + body[place + length :], content_type)


@given(st.dictionaries(st.text(st.characters(), max_size=6), json_trees, max_size=5))
@settings(max_examples=200, deadline=None)
def test_whatever_python_writes_as_json_raises_nothing_but_refusals(tree: dict[str, object]) -> None:
    check_fields(json.dumps(tree).encode(), JSON)


@pytest.mark.parametrize(
    "unit", [b"[", b"{", b'{"":', b'"', b"\\", b"9", b"\x00", b"\xff", b"--XX\r\n", b"a[", b"%", b"&="]
)
@pytest.mark.parametrize("content_type", [JSON, URLENCODED, MULTIPART])
def test_a_full_body_of_anything_raises_nothing_but_refusals(unit: bytes, content_type: str) -> None:
    full = (unit * 65_536)[:65_536]
    check_fields(full, content_type)
    check_fields(b'{"a":' + full[:-5], content_type)
    check_fields(b'--XX\r\nContent-Disposition: form-data; name="' + full[:-44], content_type)


@given(st.dictionaries(names, contents, max_size=6), st.dictionaries(plain.filter(bool), contents, max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_same_fields_in_three_formats_are_equal(fields: dict[str, str], config: dict[str, str]) -> None:
    tree: dict[str, object] = {**fields, **({"config": config} if config else {})}
    flat = {**fields, **{f"config[{member}]": text for member, text in config.items()}}
    as_json = read_fields(json.dumps(tree).encode(), JSON)
    as_raw_json = read_fields(json.dumps(tree, ensure_ascii=False).encode(), JSON)
    pieces = "&".join(f"{quote_plus(name)}={quote_plus(text)}" for name, text in flat.items())
    as_urlencoded = read_fields(pieces.encode(), URLENCODED)
    boundary = "multipart/form-data; boundary=----formdata-undici-012345678901"
    body = multipart(*(part(name, text) for name, text in flat.items()))
    as_multipart = read_fields(body.replace(b"--XX", b"------formdata-undici-012345678901"), boundary)
    assert as_json == as_raw_json == as_urlencoded == as_multipart
    assert list(as_json.values) == list(as_urlencoded.values) == list(as_multipart.values) == list(tree)
    assert as_json.fault is None


@given(st.dictionaries(names.filter(bool), contents, min_size=1, max_size=6))
@settings(deadline=None)
def test_what_httpx_encodes_comes_back(fields: dict[str, str]) -> None:
    trimmed = {name: text.strip(" \t\r\n") for name, text in fields.items()}
    for request in (
        httpx.Request("POST", "http://shop.test/orders", data=fields),
        httpx.Request("POST", "http://shop.test/orders", json=fields),
        httpx.Request("POST", "http://shop.test/orders", files={name: (None, text) for name, text in fields.items()}),
    ):
        assert read_fields(request.read(), request.headers["content-type"]) == Fields(trimmed, None)


def test_every_refusal_has_a_code_of_its_own() -> None:
    classes = [
        refusal
        for refusal in vars(body_refusals).values()
        if isinstance(refusal, type) and issubclass(refusal, Refusal) and refusal is not Refusal
    ]
    codes = [refusal.code for refusal in classes]
    assert len(set(codes)) == len(classes) == 11
    assert all(code.replace("_", "a").isalnum() and code.islower() for code in codes)
