"""What customers may not reach, whatever way it is written in."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.exits.guard import Guard, is_inner_name, is_own, is_public, read_host, unmapped
from novaproxy.gateway.model import Address

LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7F000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0x0.0.1",
    "127.0.0.1.",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "2002:7f00:1::",
    "2001:0:7f00:1::80ff:fffe",
]
METADATA = [
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "168.63.129.16",
    "100.100.100.200",
]
INNER = [
    "10.0.0.1",
    "10.1",
    "012.0.0.1",
    "167772161",
    "0xa000001",
    "::ffff:10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.168.257",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 -- nobody listens there
    "0",
    "00",
    "0x0",
    "::",
    "255.255.255.255",
    "224.0.0.251",
    "240.0.0.1",
    "198.18.0.1",
    "192.0.0.8",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "5f00::1",
]


def guard(*allowed: tuple[str, int], own: tuple[str, ...] = ()) -> Guard:
    return Guard(allowed, lambda address: str(address) in own)


@pytest.mark.parametrize("host", LOOPBACK + METADATA + INNER)
def test_no_way_of_writing_an_inner_address_gets_through(host: str) -> None:
    address = read_host(host)
    assert not isinstance(address, str), "it must not be taken for a name, which a resolver would read as an address"
    assert address is not None
    assert not guard().permits(address, 443)


@pytest.mark.parametrize(
    "host", ["256.0.0.1", "1.2.3.4.5", "08.0.0.1", "127.0.0.08", "0x", "0xfffffffff", "4294967296", "1..2", "fe80::1%1"]
)
def test_what_looks_like_an_address_and_is_none_is_no_name_either(host: str) -> None:
    assert read_host(host) is None


@pytest.mark.parametrize("host", ["", ".", "a b", "a\r\nb", "a@b", "a/b", "ä.example", "a" * 64, "a." * 127 + "a"])
def test_what_cannot_stand_in_a_request_is_no_name(host: str) -> None:
    assert read_host(host) is None


@pytest.mark.parametrize(
    "host", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "[2606:4700::1111]"]
)
def test_public_addresses_are_open(host: str) -> None:
    address = read_host(host)
    assert isinstance(address, IPv4Address | IPv6Address)
    assert guard().permits(address, 443)


def test_names_are_read_in_lower_case_without_their_final_dot() -> None:
    assert read_host("WWW.Example.COM.") == "www.example.com"
    assert read_host("xn--bcher-kva.example") == "xn--bcher-kva.example"
    # Both occur in names that resolve.
    assert read_host("_acme.example") == "_acme.example"
    assert read_host("a-.example") == "a-.example"


addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
closed = st.one_of(
    *(
        st.ip_addresses(network=network)
        for network in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")
    )
)


@given(addresses | closed, st.integers(1, 65_535))
def test_nothing_that_is_not_global_gets_through(address: Address, port: int) -> None:
    # A mapped IPv4 address is dialled as what it is.
    address = unmapped(address)
    # NAT64 leads to the IPv4 address that it holds.
    if address in ip_network("64:ff9b::/96"):
        address = IPv4Address(address.packed[-4:])
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        assert not guard().permits(address, port)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_no_way_around(address: IPv4Address) -> None:
    number = int(address)
    for holder in ("::ffff:0:0", "::", "64:ff9b::"):
        holding = ip_address(int(ip_address(holder)) + number)
        assert is_public(address) or not guard().permits(holding, 443)
    assert not is_public(ip_address(int(ip_address("2002::")) + (number << 80)))
    assert not is_public(ip_address(int(ip_address("2001::")) + (number ^ 0xFFFFFFFF)))


@given(st.ip_addresses(v=4), st.sampled_from(["{:d}", "0x{:x}", "0{:o}"]))
def test_every_spelling_is_the_same_address(address: IPv4Address, form: str) -> None:
    number = int(address)
    a, b, c, d = address.packed
    write = form.format
    texts = [write(number), f"{write(a)}.{write(number & 0xFFFFFF)}", f"{write(a)}.{write(b)}.{write(number & 0xFFFF)}"]
    texts.append(".".join(write(part) for part in (a, b, c, d)))
    assert {read_host(text) for text in texts} == {address}


def test_the_exceptions_are_exact() -> None:
    some = guard(("127.0.0.1", 8000), ("fd00::1", 25))
    assert some.permits(ip_address("127.0.0.1"), 8000)
    assert some.permits(ip_address("::ffff:127.0.0.1"), 8000)
    assert some.permits(ip_address("fd00::1"), 25)
    assert not some.permits(ip_address("127.0.0.1"), 8001)
    assert not some.permits(ip_address("127.0.0.2"), 8000)
    assert not some.permits(ip_address("fd00::1"), 26)


def test_mail_between_servers_is_closed() -> None:
    assert not guard().permits(ip_address("93.184.215.14"), 25)
    assert guard().permits(ip_address("93.184.215.14"), 587)


def test_the_gateway_itself_is_closed_under_its_public_address() -> None:
    assert not guard(own=("93.184.215.14",)).permits(ip_address("93.184.215.14"), 443)
    assert not guard(own=("93.184.215.14",)).permits(ip_address("::ffff:93.184.215.14"), 443)


def test_this_machine_knows_its_own_addresses() -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("93.184.215.14"))


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "router", "nas.local", "metadata.google.internal"])
def test_names_of_inner_networks_are_asked_of_nobody_else(name: str) -> None:
    assert is_inner_name(name)
    assert not is_inner_name("example.com")


def test_the_closed_networks_are_closed_to_their_last_address() -> None:
    for network in map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")):
        assert not is_public(network[0])
        assert not is_public(network[-1])
