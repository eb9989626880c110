"""Who is in which of two batches that are under way side by side."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from novaproxy.database.line import Line
from novaproxy.database.pool import Target
from novaproxy.http.fields import Fields
from novaproxy.orders.lanes import LANES, OVERDUE_SECONDS, Lane, Lanes, Waiting
from novaproxy.orders.model import Ask
from novaproxy.orders.pace import LARGEST_BATCH


def waiting(token: int) -> Waiting:
    ask = Ask(token.to_bytes(32), None, Fields({}, None))
    return Waiting(ask, asyncio.get_running_loop().create_future(), time.monotonic())


def taken(lanes: Lanes, lane: Lane) -> list[Waiting]:
    """Return what *lane* takes, and let it be under way."""
    batch: list[Waiting] = []
    crowd, room = lanes.turn()
    while crowd and len(batch) < room:
        batch.append(crowd.popleft())
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
    try:
        yield lanes, first, second
    finally:
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


async def test_orders_of_an_account_wait_behind_the_batch_that_has_it(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        crowd = [waiting(1), waiting(2), waiting(6), waiting(7), waiting(1), waiting(6), waiting(2)]
        for one in crowd:
            lanes.add(one)
        assert tokens(taken(lanes, first)) == [1, 2, 6, 7]
        assert taken(lanes, second) == [], "all that wait want what the first lane has, and they are few"
        assert len(lanes) == 3
        for token in (4, 5, 8, 9):
            lanes.add(waiting(token))
        assert tokens(taken(lanes, second)) == [4, 5, 8, 9]
        lanes.add(waiting(4))
        lanes.end(first)
        assert tokens(taken(lanes, first)) == [], "there are less than in the second one"
        lanes.end(second)
        assert tokens(taken(lanes, first)) == [1, 6], "by their arrival"
        assert tokens(taken(lanes, second)) == [2, 4]


async def test_who_all_want_one_account_follow_its_batch_close(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        for _ in range(8):
            lanes.add(waiting(1))
        assert len(taken(lanes, first)) == 4
        assert len(taken(lanes, second)) == 4, "they wait for its locks"
        lanes.add(waiting(1))
        lanes.end(first)
        assert taken(lanes, first) == [], "he goes behind the second batch now"
        assert len(second.behind) == 1
        for _ in range(3):
            lanes.add(waiting(1))
        assert first.woken.is_set()
        assert len(taken(lanes, first)) == 4


async def test_a_crowd_on_one_account_does_not_pass_a_stranger_who_came_before(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        for _ in range(8):
            lanes.add(waiting(1))
        assert (len(taken(lanes, first)), len(taken(lanes, second))) == (4, 4)
        lanes.add(waiting(2))
        for _ in range(8):
            lanes.add(waiting(1))
        lanes.end(first)
        assert taken(lanes, first) == [], "the crowd behind the second lane came later than he"
        lanes.end(second)
        assert 2 in tokens(taken(lanes, second))


async def test_who_is_lined_up_behind_another_lane_stands_there_by_his_arrival(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        for _ in range(8):
            lanes.add(waiting(1))
        assert (len(taken(lanes, first)), len(taken(lanes, second))) == (4, 4)
        early = waiting(1)
        second.behind.append(early)
        first.behind.append(waiting(1))
        lanes.end(second)
        assert first.behind[0] is early
        assert lanes.oldest_at == early.arrived_at


async def test_nobody_follows_a_batch_that_is_overdue(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, second):
        for _ in range(8):
            lanes.add(waiting(1))
        assert len(taken(lanes, first)) == 4
        await asyncio.sleep(OVERDUE_SECONDS * 2)
        assert taken(lanes, second) == []
        lanes.add(waiting(2))
        assert tokens(taken(lanes, second)) == [2]


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


async def test_who_waits_behind_an_overdue_batch_says_nothing_about_other_turns(database: Target) -> None:
    async with opened_lanes(database) as (lanes, first, _):
        lanes.add(waiting(1))
        taken(lanes, first)
        lanes.add(waiting(1))
        await asyncio.sleep(OVERDUE_SECONDS + 0.1)
        assert lanes.oldest_at is None
        stranger = waiting(2)
        lanes.add(stranger)
        assert lanes.oldest_at == stranger.arrived_at
