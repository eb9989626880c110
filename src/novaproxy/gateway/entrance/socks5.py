"""The messages of a SOCKS5 client (RFC 1928, 1929), read from what has arrived.

Each reader returns the message and its length, or None while bytes are missing; it refuses as soon as it can.
"""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from novaproxy.gateway.entrance.parameters import read_login
from novaproxy.gateway.entrance.targets import target_of
from novaproxy.gateway.model import Login, Target
from novaproxy.gateway.refusals import AddressTypeNotValid, CredentialsNotValid, RequestNotValid, TargetNotValid

VERSION = 5
_LOGIN_VERSION = 1
_CONNECT = 1


class Method(IntEnum):
    """How a client may show who it is."""

    NONE = 0x00
    PASSWORD = 0x02


class AddressType(IntEnum):
    """What a target's address is."""

    IPV4 = 0x01
    NAME = 0x03
    IPV6 = 0x04


@dataclass(frozen=True, slots=True)
class Message:
    """A username and a password as they came."""

    username: bytes
    password: bytes


def read_method(arrived: bytearray) -> tuple[Method, int] | None:
    """Return the method to go on with: a password where the client offers one.

    Raises:
        RequestNotValid: it offers neither a password nor nothing.
    """
    if arrived and arrived[0] != VERSION:
        raise RequestNotValid("This is no greeting of SOCKS5.")
    if len(arrived) < 2 or len(arrived) < 2 + arrived[1]:  # noqa: PLR2004 -- version and count
        return None
    length = 2 + arrived[1]
    for method in (Method.PASSWORD, Method.NONE):
        if method in arrived[2:length]:
            return method, length
    raise RequestNotValid("Offer the SOCKS5 method for username and password.")


def read_credentials(arrived: bytearray) -> tuple[Message, int] | None:
    """Return the username and the password (RFC 1929, 2).

    Raises:
        CredentialsNotValid: it is another message.
    """
    if arrived and arrived[0] != _LOGIN_VERSION:
        raise CredentialsNotValid
    if len(arrived) < 2 or len(arrived) < 3 + arrived[1]:  # noqa: PLR2004 -- version and length
        return None
    at = 2 + arrived[1]
    length = at + 1 + arrived[at]
    if len(arrived) < length:
        return None
    return Message(bytes(arrived[2:at]), bytes(arrived[at + 1 : length])), length


def login_of(message: Message) -> Login:
    """Return the credentials of *message*.

    Raises:
        CredentialsNotValid: they can be none.
        ParameterNotValid: a parameter in them is none.
    """
    try:
        return read_login(message.username.decode("ascii"), message.password.decode("ascii"))
    except UnicodeDecodeError:
        raise CredentialsNotValid from None


def read_request(arrived: bytearray) -> tuple[Target, int] | None:
    """Return where a CONNECT goes (RFC 1928, 4).

    Raises:
        RequestNotValid: it is another command, or its target can be none.
    """
    if arrived and arrived[0] != VERSION:
        raise RequestNotValid("This is no request of SOCKS5.")
    if len(arrived) >= 2 and arrived[1] != _CONNECT:  # noqa: PLR2004 -- version and command
        raise RequestNotValid("Of SOCKS5's commands only CONNECT is served.")
    if len(arrived) < 5:  # noqa: PLR2004 -- the shortest with a length in it
        return None
    begin, end = _address_place(arrived)
    if len(arrived) < end + 2:
        return None
    host = _host(arrived[3], bytes(arrived[begin:end]))
    return target_of(host, int.from_bytes(arrived[end : end + 2])), end + 2


def _address_place(arrived: bytearray) -> tuple[int, int]:
    match arrived[3]:
        case AddressType.IPV4:
            return 4, 8
        case AddressType.IPV6:
            return 4, 20
        case AddressType.NAME:
            return 5, 5 + arrived[4]
        case _:
            raise AddressTypeNotValid


def _host(kind: int, address: bytes) -> str:
    if kind == AddressType.IPV4:
        return str(IPv4Address(address))
    if kind == AddressType.IPV6:
        return str(IPv6Address(address))
    try:
        return address.decode()
    except UnicodeDecodeError:
        raise TargetNotValid("The target's name is not UTF-8.") from None
