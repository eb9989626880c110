from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.entrance.targets import host_field, read_authority, target_of
from novaproxy.gateway.model import Target
from novaproxy.gateway.refusals import TargetNotValid


@pytest.mark.parametrize(
    ("host", "spelled"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("_dmarc.Example.com", "_dmarc.example.com"),
        ("-a-.example", "-a-.example"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        # IDNA 2008: an own letter, which IDNA 2003 made two of, and so another domain.
        ("straße.example", "xn--strae-oqa.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1.", "192.0.2.1"),
        ("\uff11\uff19\uff12.0.2.1", "192.0.2.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("1.example", "1.example"),
        (".".join(["a" * 63] * 3 + ["b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
    ],
)
def test_a_host_has_one_spelling(host: str, spelled: str) -> None:
    assert target_of(host, 80) == Target(spelled, 80)


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "..", "a..b", ".a", "a..", "a b", "a\0b", "a/b", "a@b", "a%b", "a:b", "[::1]", "a\tb", "a\\b"),
        *("127.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "192.0.2.01", "1.2.3", "a.1", "1.2.3.0x4"),
        *("256.0.0.1", "1.2.3.4.5", "fe80::1%eth0", "::1%", "::g", "12345::", "0x"),
        *("a" * 64, "a." * 127 + "a", "ü" * 300, "\ud800", "a\u200bb\u200d", "xn--\u00fc", "\u2024", "。"),
    ],
)
def test_what_is_neither_a_name_nor_an_address_is_refused(host: str) -> None:
    with pytest.raises(TargetNotValid):
        target_of(host, 80)


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_a_port_is_from_1_to_65535(port: int) -> None:
    with pytest.raises(TargetNotValid):
        target_of("example.com", port)


@pytest.mark.parametrize(
    ("authority", "target"),
    [
        ("example.com", Target("example.com", 80)),
        ("example.com:", Target("example.com", 80)),
        ("example.com:8080", Target("example.com", 8080)),
        ("example.com:00443", Target("example.com", 443)),
        ("[2001:db8::1]", Target("2001:db8::1", 80)),
        ("[2001:db8::1]:65535", Target("2001:db8::1", 65_535)),
        ("192.0.2.1:1", Target("192.0.2.1", 1)),
    ],
)
def test_an_authority_has_a_host_and_maybe_a_port(authority: str, target: Target) -> None:
    assert read_authority(authority, 80) == target


@pytest.mark.parametrize(
    "authority",
    [
        *("", ":80", "user@example.com", "user:secret@example.com:80", "example.com:0", "example.com:65536"),
        *(
            "example.com:port",
            "example.com:-1",
            "example.com:+1",
            "example.com:\uff18\uff10",
            "example.com:80:80",
            "a:123456",
        ),
        *("2001:db8::1", "::1:80", "[::1", "::1]", "[::1]80", "[]:80", "[example.com]:80", "[192.0.2.1]:80", "[[::1]]"),
        "[fe80::1%25eth0]:80",
    ],
)
def test_an_authority_that_can_be_read_in_two_ways_is_refused(authority: str) -> None:
    with pytest.raises(TargetNotValid):
        read_authority(authority, 80)


@pytest.mark.parametrize("authority", ["example.com", "example.com:", "[::1]"])
def test_a_connect_needs_a_port(authority: str) -> None:
    with pytest.raises(TargetNotValid, match="needs a port"):
        read_authority(authority, None)


@given(st.text(max_size=300), st.integers(1, 65_535))
def test_any_text_is_a_target_in_its_last_spelling_or_a_refusal(host: str, port: int) -> None:
    try:
        target = target_of(host, port)
    except TargetNotValid:
        return
    assert target.host.isascii()
    assert target.host == target.host.lower()
    assert target_of(target.host, port) == target
    assert read_authority(host_field(target, 1), 1) == target


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_every_address_is_a_target_and_goes_round(address: object, port: int) -> None:
    target = target_of(str(address), port)
    assert ip_address(target.host) in {address, getattr(address, "ipv4_mapped", None)}
    assert read_authority(host_field(target, 80), 80) == target
