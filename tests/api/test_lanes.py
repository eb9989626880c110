"""Who is in which of two batches that are under way side by side."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from novaproxy.database.line import Line
from novaproxy.database.pool import Target
from novaproxy.http.fields import Fields
from novaproxy.orders.lanes import LANES, Lane, Lanes, Waiting
from novaproxy.orders.model import Ask
from novaproxy.orders.pace import LARGEST_BATCH


def waiting(token: int, code: str | None = None) -> Waiting:
    fields = Fields({} if code is None else {"discount_code": code}, None)
    ask = Ask(token.to_bytes(32), None, fields)
    return Waiting(ask, asyncio.get_running_loop().create_future(), time.monotonic())


def taken(lanes: Lanes, lane: Lane) -> list[Waiting]:
    """Return what *lane* takes, and let it be under way."""
    batch: list[Waiting] = []
    room = lanes.room()
    while len(batch) < room and (one := lanes.next(lane)):
        batch.append(one)
    if batch:
        lanes.begin(lane, batch)
    return batch


def tokens(batch: Sequence[Waiting]) -> list[int]:
    return [int.from_bytes(one.ask.token_hash) for one in batch]


@asynccontextmanager
async def opened_lanes(database: Target) -> AsyncIterator[tuple[Lanes, Lane, Lane]]:
    lines = [Line(database, command_timeout=5, settings={}) for _ in range(LANES)]
    for line in lines:
        await line.connection()
    lanes = Lanes(lines)
    first, second = lanes.all
    yield lanes, first, second
    for lane in lanes.all:
        lanes.end(lane)
        await lane.line.close()


async def test_each_lane_takes_its_share_of_a_crowd(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        for token in range(40):
            lanes.add(waiting(token))
        assert tokens(taken(lanes, first)) == list(range(20))
        assert second.woken.is_set()
        assert tokens(taken(lanes, second)) == list(range(20, 40))


async def test_a_lane_takes_all_of_them_where_the_other_has_no_connection(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        second.line.drop()
        for token in range(40):
            lanes.add(waiting(token))
        assert len(taken(lanes, first)) == 40
        lanes.add(waiting(99))
        assert not second.woken.is_set()


async def test_no_batch_is_larger_than_the_largest(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, _):
        for token in range(500):
            lanes.add(waiting(token))
        assert len(taken(lanes, first)) == LARGEST_BATCH


async def test_few_orders_wait_for_the_batch_under_way_until_it_is_overdue(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        second.line.drop()
        for token in range(10):
            lanes.add(waiting(token))
        assert len(taken(lanes, first)) == 10
        await second.line.connection()
        lanes.add(waiting(10))
        assert taken(lanes, second) == []
        assert not second.woken.is_set()
        await asyncio.wait_for(second.woken.wait(), 5)
        assert tokens(taken(lanes, second)) == [10]


async def test_orders_of_an_account_or_a_code_wait_behind_the_batch_that_has_it(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        for one in [waiting(1, "SPRING"), waiting(2), waiting(1), waiting(3, "spring")]:
            lanes.add(one)
        assert tokens(taken(lanes, first)) == [1, 2]
        lanes.add(waiting(2))
        assert taken(lanes, second) == [], "all that wait want what the first lane has"
        assert len(lanes) == 3
        lanes.add(waiting(4))
        lanes.add(waiting(5))
        assert tokens(taken(lanes, second)) == [4, 5]
        lanes.end(first)
        assert tokens(taken(lanes, first)) == [1, 3, 2], "by their arrival"


async def test_who_waits_longest_is_known_also_behind_a_batch(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, _):
        assert lanes.oldest_at is None
        lanes.add(waiting(1))
        taken(lanes, first)
        assert lanes.oldest_at is None
        behind = waiting(1)
        lanes.add(behind)
        lanes.add(waiting(2))
        assert lanes.oldest_at == behind.arrived_at
