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

MOST_AT_ONCE: Final = 128
"""Questions of all orders at once; the gateway's own, for the upstreams, have no bound but their number."""

MOST_OF_ONE: Final = 12
"""Questions of one order at once, as long as there is much room."""

_PART_OF_ROOM: Final = 8
"""No order has more than so small a part of the room that is left: or a handful, with slow names, would have all."""

GATEWAY: Final = 0
"""Who asks for the gateway itself; no order has this id."""

_CALLED_AT_ONCE: Final = 2

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
        self._waiting: dict[int, dict[asyncio.Future[None], None]] = {}

    async def addresses(self, name: str, asker: int) -> Addresses:
        """Return the addresses of *name*, none where it has none or nobody could tell; *asker* is whose question it is.

        It takes as long as it takes: the caller has a limit of his own.
        """
        is_called = False
        while True:
            until, kept = self._kept.get(name, (0.0, ()))
            is_known = until > self._clock()
            answer = None if is_known else self._under_way.get(name)
            if is_called and (is_known or answer is not None):
                # The place that was free still is.
                self._call_next()
            if is_known:
                return kept
            if answer is None and self._has_room(asker):
                answer = self._ask(name, asker)
            if answer is not None:
                return await asyncio.shield(answer)
            await self._turn(asker)
            is_called = True

    async def _turn(self, asker: int) -> None:
        """Wait behind the others of *asker* until a place may be free."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asker, {})[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._let_go(asker, turn)
            else:
                self._call_next()
            raise

    def _let_go(self, asker: int, turn: "asyncio.Future[None]") -> None:
        turns = self._waiting[asker]
        del turns[turn]
        if not turns:
            del self._waiting[asker]

    def _call_next(self) -> None:
        """Call those whose turn it is, each asker's in turn: not all, who would each look in vain.

        Two for one place that came free: so that there are as many questions again where there were few.
        """
        called = 0
        for asker in list(self._waiting):
            if called < _CALLED_AT_ONCE and self._has_room(asker):
                turns = self._waiting.pop(asker)
                turn = next(iter(turns))
                del turns[turn]
                if turns:
                    self._waiting[asker] = turns
                turn.set_result(None)
                called += 1

    def _has_room(self, asker: int) -> bool:
        if asker == GATEWAY:
            return True
        left = MOST_AT_ONCE - (self._of_one.total() - self._of_one[GATEWAY])
        return left > 0 and self._of_one[asker] < min(MOST_OF_ONE, max(1, left // _PART_OF_ROOM))

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
        self._call_next()

    def _keep(self, name: str, found: Addresses) -> None:
        self._kept.pop(name, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = (self._clock() + (KEPT_SECONDS if found else NOTHING_KEPT_SECONDS), found)
