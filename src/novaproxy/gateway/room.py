"""How many connections a process has room for, and which of those that have not said who they are goes when it is full.

Whoever can open a connection can leave it open and say nothing. So strangers have a room of their own, which their
flood fills without taking a tunnel from anybody, and in which no address keeps the others out. Pure: no socket, no
clock.
"""

from collections.abc import Hashable
from ipaddress import IPv6Address
from typing import Final, Generic, NamedTuple, TypeVar

from novaproxy.gateway.model import Address

MOST_STRANGERS: Final = 4_096
"""How many connections may be on their way to say who they are, or to hear why they may not."""

OWN_DESCRIPTORS: Final = 640
"""What a process opens for itself: 128 pipes of two ends, 128 look-ups, checks, the database, sockets that are left."""

DESCRIPTORS_A_TUNNEL: Final = 2
_PART_OF_STRANGERS = 5
_SHARES: Final = 16
_SITE_BITS: Final = 64

Stranger = TypeVar("Stranger", bound=Hashable)
Host = Address | int
"""An IPv4 address, or the first 64 bits of an IPv6 one: whoever has one of these has all behind it."""


class Room(NamedTuple):
    """How many there may be at once in a process."""

    strangers: int
    tunnels: int


def room_of(descriptors: int) -> Room:
    """Return what a process with so many *descriptors* has room for: all of it can be full at once."""
    strangers = max(1, min(MOST_STRANGERS, descriptors // _PART_OF_STRANGERS))
    own = min(OWN_DESCRIPTORS, descriptors // 4)
    return Room(strangers, max(1, (descriptors - own - strangers) // DESCRIPTORS_A_TUNNEL))


def has_place(of_account: int, tunnels: int, most: int) -> bool:
    """Return whether an account with so many of the *tunnels* that are open, of *most*, gets one more.

    None gets more than twice what is left free: one alone has two thirds at most, and however many accounts take all
    that they can, somebody else finds a place.
    """
    return of_account < 2 * (most - tunnels)


def host_of(address: Address) -> Host:
    """Return whom *address* counts for."""
    return int(address) >> _SITE_BITS if isinstance(address, IPv6Address) else address


class Strangers(Generic[Stranger]):
    """Those who have not said who they are, by the hosts that they come from.

    Where *most* are there and one more comes, the longest waiting one goes: of the host with the most, where that has
    more than a sixteenth of all, else of all. So a flood from some hosts takes nothing from others, and one from
    everywhere leaves each newcomer the time in which it fills the room anew.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(1, most // _SHARES)
        self._hosts: dict[Stranger, Host] = {}
        self._of: dict[Host, dict[Stranger, None]] = {}
        # By how many they have; the largest is known without a search, since all change by one.
        self._by_size: dict[int, dict[Host, None]] = {}
        self._largest = 0

    def __len__(self) -> int:
        return len(self._hosts)

    def __contains__(self, stranger: Stranger) -> bool:
        return stranger in self._hosts

    def enter(self, stranger: Stranger, host: Host) -> Stranger | None:
        """Let *stranger* in, and return who goes for it, None where there is room."""
        gone = self._next_to_go() if len(self._hosts) >= self._most else None
        if gone is not None:
            self.leave(gone)
        self._hosts[stranger] = host
        self._add(stranger, host)
        return gone

    def move(self, stranger: Stranger, host: Host) -> None:
        """Count *stranger* for *host* from now on, as a load balancer has told; one who has left stays out."""
        if stranger in self._hosts:
            self._remove(stranger, self._hosts[stranger])
            self._hosts[stranger] = host
            self._add(stranger, host)

    def leave(self, stranger: Stranger) -> None:
        """Let *stranger* out; nothing happens where it has left."""
        host = self._hosts.pop(stranger, None)
        if host is not None:
            self._remove(stranger, host)

    def _next_to_go(self) -> Stranger:
        if self._largest > self._share:
            return next(iter(self._of[next(iter(self._by_size[self._largest]))]))
        return next(iter(self._hosts))

    def _add(self, stranger: Stranger, host: Host) -> None:
        crowd = self._of.setdefault(host, {})
        crowd[stranger] = None
        self._resize(host, len(crowd) - 1, len(crowd))

    def _remove(self, stranger: Stranger, host: Host) -> None:
        crowd = self._of[host]
        del crowd[stranger]
        if not crowd:
            del self._of[host]
        self._resize(host, len(crowd) + 1, len(crowd))

    def _resize(self, host: Host, before: int, now: int) -> None:
        if before:
            hosts = self._by_size[before]
            del hosts[host]
            if not hosts:
                del self._by_size[before]
        if now:
            self._by_size.setdefault(now, {})[host] = None
        if now > self._largest or self._largest not in self._by_size:
            self._largest = now
