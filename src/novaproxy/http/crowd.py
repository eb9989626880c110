"""How many connections a worker keeps, and which one goes when another comes."""

import resource
from typing import Protocol

MOST_CONNECTIONS = 10_000
_OTHER_DESCRIPTORS = 100
"""Of the database, the log, the figures and the program itself."""


class Guest(Protocol):
    """A connection, as the crowd knows it."""

    def make_room(self) -> None:
        """Go at once."""


class Crowd:
    """The connections of a worker; those that wait for a client to finish its request go first, the longest idle one.

    A client may wait as long as there is room. One that is being answered never goes for another.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most or min(MOST_CONNECTIONS, max(1, _descriptors() - _OTHER_DESCRIPTORS))
        self._count = 0
        self._idle: dict[Guest, None] = {}

    def enter(self, guest: Guest) -> bool:
        """Count *guest*, which is idle; where all places are taken another idle one goes, False: there is none."""
        self._count += 1
        has_room = self._count <= self.most
        if not has_room and self._idle:
            longest_idle = next(iter(self._idle))
            del self._idle[longest_idle]
            longest_idle.make_room()
            has_room = True
        self._idle[guest] = None
        return has_room

    def leave(self, guest: Guest) -> None:
        """Count *guest* no more."""
        self._count -= 1
        self._idle.pop(guest, None)

    def rest(self, guest: Guest) -> None:
        """Note that *guest* has its answer."""
        self._idle[guest] = None

    def work(self, guest: Guest) -> None:
        """Note that *guest* has sent a whole request."""
        self._idle.pop(guest, None)


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS * 2 if soft in {resource.RLIM_INFINITY, -1} else soft
