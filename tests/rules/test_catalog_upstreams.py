"""Upstreams in the catalog file: every fault by name with its place, what an apply tells, and no password anywhere."""

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_files import PLAN, faults, told
from novaproxy.catalog.changes import changes
from novaproxy.catalog.export import exported
from novaproxy.catalog.file import parsed
from novaproxy.catalog.listing import listing
from novaproxy.catalog.model import Catalog, PlanType, Upstream, UpstreamType
from novaproxy.catalog.resource import showcase

SECRET = "Pa55*word:of#mine"
PROXY = "name: a, type: http, host: exit.example.com, port: 8080"


def upstream_faults(rest: str) -> list[str]:
    return faults(PLAN + "upstreams: [{" + rest + "}]\n")


def one(rest: str) -> Upstream:
    return parsed((PLAN + "upstreams: [{" + rest + "}]\n").encode()).upstreams[0]


def test_an_upstream_is_read_as_documented() -> None:
    assert one("name: a, type: direct") == Upstream("a", UpstreamType.DIRECT)
    assert one("name: no, type: direct, source: '2001:DB8::0:1', country: no") == Upstream(
        "no", UpstreamType.DIRECT, source="2001:db8::1", country="no"
    )
    assert one(
        "name: Exit-1.b_2, type: socks5, host: '::1', port: 1080, username: 'u:x', password: \"p'w\", country: us, "
        "state: ny, city: newyork, tags: [fast, fast, isp-1], weight: 7, plans: [r, r]"
    ) == Upstream(
        "Exit-1.b_2",
        UpstreamType.SOCKS5,
        "::1",
        1080,
        "u:x",
        "p'w",
        country="us",
        state="ny",
        city="newyork",
        tags=("fast", "isp-1"),
        weight=7,
        plans=("r",),
    )
    assert one(PROXY + ", username: u, password_env: EXIT_PASSWORD").password_env == "EXIT_PASSWORD"
    assert parsed((PLAN + "upstreams: []").encode()) == parsed(PLAN.encode())


@pytest.mark.parametrize(
    ("rest", "fault"),
    [
        ("name: a", "type: is required"),
        ("type: direct", "name: is required"),
        ("name: a, type: socks4", "type: must be 'direct', 'http' or 'socks5': 'socks4'"),
        ("name: a b, type: direct", "name: must be 1 to 64 letters A-Z and a-z, digits, '.', '_' and '-': 'a b'"),
        ("name: a, type: http, port: 1", "host: is required"),
        ("name: a, type: socks5, host: h", "port: is required"),
        ("name: a, type: http, host: h, port: 0", "port: must be an integer from 1 to 65535"),
        ("name: a, type: http, host: h, port: 65536", "port: must be an integer from 1 to 65535"),
        ("name: a, type: direct, host: h", "host: is for http and socks5; a direct upstream is this machine itself"),
        ("name: a, type: direct, port: 1", "port: is for http and socks5; a direct upstream is this machine itself"),
        (
            "name: a, type: direct, password: p",
            "password: is for http and socks5; a direct upstream is this machine itself",
        ),
        (
            PROXY + ", source: 192.0.2.1",
            "source: is for direct; the system chooses where a connection to a proxy begins",
        ),
        ("name: a, type: direct, source: example.com", "source: must be an address such as 192.0.2.1: 'example.com'"),
        ("name: a, type: direct, source: 0.0.0.0", "source: must be an address of one host: '0.0.0.0'"),
        ("name: a, type: direct, source: fe80::1%1", "source: must be an address of one host: 'fe80::1%1'"),
        (PROXY + ", username: u", "username: needs a password, or password_env, beside it"),
        (PROXY + ", password: p", "password: needs a username beside it"),
        (PROXY + ", password_env: P", "password_env: needs a username beside it"),
        (
            PROXY + ", username: u, password: p, password_env: P",
            "password_env: needs either password or password_env, not both",
        ),
        (PROXY + ", username: 'u:v', password: p", "username: must not have a colon: HTTP ends a username there"),
        (PROXY + ", username: u, password: ä", "password: must be 1 to 255 printable ASCII characters, no space"),
        (PROXY + ", country: US", "country: must be two lower-case letters, such as us: 'US'"),
        (PROXY + ", country: usa", "country: must be two lower-case letters, such as us: 'usa'"),
        (
            PROXY + ", city: New York",
            "city: must be lower-case letters a-z, digits, '+', '.' and \"'\", as customers write it: 'New York'",
        ),
        (PROXY + ", tags: [A]", "tags[0]: must be 1 to 64 lower-case letters a-z, digits, '_' and '-': 'A'"),
        (PROXY + ", tags: fast", "tags: must be a list"),
        (PROXY + ", weight: 0", "weight: must be at least 1"),
        (PROXY + ", weight: 1.5", "weight: must be an integer: '1.5'"),
        (PROXY + ", plans: [x]", "plans[0]: no plan 'x'"),
        (PROXY + ", wieght: 1", "wieght: unknown key; did you mean 'weight'?"),
    ],
)
def test_every_fault_is_told_with_its_place(rest: str, fault: str) -> None:
    assert upstream_faults(rest) == [f"upstreams[0].{fault}"]


def test_two_of_one_name_are_told_with_their_line() -> None:
    text = PLAN + "upstreams:\n  - {name: a, type: direct}\n  - {name: a, type: direct}\n"
    assert told(text) == ["upstreams[1].name: 'a' is given twice (line 4)"]


def test_plans_of_earlier_revisions_may_be_named() -> None:
    text = PLAN + "upstreams: [{name: a, type: direct, plans: [old]}]"
    assert faults(text, known_types={"old": PlanType.BANDWIDTH}) == []


@pytest.mark.parametrize(
    "rest",
    [
        f"host: 'http://u:{SECRET}@h:1', port: 1",
        f"host: h, port: '8080:u:{SECRET}'",
        f"host: h, port: 1, username: 'u {SECRET}', password: p",
        f"host: h, port: 1, username: u, password: '{SECRET} ä'",
        f"host: h, port: 1, username: u, password_env: '{SECRET}'",
        f"host: h, port: 1, username: u, password: ['{SECRET}']",
        f"host: h, port: 1, username: u, password: '{SECRET}', password_env: A",
        f"host: h, port: 1, password: '{SECRET}'",
    ],
)
def test_no_fault_repeats_what_may_be_a_password(rest: str) -> None:
    lines = upstream_faults(f"name: a, type: http, {rest}")
    assert lines
    assert "Pa55" not in "".join(lines)


@pytest.mark.parametrize(
    "written", ["*Pa55", "!Pa55", "&Pa55", "@Pa55", "%Pa55", "`Pa55", "'Pa55", '"Pa55', "Pa55: x", "[Pa55"]
)
def test_a_password_that_lacks_its_quotes_is_not_repeated(written: str) -> None:
    lines = told(PLAN + f"upstreams:\n  - name: a\n    username: u\n    password: {written}\n")
    assert lines
    assert "Pa55" not in "".join(lines)


def test_what_an_apply_tells_of_upstreams_holds_no_password() -> None:
    def shop(*upstreams: Upstream) -> Catalog:
        return Catalog("USD", upstreams=upstreams)

    bare = Upstream("a", UpstreamType.HTTP, "h", 1)
    known = msgspec.structs.replace(bare, username="u", password=SECRET)
    other = msgspec.structs.replace(known, password=f"{SECRET}2")
    by_name = msgspec.structs.replace(known, password=None, password_env="P")
    here = Upstream("here", UpstreamType.DIRECT, source="192.0.2.1", country="us", city="newyork", plans=("r",))
    assert changes(shop(), shop(known, here)) == [
        "+ upstream a: http h:1",
        "+ upstream here: direct 192.0.2.1, us, newyork, plans r",
    ]
    assert changes(shop(bare), shop(known)) == ["~ upstream a: username none -> u", "~ upstream a: password added"]
    assert changes(shop(known), shop(other)) == ["~ upstream a: password changed"]
    assert changes(shop(known), shop(by_name)) == [
        "~ upstream a: password removed",
        "~ upstream a: password_env none -> P",
    ]
    assert changes(shop(known, here), shop(here, known)) == ["~ order of the upstreams"]
    assert changes(shop(here), shop()) == ["- upstream here"]
    heavy = msgspec.structs.replace(bare, weight=3, tags=("x", "y"), plans=(), country="de")
    assert changes(shop(bare), shop(heavy)) == [
        "~ upstream a: country none -> de",
        "~ upstream a: tags none -> x, y",
        "~ upstream a: weight 1 -> 3",
        "~ upstream a: plans all -> none",
    ]
    assert "Pa55" not in repr(shop(known))


def test_a_revision_from_before_upstreams_is_read() -> None:
    document = msgspec.json.decode(msgspec.json.encode(parsed(PLAN.encode())))
    del document["upstreams"]
    assert msgspec.json.decode(msgspec.json.encode(document), type=Catalog, strict=False) == parsed(PLAN.encode())


def test_what_customers_are_shown_does_not_change_with_the_upstreams() -> None:
    without = parsed(PLAN.encode())
    with_one = parsed((PLAN + "upstreams: [{" + PROXY + "}]").encode())
    assert showcase(listing(1, without)).plans_page == showcase(listing(1, with_one)).plans_page


words = st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True) | st.sampled_from(["no", "null", "1e3", "007", "y"])
secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)


@st.composite
def upstreams(draw: st.DrawFn) -> Upstream:
    kind = draw(st.sampled_from(UpstreamType))
    is_direct = kind is UpstreamType.DIRECT
    has_login, is_named = (draw(st.booleans()), draw(st.booleans())) if not is_direct else (False, False)
    return Upstream(
        draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)),
        kind,
        host=None if is_direct else draw(st.sampled_from(["h", "::1", "10.0.0.1", "no"])),
        port=None if is_direct else draw(st.integers(1, 65_535)),
        username=draw(secrets.filter(lambda text: ":" not in text)) if has_login else None,
        password=draw(secrets) if has_login and not is_named else None,
        password_env="P" if has_login and is_named else None,
        source=draw(st.none() | st.just("192.0.2.1") | st.just("2001:db8::1")) if is_direct else None,
        country=draw(st.none() | st.from_regex(r"[a-z]{2}", fullmatch=True)),
        state=draw(st.none() | words),
        city=draw(st.none() | words),
        tags=tuple(draw(st.lists(words, unique=True, max_size=3))),
        weight=draw(st.integers(1, 1_000_000)),
        plans=draw(st.none() | st.just(("r",)) | st.just(())),
    )


@given(st.lists(upstreams(), max_size=4, unique_by=lambda one: one.name))
@settings(max_examples=100)
def test_an_export_of_upstreams_reads_back_as_the_same(drawn: list[Upstream]) -> None:
    catalog = msgspec.structs.replace(parsed(PLAN.encode()), upstreams=tuple(drawn))
    text = exported(catalog)
    again = parsed(text.encode())
    assert again == catalog
    assert exported(again) == text
    by_others = yaml.safe_load(text).get("upstreams", [])
    assert [one.get("password") for one in by_others] == [one.password for one in drawn]
    assert [one["name"] for one in by_others] == [one.name for one in drawn]
