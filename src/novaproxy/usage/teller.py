"""The meters of one gateway process, and the task that keeps them: rounds with the database.

A round is due at once where somebody needs bytes or a tunnel, else every half a second for what changed. At rest there
is none but the sign of life each few seconds. What a round tells is absolute: one that failed is followed by the next.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from novaproxy.database.line import Line
from novaproxy.database.outage import Outage
from novaproxy.database.pool import BY_KEY, Target, facts, is_outage, statement
from novaproxy.usage.counters import CounterFile
from novaproxy.usage.held import GatewayLost, Held, MeterUnavailable
from novaproxy.usage.meter import Answered, Bell, OrderMeter, Told
from novaproxy.usage.orphans import settle_orphans
from novaproxy.usage.rounds import Refusals, Standing, settle_round

__all__ = ["GatewayLost", "MeterUnavailable", "Meters", "opened_meters"]

ROUND_SECONDS = 0.5
"""How often what changed is told."""

SEEN_SECONDS = 5.0
"""How often a gateway at rest shows that it lives."""

KEPT_SECONDS = 2.0
"""How long a meter that nobody holds is kept, for whoever comes again."""

PATIENCE_SECONDS = 5.0
"""How long somebody waits for the database's word on an order or a tunnel."""

END_SECONDS = 5.0
"""How long a gateway that ends tries to settle; what is left then the next start settles from the file."""

_BETWEEN_SECONDS = 0.01
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_COMMAND_SECONDS = 6.0
_MOST_REFUSALS = 10_000
_SESSION = BY_KEY | {"application_name": "novaproxy gateway", "statement_timeout": "5000"}
_SQL = "novaproxy.usage"

log = structlog.get_logger("novaproxy.usage")


class Meters:
    """The meters of this process; made by ``opened_meters``. All is called on the event loop's thread."""

    def __init__(
        self,
        database: Target,
        gateway_id: int,
        counters: CounterFile,
        on_exhausted: Callable[[int], None],
        on_lost: Callable[[], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.gateway_id = gateway_id
        self.is_lost = False
        self._counters = counters
        self._on_exhausted = on_exhausted
        self._on_lost = on_lost
        self._now_ns = now_ns
        self._bell = Bell(self._needs, self._lives, now_ns)
        self._line = Line(database, command_timeout=_COMMAND_SECONDS, settings=_SESSION)
        self._outage = Outage()
        self._held: dict[int, Held] = {}
        self._urgent: dict[int, None] = {}
        self._lively: dict[int, None] = {}
        self._unmoved: set[int] = set()
        self._refused: Counter[tuple[int, str]] = Counter()
        self._unheard = Refusals()
        self._refusal_number = 0
        self._number = 0
        self._rung = asyncio.Event()
        self._is_ending = False
        self._pause_seconds = 0.0
        self._regular_at = self._seen_at = time.monotonic()
        self.rounds = 0

    @property
    def held_orders(self) -> int:
        """Of how many orders there is a lease, be it one of no bytes."""
        return len(self._held)

    # What the gateway calls.

    async def opened(self, order_id: int, speed_mbits: int | None = None) -> OrderMeter:
        """Return the meter of an order, whose lease is written down; each call is followed by one of ``closed``.

        *speed_mbits* (10**6 bits a second, over all tunnels and gateways) holds from the first call on.

        Raises:
            MeterUnavailable: the database gives no word within PATIENCE_SECONDS, or the counter file cannot grow.
            LookupError: there is no such order.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    self._check_open()
                    held = self._held.get(order_id)
                    if held is None:
                        held = self._new(order_id, speed_mbits)
                    if held.is_closing:
                        await asyncio.shield(held.gone)
                        continue
                    held.meter.users += 1
                    try:
                        await asyncio.shield(held.opened)
                    except BaseException:
                        self.closed(held.meter)
                        raise
                    return held.meter
        except TimeoutError:
            raise MeterUnavailable from None

    def closed(self, meter: OrderMeter) -> None:
        """Let go of a meter; its tunnels have closed. It stays for a moment, for whoever comes again."""
        meter.users -= 1
        held = self._held.get(meter.order_id)
        if held is not None and held.meter is meter:
            held.left_ns = self._now_ns()
            self._lives(meter)

    async def take_tunnel(self, meter: OrderMeter, limit: int | None) -> bool:
        """Take one of *limit* tunnels that may be open at once over all gateways; False: as many are open.

        It is given back by ``give_tunnel``. Without a limit nobody is asked.

        Raises:
            MeterUnavailable: the database gives no word within PATIENCE_SECONDS.
        """
        if limit is None:
            meter.held_tunnels += 1
            return True
        self._check_open()
        held = self._held[meter.order_id]
        held.tunnel_limit = limit
        asked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        held.asking.append(asked)
        self._needs(meter)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asked
        except BaseException as error:
            self._withdraw(held, asked)
            if isinstance(error, TimeoutError):
                raise MeterUnavailable from None
            raise

    def _withdraw(self, held: Held, asked: "asyncio.Future[bool]") -> None:
        """Take a wish for a tunnel back, also one that was granted just now."""
        if asked in held.asking:
            held.asking.remove(asked)
        if asked.done() and not asked.cancelled() and not asked.exception() and asked.result():
            held.meter.held_tunnels -= 1
        self._needs(held.meter)

    def give_tunnel(self, meter: OrderMeter) -> None:
        """Give a tunnel back that ``take_tunnel`` took."""
        meter.held_tunnels -= 1
        held = self._held.get(meter.order_id)
        if held is not None and held.tunnel_limit is not None:
            self._needs(meter)

    def refused(self, order_id: int, reason: str) -> None:
        """Count a refusal of an order's client by its *reason* (the code of a ``ProxyRefusal``)."""
        if len(self._refused) < _MOST_REFUSALS or (order_id, reason) in self._refused:
            self._refused[order_id, reason] += 1
            self._rung.set()

    # What meters call.

    def _needs(self, meter: OrderMeter) -> None:
        self._urgent[meter.order_id] = None
        self._lives(meter)
        self._rung.set()

    def _lives(self, meter: OrderMeter) -> None:
        if not meter.is_lively:
            meter.is_lively = True
            self._lively[meter.order_id] = None
            if len(self._lively) == 1:
                self._rung.set()

    # The keeping task.

    async def keep(self) -> None:
        """Keep the meters until they are closed or lost."""
        while True:
            await self._until_due()
            if self._has_ended():
                return
            began_at = time.monotonic()
            await self._round()
            rest = max(self._pause_seconds, _BETWEEN_SECONDS - (time.monotonic() - began_at))
            if rest > 0:
                await asyncio.sleep(rest)

    def note_end(self, keeping: "asyncio.Task[None]") -> None:
        """Let the process begin anew where the keeping task broke; what was lent may still pass, and is counted."""
        error = None if keeping.cancelled() else keeping.exception()
        if error is not None:
            log.critical("meters are kept no longer", gateway=str(self._counters.gateway_uuid), **facts(error))
            self._on_lost()

    async def _until_due(self) -> None:
        """Wait until somebody needs something, or the time has come to tell what changed."""
        while not (self._urgent or self._has_ended()):
            is_changed = bool(self._lively or self._refused or self._unheard.counts or self._unmoved)
            due_at = self._regular_at + ROUND_SECONDS if is_changed else self._seen_at + SEEN_SECONDS
            seconds = due_at - time.monotonic()
            if seconds <= 0:
                return
            self._rung.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()

    async def _round(self) -> None:
        now = time.monotonic()
        is_regular = now >= self._regular_at + ROUND_SECONDS
        if is_regular:
            self._regular_at = now
            self._close_left()
        due = self._due(is_regular=is_regular)
        is_idle = not (due or self._refused or self._unheard.counts or self._unmoved)
        if is_idle and now < self._seen_at + SEEN_SECONDS:
            return
        await self._settle_guarded(due, is_regular=is_regular)

    def _due(self, *, is_regular: bool) -> list[Held]:
        urgent, self._urgent = self._urgent, {}
        due = [self._held[order_id] for order_id in urgent if order_id in self._held]
        if not is_regular:
            return due
        now_ns = self._now_ns()
        for order_id in list(self._lively):
            held = self._held.get(order_id)
            if held is None or (held.meter.users and held.meter.is_settled(now_ns)):
                del self._lively[order_id]
                if held is not None:
                    held.meter.is_lively = False
            if held is not None and order_id not in urgent and self._is_due(held, now_ns):
                due.append(held)
        return due

    @staticmethod
    def _is_due(held: Held, now_ns: int) -> bool:
        return held.is_closing or bool(held.asking) or held.meter.is_due(now_ns)

    def _close_left(self) -> None:
        """Close the meters that nobody has held for a while."""
        long_ago_ns = self._now_ns() - int(KEPT_SECONDS * 10**9)
        for order_id in self._lively:
            held = self._held.get(order_id)
            if held is not None and not held.meter.users and held.left_ns <= long_ago_ns and held.meter.is_quiet:
                held.is_closing = True

    async def _settle_guarded(self, due: list[Held], *, is_regular: bool) -> None:
        """Settle a round; one that fails is told, and what it was to do is done by the next."""
        try:
            await self._settle(due, is_regular=is_regular)
        except Exception as error:  # noqa: BLE001 -- whatever it is, what was counted stands in the file
            self._line.drop()
            for held in due:
                self._urgent[held.meter.order_id] = None
            self._pause_seconds = min(max(_FIRST_PAUSE_SECONDS, 2 * self._pause_seconds), _LONGEST_PAUSE_SECONDS)
            if is_outage(error):
                self._outage.met(error)
            else:
                log.error("settling failed", gateway=str(self._counters.gateway_uuid), **facts(error))
        else:
            self._pause_seconds = 0.0
            self._outage.over()

    async def _settle(self, due: list[Held], *, is_regular: bool, ends: bool = False) -> None:
        connection = await self._line.connection()
        if is_regular and not self._unheard.counts and self._refused:
            self._refusal_number += 1
            self._unheard = Refusals(self._refusal_number, dict(self._refused))
            self._refused.clear()
        # All that is told is put together without a pause, and after the connection is there.
        telling = [(held, held.asking[:], self._told(held)) for held in due]
        told = [one for _, _, one in telling]
        if is_regular:
            told += [Told(order_id, 0, 0, 0) for order_id in self._unmoved - {one.order_id for one in told}]
        self._number += 1
        self.rounds += 1
        standing, answers = await settle_round(
            connection, self.gateway_id, self._number, told, self._unheard, ends=ends
        )
        if standing in (Standing.ENDED, Standing.WRONG):
            await self._lose(standing)
            return
        if standing is Standing.LATE:
            raise AssertionError("rounds are numbered in their order")
        self._seen_at = time.monotonic()
        self._unheard = Refusals()
        self._take_in(telling, {answer.order_id: answer for answer in answers})

    def _told(self, held: Held) -> Told:
        return held.meter.told(
            opens=not held.opened.done(),
            closes=held.is_closing,
            wanted_tunnels=len(held.asking),
            tunnel_limit=held.tunnel_limit,
        )

    def _take_in(
        self, telling: Iterable[tuple[Held, list[asyncio.Future[bool]], Told]], answers: dict[int, Answered]
    ) -> None:
        for order_id in list(self._unmoved):
            if order_id in answers and not (answers[order_id].is_exhausted and answers[order_id].is_sold):
                self._unmoved.discard(order_id)
        for held, asking, told in telling:
            answer = answers.get(told.order_id)
            if answer is None:
                self._drop(held, LookupError(told.order_id))
                continue
            if answer.is_exhausted and answer.is_sold:
                self._unmoved.add(told.order_id)
            if told.closes:
                self._drop(held, None)
                continue
            was_exhausted = held.meter.is_exhausted
            held.meter.answered(told, answer)
            if not held.opened.done():
                held.opened.set_result(None)
            self._grant_tunnels(held, asking, answer.tunnels - told.tunnels)
            if held.meter.is_exhausted and not was_exhausted:
                self._on_exhausted(told.order_id)

    @staticmethod
    def _grant_tunnels(held: Held, asking: list[asyncio.Future[bool]], free: int) -> None:
        for asked in asking:
            if asked in held.asking:
                held.asking.remove(asked)
            if asked.done():
                continue
            asked.set_result(free > 0)
            if free > 0:
                held.meter.held_tunnels += 1
                free -= 1

    def _new(self, order_id: int, speed_mbits: int | None) -> Held:
        try:
            held = Held(OrderMeter(order_id, self._counters, speed_mbits, self._bell))
        except OSError as error:
            log.error("no slot for an order", gateway=str(self._counters.gateway_uuid), **facts(error))
            raise MeterUnavailable from error
        self._held[order_id] = held
        self._needs(held.meter)
        return held

    def _drop(self, held: Held, error: Exception | None) -> None:
        """Let go of a meter whose lease is gone, and of its slot."""
        cell = held.meter.end()
        if cell:
            self._counters.freed(cell)
        del self._held[held.meter.order_id]
        if error is not None and not held.opened.done():
            held.opened.set_exception(error)
        if not held.gone.done():
            held.gone.set_result(None)

    async def _lose(self, standing: Standing) -> None:
        log.critical(
            "this gateway was given up: its leases are charged",
            gateway=str(self._counters.gateway_uuid),
            standing=standing.value,
        )
        if standing is Standing.WRONG:
            await (await self._line.connection()).execute(statement(_SQL, "lose_gateway"), self.gateway_id)
        self._be_lost()
        self._on_lost()

    def _be_lost(self) -> None:
        self.is_lost = True
        for held in self._held.values():
            held.meter.end()
            for opening in (held.opened, held.gone):
                if not opening.done():
                    opening.set_exception(GatewayLost())
            for asked in held.asking:
                if not asked.done():
                    asked.set_exception(GatewayLost())

    def _has_ended(self) -> bool:
        return self._is_ending or self.is_lost

    def _check_open(self) -> None:
        if self.is_lost:
            raise GatewayLost
        if self._is_ending:
            raise MeterUnavailable

    # The end.

    def begin_end(self) -> None:
        """Let nobody in any more, and end the keeping task at its next step."""
        self._is_ending = True
        self._rung.set()

    async def settle_all(self) -> bool:
        """Settle and return everything and end the gateway; False where the database does not take it in time."""
        ends_at = time.monotonic() + END_SECONDS
        while not self.is_lost:
            for held in self._held.values():
                held.is_closing = True
            try:
                async with asyncio.timeout(max(0.0, ends_at - time.monotonic())):
                    await self._settle(list(self._held.values()), is_regular=True, ends=True)
            except Exception as error:  # noqa: BLE001 -- whatever it is, what was counted stands in the file
                self._line.drop()
                if time.monotonic() >= ends_at:
                    log.warning("left to the next start", gateway=str(self._counters.gateway_uuid), **facts(error))
                    return False
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)
            else:
                return True
        return True

    async def close(self) -> None:
        """Let go of the connection."""
        await self._line.close()


@asynccontextmanager
async def opened_meters(
    database: Target,
    counters_dir: Path,
    host: str,
    *,
    witness: int = 0,
    on_exhausted: Callable[[int], None] = lambda _order_id: None,
    on_lost: Callable[[], None] = lambda: None,
) -> AsyncIterator[Meters]:
    """Give the meters of a new gateway, written down in the database and in a counter file of its own.

    *witness* is the number of whoever has the process's pipes too (``usage.witness``), 0 where nobody has.

    *on_exhausted* gets the id of an order of which every byte is used: its tunnels are to end. *on_lost* is called once
    the gateway was marked lost: nothing passes any more, and the process begins anew with other meters. At the end
    everything is settled and returned. Before the beginning, what dead processes left in *counters_dir* is settled.

    Raises:
        OUTAGES: the database is away.
        OSError: the counter file cannot be written.
    """
    gateway_uuid = uuid4()
    gateway_id, counters = await _opened_gateway(database, counters_dir, gateway_uuid, host, witness)
    meters = Meters(database, gateway_id, counters, on_exhausted, on_lost)
    keeping = asyncio.create_task(meters.keep())
    keeping.add_done_callback(meters.note_end)
    try:
        yield meters
    finally:
        meters.begin_end()
        await asyncio.gather(keeping, return_exceptions=True)
        if await meters.settle_all():
            counters.removed()
        else:
            counters.close()
        await meters.close()


async def _opened_gateway(
    database: Target, counters_dir: Path, gateway_uuid: UUID, host: str, witness: int
) -> tuple[int, CounterFile]:
    """Settle what dead processes left in *counters_dir*, and write a new gateway down, its file first.

    So a full disk leaves no gateway in the database that never was; a file without its gateway counts nothing.
    """
    line = Line(database, command_timeout=_COMMAND_SECONDS, settings=_SESSION)
    try:
        connection = await line.connection()
        await settle_orphans(connection, counters_dir)
        counters = CounterFile.created(counters_dir, gateway_uuid, witness=witness)
        try:
            gateway_id: int = await connection.fetchval(statement(_SQL, "open_gateway"), gateway_uuid, host)
        except BaseException:
            counters.removed()
            raise
        return gateway_id, counters
    finally:
        await line.close()
