"""Hosts and ports as clients write them, made into targets that have one spelling each."""

import re
from ipaddress import IPv6Address, ip_address

import idna

from novaproxy.gateway.model import Target
from novaproxy.gateway.refusals import TargetNotValid

LARGEST_PORT = 65_535
MOST_NAME_LETTERS = 253

# Underscores and hyphens at the ends occur in names that resolve (RFC 2181, 11), whatever RFC 1123 wants of hosts.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# The system's resolver takes 127.1, 0x7f000001 and 2130706433 for addresses; here they are neither names nor addresses.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


def read_authority(authority: str, usual_port: int | None) -> Target:
    """Return the target of ``host:port`` (RFC 3986, 3.2), brackets around IPv6; *usual_port* where no port stands.

    Raises:
        TargetNotValid: it holds a user, or has no host or port that can be.
    """
    if "@" in authority:
        raise TargetNotValid("The target must not hold a username.")
    host, port = _split(authority)
    if not port and usual_port is None:
        raise TargetNotValid("The target needs a port.")
    if port and not _PORT.fullmatch(port):
        raise TargetNotValid("The target's port must be a number.")
    if ":" in host and not authority.startswith("["):
        raise TargetNotValid("An IPv6 address needs brackets before its port.")
    return target_of(host, int(port) if port else usual_port or 0)


def target_of(host: str, port: int) -> Target:
    """Return the target of a name or a literal address without brackets, as names in lower-case ASCII (IDNA 2008).

    Raises:
        TargetNotValid: it is neither, or the port is 0 or beyond 65,535.
    """
    if not 1 <= port <= LARGEST_PORT:
        raise TargetNotValid(f"The target's port must be from 1 to {LARGEST_PORT}.")
    name = _ascii(host).lower().removesuffix(".")
    return Target(_literal(name) or _name(name), port)


def host_field(target: Target, usual_port: int) -> str:
    """Return what the field Host says of *target* (RFC 9110, 7.2); *usual_port* is left out."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == usual_port else f"{host}:{target.port}"


def _split(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or ":" not in host or (tail and not tail.startswith(":")):
            raise TargetNotValid("The brackets of the target's IPv6 address are not closed, or hold something else.")
        return host, tail[1:]
    host, _, port = authority.rpartition(":") if ":" in authority else (authority, "", "")
    return host, port


def _ascii(host: str) -> str:
    # Bounded before it is encoded: the work grows faster than the name.
    if len(host) > MOST_NAME_LETTERS + 1:
        raise TargetNotValid("The target's name is too long.")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True, transitional=False).decode("ascii")
    except UnicodeError:
        raise TargetNotValid("The target's name is no international domain name.") from None


def _literal(host: str) -> str | None:
    """Return *host* in the usual spelling of its address, None where it is none; ::ffff:1.2.3.4 is an IPv4 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise TargetNotValid("The target's address must not name an interface.")
        return str(address.ipv4_mapped or address)
    return str(address)


def _name(name: str) -> str:
    labels = name.split(".")
    if len(name) > MOST_NAME_LETTERS or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        raise TargetNotValid("The target's host is neither a name nor an address.")
    return name
