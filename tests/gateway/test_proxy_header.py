from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.gateway.entrance.proxy_header import ClientPlace, is_front, place_of, read_header
from novaproxy.gateway.refusals import RequestNotValid

SIGNATURE = bytes.fromhex("0D0A0D0A000D0A515549540A")
V4 = ClientPlace(IPv4Address("203.0.113.7"), 51_000)
V6 = ClientPlace(IPv6Address("2001:db8::7"), 51_000)
PORTS = (51_000).to_bytes(2) + (8001).to_bytes(2)
BLOCK_4 = bytes([203, 0, 113, 7, 192, 0, 2, 1]) + PORTS
BLOCK_6 = IPv6Address("2001:db8::7").packed + IPv6Address("2001:db8::1").packed + PORTS
BLOCK_MAPPED = IPv6Address("::ffff:203.0.113.7").packed + IPv6Address("::ffff:192.0.2.1").packed + PORTS


def binary(command: int, family: int, block: bytes = b"") -> bytes:
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2) + block


SOUND = [
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 8001\r\n", V4),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 8001\r\n", V6),
    (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 51000 8001\r\n", V4),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", None),
    (binary(0x21, 0x11, BLOCK_4), V4),
    (binary(0x21, 0x21, BLOCK_6), V6),
    (binary(0x21, 0x21, BLOCK_MAPPED), V4),
    (binary(0x21, 0x11, BLOCK_4 + b"\x03\x00\x04abcd" + b"\x20" * 500), V4),
    (binary(0x20, 0x00), None),
    (binary(0x20, 0x11, BLOCK_4), None),
    (binary(0x21, 0x00), None),
    (binary(0x21, 0x31, bytes(216)), None),
]


@pytest.mark.parametrize(("header", "place"), SOUND)
def test_a_header_says_where_the_client_is_and_takes_its_own_bytes_alone(
    header: bytes, place: ClientPlace | None
) -> None:
    assert read_header(bytearray(header + b"CONNECT ")) == (place, len(header))
    for length in range(len(header)):
        assert read_header(bytearray(header[:length])) is None, length


@pytest.mark.parametrize(
    "arrived",
    [
        *(b"CONNECT example.com:443", b"\x05\x01\x00", b"PROXX", b"\r\n\r\n\r", b"proxy TCP4"),
        *(b"PROXY \r\n", b"PROXY TCP4\r\n", b"PROXY UDP4 203.0.113.7 192.0.2.1 1 1\r\n"),
        *(b"PROXY TCP4 203.0.113.7 192.0.2.1 1\r\n", b"PROXY TCP4 203.0.113.7 192.0.2.1 1 1 1\r\n"),
        *(b"PROXY TCP4 2001:db8::7 2001:db8::1 1 1\r\n", b"PROXY TCP6 203.0.113.7 192.0.2.1 1 1\r\n"),
        *(b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 1\r\n", b"PROXY TCP4 203.0.113.7 192.0.2.1 01 1\r\n"),
        *(b"PROXY TCP4 203.0.113.7 192.0.2.1 -1 1\r\n", b"PROXY TCP4  203.0.113.7 192.0.2.1 1 1\r\n"),
        *(b"PROXY TCP4 203.0.113.7 mallory 1 1\r\n", b"PROXY TCP4 \xff 192.0.2.1 1 1\r\n"),
        *(b"PROXY UNKNOWN " + b"x" * 100, b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n"),
        *(binary(0x22, 0x11, BLOCK_4), binary(0x11, 0x11, BLOCK_4), binary(0x21, 0x11, BLOCK_4[:-1])),
        *(binary(0x21, 0x21, BLOCK_4), SIGNATURE + b"\x21\x11\xff\xff"),
    ],
)
def test_what_is_no_header_is_refused(arrived: bytes) -> None:
    with pytest.raises(RequestNotValid):
        read_header(bytearray(arrived))


@given(st.sampled_from([header for header, _ in SOUND]), st.data())
def test_a_broken_header_is_read_refused_or_waited_for(header: bytes, data: st.DataObject) -> None:
    broken = bytearray(header)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_header(broken)
    except RequestNotValid:
        return
    assert found is None or 0 < found[1] <= len(broken)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("2001:db8::5", True), ("2001:db9::", False)],
)
def test_a_load_balancer_is_known_by_its_network(host: str, *, is_one: bool) -> None:
    assert is_front(place_of(host, 1), (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))) is is_one
