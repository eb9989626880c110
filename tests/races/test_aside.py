"""Orders aside, behind a lock: the lock holds up those who want it, for as long as it is held, and nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from database_line import Fate, database_line
from novaproxy.accounts.asking import token_hash
from novaproxy.catalog.store import Shelf
from novaproxy.catalog.update import apply_file
from novaproxy.credentials.seal import Sealers
from novaproxy.database.outage import OutageWatch
from novaproxy.database.pool import SoleConnection, Target, opened_connection, opened_pool
from novaproxy.http.fields import Fields
from novaproxy.http.refusals import Busy
from novaproxy.metrics.figures import Metrics
from novaproxy.orders.desk import HOT_LOCK_TIMEOUT, OrderDesk
from novaproxy.orders.model import Ask
from novaproxy.orders.placing import Answer, OutcomeUnknown, Placed, place_batch
from operations import told
from shop import CATALOG, SEALING_KEY, Buyer, new_buyer

assert HOT_LOCK_TIMEOUT == "700ms"
HELD_SECONDS = 0.9
"""Longer than the common batch waits for a lock, and shorter than an order aside does."""

CROWD = 32
RICH_CENTS = 1_000_000_00


@dataclass(slots=True)
class Counter:
    """A desk that is open, and a connection that looks at what it wrote."""

    desk: OrderDesk
    connection: SoleConnection
    target: Target
    kept: list[asyncio.Task[None]] = field(default_factory=list)

    async def buyers(self, number: int) -> list[Buyer]:
        return [await new_buyer(self.connection, RICH_CENTS) for _ in range(number)]

    async def order(self, buyer: Buyer, code: str | None = None) -> Answer:
        return await self.desk.place(ask(buyer, code))

    def crowd(self, buyers: list[Buyer], code: str | None = None) -> None:
        """Let each of *buyers* order again and again, as long as the counter is open."""

        async def again(buyer: Buyer) -> None:
            while True:
                await self.order(buyer, code)

        self.kept += [asyncio.create_task(again(buyer)) for buyer in buyers]

    async def orders_a_commit(self, seconds: float) -> float:
        """Return how many orders share a transaction in the next *seconds*; a batch has one time."""
        begun_at = await self.connection.fetchval("SELECT clock_timestamp()")
        await asyncio.sleep(seconds)
        counted = "SELECT count(*), count(DISTINCT created_at) FROM orders WHERE created_at > $1"
        orders, commits = await self.connection.fetchrow(counted, begun_at) or (0, 0)
        assert orders, "nothing is sold"
        return float(orders) / commits

    @asynccontextmanager
    async def held(self, table: str, key: str, value: object) -> AsyncIterator[None]:
        """Hold a row, as an operator's console does."""
        console = await opened_connection(self.target, idle_in_transaction_session_timeout="0")
        async with console.transaction():
            await console.execute(f"SELECT FROM {table} WHERE {key} = $1 FOR UPDATE", value)
            yield
        await console.close()


def ask(buyer: Buyer, code: str | None = None) -> Ask:
    fields = {"plan": "mobile", "bandwidth": "1"} | ({"discount_code": code} if code else {})
    return Ask(token_hash(buyer.token.encode()), None, Fields(fields, None))


@asynccontextmanager
async def opened_counter(database: Target) -> AsyncIterator[Counter]:
    connection = await opened_connection(database)
    await apply_file(connection, CATALOG.read_bytes(), "test", dry_run=False)
    pool = await opened_pool(database)
    outage = OutageWatch(pool)
    desk = OrderDesk(database, pool, Shelf(), Sealers((SEALING_KEY,)), Metrics("0", None), outage)
    serving = asyncio.create_task(desk.run())
    counter = Counter(desk, connection, database)
    try:
        yield counter
    finally:
        for task in counter.kept:
            task.cancel()
        desk.close()
        await asyncio.wait_for(serving, 20)
        await outage.close()
        await pool.close()
        await connection.close()


async def test_a_code_that_stood_aside_with_a_locked_account_is_sold_in_batches_again(database: Target) -> None:
    async with opened_counter(database) as counter:
        locked, *others = await counter.buyers(1 + CROWD)
        async with counter.held("account", "id", locked.account_id):
            waiting = asyncio.create_task(counter.order(locked, "TEN"))
            counter.crowd(others, "TEN")
            await asyncio.sleep(HELD_SECONDS)
        assert isinstance(await waiting, Placed)

        assert await counter.orders_a_commit(1) > 4


async def test_a_hot_account_that_was_locked_for_a_moment_is_sold_to_in_batches_again(database: Target) -> None:
    async with opened_counter(database) as counter:
        (locked,) = await counter.buyers(1)
        async with counter.held("account", "id", locked.account_id):
            counter.crowd([locked] * CROWD)
            await asyncio.sleep(HELD_SECONDS)
        await asyncio.sleep(0.5)

        assert await counter.orders_a_commit(1) > 4


async def test_a_locked_code_refuses_nothing_that_the_same_buyer_orders_without_it(database: Target) -> None:
    async with opened_counter(database) as counter:
        (buyer,) = await counter.buyers(1)
        async with counter.held("discount_code", "code", "TRIO"):
            with_code = asyncio.create_task(counter.order(buyer, "TRIO"))
            await asyncio.sleep(HELD_SECONDS)
            same_code, without = await asyncio.gather(counter.order(buyer, "TRIO"), counter.order(buyer))
            assert isinstance(await with_code, Busy)
        assert isinstance(same_code, Busy)
        assert told(without) == ("placed", 8_00)


async def test_a_commit_without_an_answer_is_still_a_question_behind_the_pool(database: Target) -> None:
    async with opened_counter(database) as counter:
        (buyer,) = await counter.buyers(1)
        with database_line(database) as line:
            pool = await asyncpg.create_pool(**line.target, min_size=0, max_size=1, command_timeout=1)
            line.fates = [Fate.SWALLOWED]
            sealer = await Sealers((SEALING_KEY,)).on(counter.connection)
            met: BaseException | None = None
            try:
                # As in the service, a command may take longer than giving its connection back.
                async with pool.acquire(timeout=0.5) as connection:
                    await place_batch(connection, [ask(buyer)], Shelf(), sealer)
            except Exception as error:  # noqa: BLE001 -- which one it is, is the question
                met = error
            line.released.set()
            pool.terminate()
        assert isinstance(met, OutcomeUnknown), repr(met)
        assert len(met.written) == 1
        assert await counter.connection.fetchval("SELECT count(*) FROM orders") == 1


async def test_who_waits_behind_a_locked_account_makes_the_desk_full_for_nobody(database: Target) -> None:
    async with opened_counter(database) as counter:
        locked, stranger = await counter.buyers(2)
        answers: list[Answer] = []
        async with counter.held("account", "id", locked.account_id):
            waiting = [asyncio.create_task(counter.order(locked))]
            await asyncio.sleep(0.03)
            waiting += [asyncio.create_task(counter.order(locked)) for _ in range(3)]
            until = time.monotonic() + 2
            while time.monotonic() < until:
                answers.append(await counter.order(stranger))
                await asyncio.sleep(0.02)
        assert {told(answer) for answer in answers} == {("placed", 8_00)}
        with suppress(Exception):
            await asyncio.wait_for(asyncio.gather(*waiting), 10)
