"""Which addresses a customer may reach: a proxy is else a door into the operator's own network.

The address that is judged is the one that is dialled, after its name was looked up, whatever way it was written in.
"""

import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from novaproxy.gateway.model import Address

CLOSED_PORTS: Final = frozenset((25,))
"""Mail between servers: whoever lets it through is soon on every list of spammers."""

_CLOSED_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's own, though it looks public: it gives machines their secrets
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_OPEN_IPV6: Final = IPv6Network("2000::/3")
_CLOSED_IPV6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo and others: they may hold an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4: holds an IPv4 address
        "3ffe::/16",
        "3fff::/20",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")

_NUMBER: Final = re.compile(r"0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*")
_LIKE_A_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAME: Final = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_INNER_DOMAINS: Final = ("localhost", "local", "internal", "intranet", "lan", "home.arpa")
_MOST_PARTS: Final = 4
_DISCARD_PORT: Final = 9


class Guard:
    """Judges addresses.

    Args:
        allowed: addresses and ports that are open whatever else is said here.
        is_own: tells whether an address is this machine's.
    """

    def __init__(self, allowed: Iterable[tuple[str, int]], is_own: Callable[[Address], bool]) -> None:
        self._allowed = frozenset((unmapped(ip_address(host)), port) for host, port in allowed)
        self._is_own = is_own

    def permits(self, address: Address, port: int) -> bool:
        """Return whether *port* of *address* may be dialled for a customer."""
        address = unmapped(address)
        if (address, port) in self._allowed:
            return True
        return port not in CLOSED_PORTS and is_public(address) and not self._is_own(address)


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that *address* is mapped from, else itself: both are dialled alike."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def is_public(address: Address) -> bool:
    """Return whether *address* is one host's on the open internet, and no way of writing another that is none."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _CLOSED_IPV4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    return address in _OPEN_IPV6 and address.is_global and not any(address in network for network in _CLOSED_IPV6)


def read_host(host: str) -> Address | str | None:
    """Return the address that *host* is, or the name that it is, in lower case; None: it is neither.

    Systems take more texts for an IPv4 address than four decimals: ``127.1``, ``0x7f000001``, ``2130706433`` and
    ``0177.0.0.1`` are all 127.0.0.1, and are read as that here. What ends in a number and is no address is no name.
    """
    text = host.lower().removesuffix(".")
    if ":" in text or text.startswith("["):
        return _ipv6(text.removeprefix("[").removesuffix("]"))
    if _LIKE_A_NUMBER.fullmatch(text.rpartition(".")[2]):
        return _ipv4(text)
    return text if _NAME.fullmatch(text) else None


def _ipv6(text: str) -> Address | None:
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    return unmapped(address) if address.scope_id is None else None


def _ipv4(text: str) -> IPv4Address | None:
    """Return the address of *text* as inet_aton reads it: one to four parts, the last fills what is left."""
    parts = text.split(".")
    if len(parts) > _MOST_PARTS or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *heads, last = [_number(part) for part in parts]
    if any(head > 0xFF for head in heads) or last >= 1 << 8 * (_MOST_PARTS - len(heads)):  # noqa: PLR2004 -- a byte
        return None
    value = last
    for place, head in enumerate(heads):
        value |= head << 8 * (_MOST_PARTS - 1 - place)
    return IPv4Address(value)


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part, 16)
    return int(part, 8 if part.startswith("0") else 10)


def is_inner_name(name: str) -> bool:
    """Return whether *name* means something only inside some network: nobody else is asked what it means there."""
    return "." not in name or any(name == domain or name.endswith(f".{domain}") for domain in _INNER_DOMAINS)


def is_own(address: Address) -> bool:
    """Return whether *address* is this machine's: then the way to it begins at it. Nothing is sent."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((str(address), _DISCARD_PORT))
            return bool(asking.getsockname()[0] == str(address))
        except OSError:
            # There is no way to it at all.
            return False
