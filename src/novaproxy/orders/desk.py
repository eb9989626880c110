"""The desk: orders queue, and what arrived while the last batch was under way is the next one.

This is group commit in the application: one set of round trips and one fsync serve up to 64 orders, and an order alone
takes the same way as a batch of one. A batch that cannot be placed as a whole is placed one account after the other,
aside, while the desk goes on.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from novaproxy.catalog.store import Shelf
from novaproxy.credentials.seal import Sealers
from novaproxy.database.line import Line
from novaproxy.database.outage import OutageWatch
from novaproxy.database.pool import (
    ACQUIRE_SECONDS,
    BY_KEY,
    COMMAND_TIMEOUT_SECONDS,
    LOST,
    OUTAGES,
    PLANNED_ONCE,
    RETRIED,
    Connection,
    Pool,
    Target,
    facts,
    is_outage,
    transaction,
)
from novaproxy.errors import OperatorError, Refusal
from novaproxy.http.refusals import Busy, ServerFault, Unavailable
from novaproxy.metrics.figures import Metrics
from novaproxy.orders.aside import Aside, taken_alike
from novaproxy.orders.batch import Replay
from novaproxy.orders.lag import Lag
from novaproxy.orders.lanes import LANES, Lane, Lanes, Waiting
from novaproxy.orders.model import Ask
from novaproxy.orders.pace import Pace
from novaproxy.orders.placing import Answer, OutcomeUnknown, Placed, place_batch
from novaproxy.orders.store import CodeTaken, saved_uuids

LONGEST_QUEUE = 1_024
LONGEST_WAIT_SECONDS = 1.0
"""Whom a longer wait than this is ahead of is refused at once."""

STALE_SECONDS = 1.5
"""Who waited longer than this, which was not ahead of him, is refused when his turn comes.

Longer than the common batch may wait for a lock: those who stood behind that one are still served.
"""

HOT_LOCK_TIMEOUT = "700ms"
"""How long the common batch waits for a lock, before its accounts are served aside where each may wait longer.

PostgreSQL counts anew where a batch of another worker stood before the same row: twice this is less than STALE_SECONDS.
"""

PATIENCE_SECONDS = 1.5
"""How long the next batch waits for one under way; then that one is left to itself, and the desk goes on beside it."""

LOOK_AGAIN_SECONDS = 0.1
"""How often it is looked whether one of those may be left that hear nothing, while MOST_LEFT are."""

MOST_LEFT = 3
"""How many batches are left to themselves at once: a database that is slow must not get ever more to do."""

REST_AFTER_SECONDS = 1.0
"""How long a lane that has no orders keeps the transaction that began with its last COMMIT."""

OPEN_AGAIN_SECONDS = 6.0
"""How long after an attempt to open a lane's connection, which takes 5 seconds at most, the next one is made."""

ATTEMPTS = 5
SETTLING_SECONDS = 12.0
"""After COMMIT: longer than a forgotten transaction may stay open (``idle_in_transaction_session_timeout``)."""

LEAST_SETTLING_SECONDS = 3.0
"""After a COMMIT that was itself waited for that long: a frozen session does not end, and nobody waits for it twice."""

UNSETTLED: tuple[type[BaseException], ...] = (asyncpg.LockNotAvailableError, *RETRIED, *OUTAGES)
"""Errors after which the question what became of a COMMIT is asked again."""

PLACED_ANEW = (*RETRIED, CodeTaken)
"""What a batch meets that lost to another one, and is placed once more."""

log = structlog.get_logger("novaproxy.desk")


class OrderDesk:
    """Takes orders one by one and places them in batches on lanes of its own; *pool* serves what goes aside."""

    def __init__(
        self,
        database: Target,
        pool: Pool,
        shelf: Shelf,
        sealers: Sealers,
        metrics: Metrics,
        outage: OutageWatch,
    ) -> None:
        self._database = database
        self._pool = pool
        self._shelf = shelf
        self._sealers = sealers
        self._metrics = metrics
        self._outage = outage
        metrics.watch_waiting(self._waiting_count)
        self._lanes = Lanes(self._new_line() for _ in range(LANES))
        self._clerks: set[asyncio.Task[None]] = set()
        self._left: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None]
        self._aside = Aside(self._serve_alone, self._lanes.add, self._start)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pace = Pace()
        self._lag = Lag()
        self._is_closing = False

    def is_full(self, coming: int = 0) -> bool:
        """Return whether an order behind *coming* others would be refused, so that nobody need read it."""
        if self._is_closing or self._waiting_count() + coming >= LONGEST_QUEUE:
            return True
        wait_seconds = self._lag.seconds
        oldest_at = self._lanes.oldest_at
        if oldest_at is not None:
            age_seconds = time.monotonic() - oldest_at
            wait_seconds += max(age_seconds, self._pace.wait_seconds(len(self._lanes)))
        return wait_seconds > LONGEST_WAIT_SECONDS

    async def place(self, ask: Ask) -> Answer:
        """Return the answer to *ask*: an order after its commit, an earlier one's replay, or a refusal."""
        if self.is_full():
            return Busy()
        waiting = Waiting(ask, asyncio.get_running_loop().create_future(), time.monotonic())
        self._metrics.write_soon()
        if self._aside.holds(ask):
            self._aside.add(waiting)
        else:
            self._lanes.add(waiting)
        return await waiting.answer

    def _waiting_count(self) -> int:
        return len(self._lanes) + len(self._aside)

    async def run(self) -> None:
        """Serve until ``close`` was called and everybody has an answer."""
        self._lag.start()
        self._ended = asyncio.get_running_loop().create_future()
        for lane in self._lanes.all:
            self._man(lane)
        await self._ended
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._lag.stop()
        for lane in self._lanes.all:
            await lane.line.close()

    def _man(self, lane: Lane) -> None:
        """Let somebody serve at *lane*, on the line that it has now."""
        lane.clerk = asyncio.create_task(self._serve_at(lane, lane.line))
        self._clerks.add(lane.clerk)
        lane.clerk.add_done_callback(self._note_gone)

    def _note_gone(self, clerk: asyncio.Task[None]) -> None:
        self._clerks.discard(clerk)
        if self._ended.done():
            return
        if not clerk.cancelled() and (error := clerk.exception()) is not None:
            self._ended.set_exception(error)
        elif not self._clerks:
            self._ended.set_result(None)

    async def _serve_at(self, lane: Lane, line: Line) -> None:
        """Serve batch after batch at *lane*, until the desk closes, or a batch was so slow that another took over."""
        loop = asyncio.get_running_loop()
        while line is lane.line and not (self._is_closing and not len(self._lanes)):
            await _woken(lane, line)
            lane.woken.clear()
            while line is lane.line and (batch := self._next_batch(lane)):
                impatience = loop.call_later(PATIENCE_SECONDS, self._go_on_beside, lane, batch)
                await self._serve(batch, line)
                impatience.cancel()
                if line is lane.line:
                    self._lanes.end(lane)
                    # The answers go out first; who has one may order again, and be in the next batch.
                    await asyncio.sleep(0)
        if line is not lane.line:
            await line.close()
        self._lanes.wake_all()

    def _go_on_beside(self, lane: Lane, batch: list[Waiting]) -> None:
        """Leave *batch*, which hears nothing, to itself: its locks hold up its own accounts alone."""
        if batch is not lane.batch or lane.clerk is None:
            return
        if len(self._left) >= MOST_LEFT:
            asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, self._go_on_beside, lane, batch)
            return
        log.warning("batch is slow; going on beside it", orders=len(batch))
        self._left.add(lane.clerk)
        lane.clerk.add_done_callback(self._left.discard)
        lane.line = self._new_line()
        self._lanes.end(lane)
        self._man(lane)
        lane.woken.set()

    def _next_batch(self, lane: Lane) -> list[Waiting]:
        """Take the next orders from the queue; those whose token is served aside by now go there."""
        batch: list[Waiting] = []
        now = time.monotonic()
        crowd, room = self._lanes.turn()
        while crowd and len(batch) < room:
            waiting = crowd.popleft()
            if now - waiting.arrived_at > STALE_SECONDS:
                waiting.give(Busy())
            elif self._aside.holds(waiting.ask):
                self._aside.add(waiting)
            else:
                batch.append(waiting)
        if batch:
            self._lanes.begin(lane, batch)
            self._metrics.batch_begun([now - waiting.arrived_at for waiting in batch])
        return batch

    def close(self) -> None:
        """Take no more orders; those that wait are still served."""
        self._is_closing = True
        self._aside.close()
        self._lanes.wake_all()

    async def _serve(self, batch: list[Waiting], line: Line) -> None:
        began_at = time.monotonic()
        self._open_lanes()
        try:
            answers = await self._placed([waiting.ask for waiting in batch], line)
        except OutcomeUnknown as unknown:
            line.drop()
            self._start(self._settle_batch(batch, unknown))
        except (asyncpg.LockNotAvailableError, CodeTaken):
            self._serve_aside(batch)
        except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait must hear something
            # With the line up, the server is there and refused this batch: out of time, memory or disk.
            is_away = is_outage(error) and not (line.is_open and isinstance(error, asyncpg.PostgresError))
            line.drop()
            if is_away:
                self._outage.met(error, len(batch))
                _give_all(batch, Unavailable())
            else:
                # One order that cannot be written must not take the others with it.
                log.error("batch failed", **_orders(batch), **facts(error))
                self._serve_aside(batch)
        else:
            self._pace.note(time.monotonic() - began_at)
            self._give_each(batch, answers)

    def _give_each(self, batch: Sequence[Waiting], answers: Sequence[Answer]) -> None:
        """Give each order its answer, which is committed, then count."""
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.give(answer)
        placed = [answer for answer in answers if isinstance(answer, Placed)]
        self._metrics.orders_placed(one.showcase.listing.plan_by_id[one.order.plan_id].slug for one in placed)
        self._metrics.orders_replayed(sum(isinstance(answer, Replay) for answer in answers))

    async def _placed(self, asks: Sequence[Ask], line: Line) -> list[Answer]:
        """Place *asks* on *line*; where it turns out to have been lost before COMMIT, on it opened anew."""
        is_old = line.is_open
        try:
            return await self._placed_on(await line.for_use(), asks, chain=line.chains())
        except LOST:
            if not is_old:
                raise
        line.drop()
        return await self._placed_on(await line.for_use(), asks, chain=line.chains())

    async def _placed_on(self, connection: Connection, asks: Sequence[Ask], *, chain: bool = False) -> list[Answer]:
        """Place *asks*, again where the transaction lost to another one."""
        sealer = await self._sealers.on(connection)
        for attempt in range(1, ATTEMPTS + 1):
            began_at = time.monotonic()
            try:
                answers = await place_batch(connection, asks, self._shelf, sealer, chain=chain)
            except PLACED_ANEW:
                if attempt == ATTEMPTS or connection.is_closed():
                    raise
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 -- spreads retries, guards nothing
            else:
                self._metrics.batch_committed(time.monotonic() - began_at)
                return answers
        raise AssertionError("the last attempt returns or raises")

    def _open_lanes(self) -> None:
        """Connect idle lanes beforehand: whose turn it is must not wait for that, nor hear that it failed."""
        now = time.monotonic()
        for lane in self._lanes.all:
            if not (lane.is_ready or lane.under_way) and now >= lane.open_at:
                lane.open_at = now + OPEN_AGAIN_SECONDS
                self._start(self._open(lane.line))

    async def _open(self, line: Line) -> None:
        with suppress(OperatorError, asyncpg.PostgresError, *OUTAGES):
            await line.connection()
        if all(line is not lane.line for lane in self._lanes.all):
            await line.close()
        self._lanes.wake()

    def _new_line(self) -> Line:
        settings = {"lock_timeout": HOT_LOCK_TIMEOUT, **BY_KEY, **PLANNED_ONCE}
        return Line(self._database, command_timeout=COMMAND_TIMEOUT_SECONDS, settings=settings)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _serve_aside(self, batch: list[Waiting]) -> None:
        """Serve each of *batch*, which could not be placed together, alone; any of their accounts and codes is locked.

        What comes with these tokens and codes follows them, until one of them has found his free.
        """
        for waiting in batch:
            waiting.was_in_batch = True
            self._aside.add(waiting)

    async def _serve_alone(self, waiting: Waiting, behind: deque[Waiting]) -> bool:
        """Place *waiting*; return whether he found account and code free."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                answers = await self._placed_on(connection, [waiting.ask])
        except OutcomeUnknown as unknown:
            if not await self._is_settled([waiting], unknown):
                # A COMMIT that fails each time must not be tried without end.
                log.warning("commit failed", error=type(unknown.__cause__).__name__, **_orders([waiting]))
                waiting.give(Unavailable())
        except asyncpg.LockNotAvailableError:
            # Those behind want the same lock; one after the other they would wait as many times as they are.
            _give_all([waiting, *taken_alike(waiting, behind)], Busy())
        except PLACED_ANEW:
            waiting.give(Busy())
        except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait must hear something
            if is_outage(error):
                if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                    # Whoever was a standby when the session began stays read-only in it.
                    await self._pool.expire_connections()
                self._outage.met(error)
                waiting.give(Unavailable())
            else:
                log.error("order failed", **_orders([waiting]), **facts(error))
                waiting.give(ServerFault())
        else:
            self._give_each([waiting], answers)
            return True
        return False

    async def _settle_batch(self, batch: list[Waiting], unknown: OutcomeUnknown) -> None:
        if not await self._is_settled(batch, unknown):
            self._serve_aside(batch)

    async def _is_settled(self, batch: list[Waiting], unknown: OutcomeUnknown) -> bool:
        """Find out what became of a COMMIT whose answer was lost, and answer by that; False: nothing was written."""
        saved = await self._saved(unknown)
        if saved is None:
            log.error("outcome of a commit not settled", **_orders(batch))
            _give_all(batch, Unavailable())
        elif saved:
            self._give_each(batch, unknown.answers)
        else:
            return False
        return True

    async def _saved(self, unknown: OutcomeUnknown) -> bool | None:
        """Return whether the batch was committed, None if that could not be learned in time."""
        deadline = max(unknown.sent_at + SETTLING_SECONDS, time.monotonic() + LEAST_SETTLING_SECONDS)
        while time.monotonic() < deadline:
            try:
                async with transaction(self._pool) as connection:
                    return bool(await saved_uuids(connection, unknown.written))
            except UNSETTLED:
                await asyncio.sleep(random.uniform(0.05, 0.2))  # noqa: S311 -- spreads retries, guards nothing
            except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait must hear something
                log.error("looking for the orders of a lost commit failed", **facts(error))
                return None
        return None


async def _woken(lane: Lane, line: Line) -> None:
    """Wait until *lane* is woken; where that takes long, *line* keeps no transaction open meanwhile."""
    if not lane.woken.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_AFTER_SECONDS):
                await lane.woken.wait()
            return
        await line.rest()
        await lane.woken.wait()


def _orders(batch: Sequence[Waiting]) -> dict[str, Any]:
    """Return what a log line says of the orders it is about."""
    return {"orders": len(batch), "request_id": ",".join(waiting.ask.request_id for waiting in batch)}


def _give_all(batch: Sequence[Waiting], refusal: Refusal) -> None:
    for waiting in batch:
        waiting.give(refusal)
