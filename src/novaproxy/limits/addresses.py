"""Whose address counts: the peer's, or the one that a trusted proxy names."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address

FORWARDED_FOR = b"x-forwarded-for"
_KNOWN_TEXTS = 4_096
_LONGEST_HOP = 64


class Addresses:
    """Finds the address that a request counts for; *trusted* are the networks of proxies that tell the truth."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(one) for one in trusted)
        self._read = lru_cache(_KNOWN_TEXTS)(_read)

    def key(self, scope: Scope) -> bytes:
        """Return what *scope*'s address is counted under: an IPv4 address, or the /64 of an IPv6 one.

        The rightmost hop that is no trusted proxy is it; what stands left of it anybody may have written.
        """
        peer = self._read(scope["client"][0]) if scope["client"] else None
        if peer is None:
            return b""
        if self._trusted and self._is_trusted(peer):
            peer = self._forwarded(peer, scope["headers"])
        return _counted(peer)

    def is_behind_unnamed_proxy(self, scope: Scope) -> bool:
        """Return whether a peer nearby forwards for others and is not trusted, which nobody may have meant."""
        if not any(name == FORWARDED_FOR for name, _ in scope["headers"]):
            return False
        peer = self._read(scope["client"][0]) if scope["client"] else None
        return peer is not None and peer.is_private and not self._is_trusted(peer)

    def _forwarded(self, peer: Address, headers: Iterable[tuple[bytes, bytes]]) -> Address:
        hops = b",".join(value for name, value in headers if name == FORWARDED_FOR).split(b",")
        for hop in reversed(hops):
            text = hop.strip(b" \t")
            address = self._read(text.decode("latin-1")) if len(text) <= _LONGEST_HOP else None
            if address is None:
                return peer
            peer = address
            if not self._is_trusted(peer):
                return peer
        return peer

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def _read(text: str) -> Address | None:
    """Return the address that *text* is, with a port or without; None where it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _counted(address: Address) -> bytes:
    # Whoever has one IPv6 address has the 2**64 of its network.
    return address.packed[:8] if isinstance(address, IPv6Address) else address.packed
