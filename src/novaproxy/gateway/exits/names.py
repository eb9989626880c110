"""Names looked up, aside from the event loop and within bounds.

The system's resolver blocks, for long where a name's servers are away. Each question has a thread of its own, and the
bounds count until that thread ends, so that one customer's slow names stop neither the others nor the machine.
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from novaproxy.gateway.exits.guard import unmapped
from novaproxy.gateway.model import Address

MOST_AT_ONCE: Final = 48
"""Questions of all orders at once; the gateway's own, for the upstreams, have no bound but their number."""

MOST_OF_ONE: Final = 12
"""Questions of one order at once."""

GATEWAY: Final = 0
"""Who asks for the gateway itself; no order has this id."""

KEPT_SECONDS: Final = 15.0
NOTHING_KEPT_SECONDS: Final = 3.0
MOST_KEPT: Final = 4_096

Addresses = tuple[Address, ...]
LookUp = Callable[[str], Addresses]
"""Blocks; returns the addresses of a name, none where it has none. Raises OSError where nobody could tell."""

_NO_ADDRESS: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)


def system_look_up(name: str) -> Addresses:
    """Return the addresses that the system knows of *name*, those to be tried first in front."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_ADDRESS:
            return ()
        raise
    return tuple(dict.fromkeys(unmapped(ip_address(where[0])) for _, _, _, _, where in found))


class Names:
    """Looks names up by *look_up*, and keeps what it heard for some seconds. Used by one event loop alone."""

    def __init__(self, look_up: LookUp = system_look_up, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._clock = clock
        self._kept: dict[str, tuple[float, Addresses]] = {}
        self._under_way: dict[str, asyncio.Future[Addresses]] = {}
        self._of_one: Counter[int] = Counter()
        self._freed: asyncio.Future[None] | None = None

    async def addresses(self, name: str, asker: int) -> Addresses:
        """Return the addresses of *name*, none where it has none or nobody could tell; *asker* is whose question it is.

        It takes as long as it takes: the caller has a limit of his own.
        """
        while True:
            until, kept = self._kept.get(name, (0.0, ()))
            if until > self._clock():
                return kept
            answer = self._under_way.get(name)
            if answer is None and self._has_room(asker):
                answer = self._ask(name, asker)
            if answer is not None:
                return await asyncio.shield(answer)
            if self._freed is None:
                self._freed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._freed)

    def _has_room(self, asker: int) -> bool:
        if asker == GATEWAY:
            return True
        of_orders = self._of_one.total() - self._of_one[GATEWAY]
        return of_orders < MOST_AT_ONCE and self._of_one[asker] < MOST_OF_ONE

    def _ask(self, name: str, asker: int) -> asyncio.Future[Addresses]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Addresses] = loop.create_future()
        self._under_way[name] = answer
        self._of_one[asker] += 1

        def asked() -> None:
            found: Addresses | None
            try:
                found = self._look_up(name)
            except (OSError, UnicodeError):
                found = None
            # The loop may have ended meanwhile: then nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._answered, name, asker, found)

        # A daemon: the process does not wait at its end for a server that never answers.
        try:
            threading.Thread(target=asked, name="look-up", daemon=True).start()
        except RuntimeError:
            # The machine has no thread left.
            self._answered(name, asker, None)
        return answer

    def _answered(self, name: str, asker: int, found: Addresses | None) -> None:
        self._of_one[asker] -= 1
        if not self._of_one[asker]:
            del self._of_one[asker]
        if found is not None:
            self._keep(name, found)
        answer = self._under_way.pop(name)
        if not answer.done():
            answer.set_result(found or ())
        freed, self._freed = self._freed, None
        if freed is not None and not freed.done():
            freed.set_result(None)

    def _keep(self, name: str, found: Addresses) -> None:
        self._kept.pop(name, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = (self._clock() + (KEPT_SECONDS if found else NOTHING_KEPT_SECONDS), found)
