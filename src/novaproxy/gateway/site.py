"""A gateway process put together: ports, admission, meters, exits and tunnels, and what keeps them current."""

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import structlog

from novaproxy.catalog.listing import EMPTY
from novaproxy.catalog.store import Shelf
from novaproxy.credentials.keys import Keys
from novaproxy.credentials.seal import Sealers
from novaproxy.database.outage import Outage
from novaproxy.database.pool import Pool, Target, facts, is_outage, opened_pool, read
from novaproxy.gateway.admission.admission import Admission
from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.lines import Lines
from novaproxy.gateway.demo_page import opened_demo_page
from novaproxy.gateway.exits.exits import Exits, Watch
from novaproxy.gateway.exits.told import UpstreamLog
from novaproxy.gateway.listening import Listeners
from novaproxy.gateway.ports import served_ports
from novaproxy.gateway.reception import Reception
from novaproxy.gateway.refusals import GatewayUnavailable, OrderExhausted
from novaproxy.gateway.relay.engine import Relay
from novaproxy.gateway.relay.pipes import Pipes
from novaproxy.gateway.room import room_of
from novaproxy.gateway.tunnels import MeterBook, descriptors
from novaproxy.metrics.delivery import GatewayFigures
from novaproxy.settings import GatewaySettings
from novaproxy.usage.teller import Meters, opened_meters

IDLE_SECONDS = 300.0
"""A tunnel ends in which nothing moved for so long."""

CATALOG_SECONDS = 1.0
"""From one look at the catalog to the next."""

FIGURES_SECONDS = 1.0
"""From one telling of what passes to the next."""

_AGAIN_SECONDS = 1.0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_POOL_SIZE = 4

log = structlog.get_logger("novaproxy.gateway")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a gateway needs to know. *demo* is where the demo page is served, None where there is none.

    *pipes* are those that the supervisor has too, *witness* is its number for them (``usage.witness``).
    """

    database: Target
    sealing_keys: Keys = field(repr=False)
    settings: GatewaySettings
    counters_dir: Path
    demo: socket.socket | None = None
    witness: int = 0
    pipes: tuple[tuple[int, int], ...] = ()


@asynccontextmanager
async def opened_site(setup: Setup, figures: GatewayFigures) -> AsyncIterator[None]:
    """Serve proxies while the block runs; at its end tunnels are ended, and what they passed is settled.

    A database that is away at the beginning is waited for.
    """
    async with AsyncExitStack() as stack:
        pool = await opened_pool(setup.database, max_size=_POOL_SIZE)
        stack.callback(pool.terminate)
        exhausted = _Exhausted()
        meters = await _meters(stack, setup, exhausted.end)
        site = _Site(setup, pool, meters, figures)
        exhausted.lines = site.admission.lines
        stack.push_async_callback(site.close)
        if setup.demo is not None:
            page = await opened_demo_page(setup.demo)
            stack.callback(page.close)
        await site.take_catalog()
        end = asyncio.Event()
        tasks = [asyncio.create_task(keep(end)) for keep in site.keepers()]
        for task in tasks:
            task.add_done_callback(_end_broken)
        try:
            yield
        finally:
            site.listeners.close()
            site.reception.close()
            site.admission.cut_all()
            end.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await site.admission.close()


class _Exhausted:
    """Ends the tunnels of an order of which every byte is used; *lines* are known a moment after the meters."""

    lines: Lines | None = None

    def end(self, order_id: int) -> None:
        """End them."""
        line = None if self.lines is None else self.lines.by_order(order_id)
        if self.lines is not None and line is not None:
            self.lines.cut(line, OrderExhausted)


async def _meters(stack: AsyncExitStack, setup: Setup, on_exhausted: Callable[[int], None]) -> Meters:
    """Open the meters, as soon as the database and the disk let it."""
    outage = Outage()
    is_full = False
    while True:
        opening = opened_meters(
            setup.database,
            setup.counters_dir,
            socket.gethostname(),
            witness=setup.witness,
            on_exhausted=on_exhausted,
            on_lost=_begin_anew,
        )
        try:
            meters = await stack.enter_async_context(opening)
        except OSError as error:
            if error.filename is None:
                outage.met(error)
            elif error.errno not in _NO_ROOM:
                # That is no outage, and waiting mends nothing.
                raise
            elif not is_full:
                is_full = True
                log.error("no room for a counter file: no proxy is served", file=error.filename, error=error.strerror)
            await asyncio.sleep(_AGAIN_SECONDS)
        except Exception as error:
            if not is_outage(error):
                raise
            outage.met(error)
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            outage.over()
            return meters


def _begin_anew() -> None:
    """End this process, whose leases were charged: the supervisor starts another, with a counter file of its own."""
    signal.raise_signal(signal.SIGTERM)


def _end_broken(task: asyncio.Task[None]) -> None:
    """End a process of which a part broke: it would watch nothing any more; the supervisor starts another."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a part of the gateway broke", **facts(error))
        signal.raise_signal(signal.SIGTERM)


def _upstream_watch(figures: GatewayFigures, clock: Callable[[], float]) -> Watch:
    told = UpstreamLog(clock)
    return Watch(
        failed=told.failed, moved=told.moved, checked=lambda name, is_up: figures.set_upstream(name, is_up=is_up)
    )


class _Site:
    """The parts, and what flows between them."""

    def __init__(self, setup: Setup, pool: Pool, meters: Meters, figures: GatewayFigures) -> None:
        loop = asyncio.get_running_loop()
        self._pool = pool
        self._figures = figures
        self._shelf = Shelf()
        self._catalog = EMPTY.catalog
        self._outage = Outage()
        clock = DatabaseClock(loop.time)
        book = MeterBook(meters)
        room = room_of(descriptors())
        self.exits = Exits(setup.settings, watch=_upstream_watch(figures, loop.time))
        self.admission = Admission(
            pool,
            Shelf(),
            Sealers(setup.sealing_keys),
            clock,
            most_tunnels=room.tunnels,
            take_tunnel=book.take_tunnel,
            tell_refusal=lambda order_id, _account_id, code: meters.refused(order_id, code),
            outage=self._outage,
        )
        self.relay = Relay(loop, IDLE_SECONDS, Pipes(given=setup.pipes))
        fronts = tuple(ip_network(front) for front in setup.settings.fronts)
        self.reception = Reception(
            loop, self.admission, self.exits, book, self.relay, clock, figures, fronts, room.strangers
        )
        self.listeners = Listeners(
            setup.settings.host,
            self.reception.take,
            lambda port, is_open: figures.set_port(port, is_open=is_open),
            is_shared=setup.settings.processes > 1,
        )

    def keepers(self) -> list[Callable[[asyncio.Event], Coroutine[None, None, None]]]:
        """Return what runs until its event is set."""
        return [self.admission.keep_watching, self.exits.keep_checked, self._keep_catalog, self._keep_figures]

    async def take_catalog(self) -> None:
        """Take the newest catalog; one that cannot be read now is read later."""
        try:
            shown = await read(self._pool, self._shelf.current)
        except Exception as error:
            if not is_outage(error):
                raise
            self._outage.met(error)
            return
        self._outage.over()
        catalog = shown.listing.catalog
        if catalog is not self._catalog:
            self._catalog = catalog
            self.exits.update(catalog)
        self.listeners.serve(served_ports(catalog))

    async def _keep_figures(self, end: asyncio.Event) -> None:
        while not end.is_set():
            self._figures.carried(*self.relay.passed_bytes)
            with suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), FIGURES_SECONDS)

    async def _keep_catalog(self, end: asyncio.Event) -> None:
        while not end.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), CATALOG_SECONDS)
                return
            await self.take_catalog()

    async def close(self) -> None:
        """End every tunnel that is left."""
        self.admission.cut_all(GatewayUnavailable)
        await self.relay.close()
