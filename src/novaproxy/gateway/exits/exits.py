"""The exits of one gateway process: the catalog's upstreams, how they fare, and the way to a target."""

import asyncio
import os
import random as chance
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from novaproxy.catalog.model import Catalog, Upstream, UpstreamType
from novaproxy.gateway.exits.choosing import candidates, ranked
from novaproxy.gateway.exits.dialling import DIAL_SECONDS, Dialler, Judged
from novaproxy.gateway.exits.guard import Guard, is_own
from novaproxy.gateway.exits.health import CHECK_SECONDS, Health
from novaproxy.gateway.exits.names import Names
from novaproxy.gateway.exits.upstreams import ExitFailed
from novaproxy.gateway.model import Address, Target, Wish
from novaproxy.gateway.refusals import GatewayUnavailable, NoExit, ProxyRefusal, TargetTimedOut
from novaproxy.settings import GatewaySettings

MOST_TRIED: Final = 3
"""Upstreams that are tried for one tunnel."""

_CHECKED_AT_ONCE: Final = 32


def _nothing(*_told: object) -> None:
    """Do nothing with what is told."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what becomes of the exits, for figures and the log; no secret and no target is among it.

    Attributes:
        dialled: the name of an upstream through which a tunnel was opened, and how many seconds that took.
        failed: the name of one that did not do its part, and why, in a few words.
        moved: the name of one that became well (True) or not.
        checked: the name of one that was checked, and whether it was reached.
    """

    dialled: Callable[[str, float], None] = _nothing
    failed: Callable[[str, str], None] = _nothing
    moved: Callable[[str, bool], None] = _nothing
    checked: Callable[[str, bool], None] = _nothing


class Exits:
    """Chooses and dials.

    Args:
        settings: what customers may reach of the operator's own network.
        environment: the variables that hold passwords of upstreams.
        names: looks names up.
        random: gives numbers from 0 up to 1.
        clock: seconds that never go back.
        watch: who is told.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        environment: Mapping[str, str] = os.environ,
        names: Names | None = None,
        random: Callable[[], float] = chance.random,
        clock: Callable[[], float] = time.monotonic,
        watch: Watch = Watch(),
    ) -> None:
        self._upstreams: tuple[Upstream, ...] = ()
        self._sources: frozenset[Address] = frozenset()
        self._random = random
        self._clock = clock
        self._watch = watch
        self._health = Health(clock, watch.moved)
        self._dialler = Dialler(Guard(settings.allowed, self._is_own), names or Names(), environment)

    def _is_own(self, address: Address) -> bool:
        return address in self._sources or is_own(address)

    def update(self, catalog: Catalog) -> None:
        """Take the upstreams of *catalog* from now on; open tunnels stay as they are."""
        self._upstreams = catalog.upstreams
        self._sources = frozenset(ip_address(one.source) for one in catalog.upstreams if one.source is not None)
        self._health.keep(catalog.upstreams)

    async def dial(
        self, target: Target, wish: Wish, *, order_id: int, plan: str, fixed_country: str | None, now_seconds: int
    ) -> socket.socket:
        """Return a connected, non-blocking socket that leads to *target* by an exit of *plan* that fits.

        Args:
            target: where to.
            wish: what the client asks of the exit.
            order_id: whose tunnel it is.
            plan: the slug of the order's plan.
            fixed_country: the country that the order bought, in lower case; None where it bought none.
            now_seconds: the time of day, as sessions end by it.

        Raises:
            NoExit: no exit fits, or none that does is well.
            TargetNotAllowed: it is the operator's own, or a closed port.
            TargetNotFound: its name has no address.
            TargetRefused: it took no connection.
            TargetTimedOut: it did not answer within 10 seconds.
            GatewayUnavailable: this process has no socket left.
        """
        fit = [one for one in candidates(self._upstreams, plan, wish, fixed_country) if self._health.is_well(one)]
        tried = ranked(fit, order_id, wish, now_seconds, self._random)[:MOST_TRIED]
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                judged = await self._dialler.judged(target, order_id)
                return await self._dialled(judged, tried)
        except TimeoutError:
            raise TargetTimedOut from None

    async def _dialled(self, target: Judged, tried: list[Upstream]) -> socket.socket:
        for upstream in tried:
            began = self._clock()
            try:
                line = await self._dialler.dial(target, upstream)
            except ExitFailed as failure:
                self._note(upstream, failure)
                continue
            except GatewayUnavailable:
                raise
            except ProxyRefusal:
                # It answered: what is wrong is the target's.
                self._health.worked(upstream)
                raise
            self._health.worked(upstream)
            self._watch.dialled(upstream.name, self._clock() - began)
            return line
        raise NoExit

    def _note(self, upstream: Upstream, failure: ExitFailed, *, is_check: bool = False) -> None:
        self._watch.failed(upstream.name, failure.reason)
        if failure.is_counted:
            self._health.failed(upstream, is_check=is_check)

    async def keep_checked(self, end: asyncio.Event) -> None:
        """Check each upstream now and every 10 seconds, until *end* is set."""
        while not end.is_set():
            await self.check_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await end.wait()

    async def check_all(self) -> None:
        """Check each upstream once, several at a time."""
        turns = asyncio.Semaphore(_CHECKED_AT_ONCE)

        async def checked(upstream: Upstream) -> None:
            async with turns:
                await self._check(upstream)

        async with asyncio.TaskGroup() as group:
            for upstream in self._upstreams:
                # This machine itself is well as long as it runs.
                if upstream.type is not UpstreamType.DIRECT or upstream.source is not None:
                    group.create_task(checked(upstream))

    async def _check(self, upstream: Upstream) -> None:
        try:
            await self._dialler.check(upstream)
        except ExitFailed as failure:
            self._note(upstream, failure, is_check=True)
            self._watch.checked(upstream.name, False)  # noqa: FBT003 -- a word to whoever watches
        except GatewayUnavailable:
            # Nothing is known of it.
            return
        else:
            self._health.worked(upstream)
            self._watch.checked(upstream.name, True)  # noqa: FBT003 -- likewise
