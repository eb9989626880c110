"""The header by which a load balancer says whose connection it passes on: the PROXY protocol, versions 1 and 2."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from novaproxy.gateway.model import Address
from novaproxy.gateway.refusals import RequestNotValid

MOST_HEADER_BYTES = 4096
_LARGEST_PORT = 65_535

_TEXT = b"PROXY "
_MOST_TEXT_BYTES = 107
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21
_TCP4_BYTES, _TCP6_BYTES = 12, 36

Networks = Sequence[IPv4Network | IPv6Network]


@dataclass(frozen=True, slots=True)
class ClientPlace:
    """Where a client connects from."""

    address: Address
    port: int


class _HeaderNotValid(RequestNotValid):
    """Somebody among the load balancers sends something else than the header that is required of them."""

    def __init__(self) -> None:
        super().__init__("A load balancer's connection must begin with a header of the PROXY protocol.")


def place_of(host: str, port: int) -> ClientPlace:
    """Return the place of a socket's address; an IPv4 address mapped into IPv6 is an IPv4 address.

    Raises:
        ValueError: *host* is no address.
    """
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return ClientPlace(mapped or address, port)


def is_front(place: ClientPlace, fronts: Networks) -> bool:
    """Return whether a connection from *place* must begin with the header."""
    return any(place.address in network for network in fronts)


def read_header(arrived: bytearray) -> tuple[ClientPlace | None, int] | None:
    """Return the client's place and the header's length, None while bytes are missing.

    The place is None where the header speaks of the load balancer's own connection (LOCAL, UNKNOWN) or of a family that
    is none of the Internet.

    Raises:
        RequestNotValid: it is no such header.
    """
    if arrived.startswith(_SIGNATURE[: len(arrived)]):
        return _read_binary(arrived)
    if arrived.startswith(_TEXT[: len(arrived)]):
        return _read_text(arrived)
    raise _HeaderNotValid


def _read_text(arrived: bytearray) -> tuple[ClientPlace | None, int] | None:
    end = arrived.find(b"\r\n", 0, _MOST_TEXT_BYTES)
    if end < 0:
        if len(arrived) >= _MOST_TEXT_BYTES:
            raise _HeaderNotValid
        return None
    return _text_place(bytes(arrived[:end])), end + 2


def _text_place(line: bytes) -> ClientPlace | None:
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise _HeaderNotValid from None
    match words[1:]:
        case ["UNKNOWN", *_]:
            return None
        case ["TCP4" | "TCP6" as family, source, target, *ports] if len(ports) == 2:  # noqa: PLR2004 -- from and to
            kind = IPv4Address if family == "TCP4" else IPv6Address
            if not all(map(_is_port, ports)):
                raise _HeaderNotValid
            try:
                kind(target)
                return place_of(str(kind(source)), int(ports[0]))
            except ValueError:
                raise _HeaderNotValid from None
        case _:
            raise _HeaderNotValid


def _is_port(word: str) -> bool:
    return bool(_PORT.fullmatch(word)) and int(word) <= _LARGEST_PORT


def _read_binary(arrived: bytearray) -> tuple[ClientPlace | None, int] | None:
    if len(arrived) < _FIXED_BYTES:
        return None
    command, family = arrived[12], arrived[13]
    length = _FIXED_BYTES + int.from_bytes(arrived[14:16])
    if command not in {_LOCAL, _PROXY} or length > MOST_HEADER_BYTES:
        raise _HeaderNotValid
    if len(arrived) < length:
        return None
    return _binary_place(command, family, bytes(arrived[_FIXED_BYTES:length])), length


def _binary_place(command: int, family: int, block: bytes) -> ClientPlace | None:
    """Return the place at the beginning of *block*: source, target, both ports, and what may follow (2.2)."""
    if command == _LOCAL:
        return None
    match family:
        case 0x11 if len(block) >= _TCP4_BYTES:
            return ClientPlace(IPv4Address(block[:4]), int.from_bytes(block[8:10]))
        case 0x21 if len(block) >= _TCP6_BYTES:
            return place_of(str(IPv6Address(block[:16])), int.from_bytes(block[32:34]))
        case 0x11 | 0x21:
            raise _HeaderNotValid
        case _:
            return None
