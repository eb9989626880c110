"""A meter by itself: what may be taken, what is asked for, and who goes on when there is more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from novaproxy.usage.counters import Count, CounterFile
from novaproxy.usage.meter import FIRST_BYTES, FLOOR_BYTES, IDLE_NS, Answered, Bell, OrderMeter, Told

if TYPE_CHECKING:
    from novaproxy.gateway.allowance import Allowance

ORDER = 7


@dataclass(slots=True)
class Task:
    """Stands in the place of the keeping task: it notes who calls, and has a clock of its own."""

    file: CounterFile
    now_ns: int = 1
    needs: int = 0
    lives: int = 0
    opened: list[OrderMeter] = field(default_factory=list)

    def meter(self, speed_mbits: int | None = None) -> OrderMeter:
        """Return a meter that nothing was lent to."""
        meter = OrderMeter(ORDER, self.file, speed_mbits, Bell(self._need, self._live, lambda: self.now_ns))
        self.opened.append(meter)
        return meter

    def _need(self, _meter: OrderMeter) -> None:
        self.needs += 1

    def _live(self, _meter: OrderMeter) -> None:
        self.lives += 1

    def lend(self, meter: OrderMeter, leased: int, free: int = 10**12, **more: int) -> Told:
        """Let a round go by that lends *leased* bytes; return what was told."""
        told = meter.told()
        meter.answered(told, answered(leased, free, **more))
        return told


def answered(leased: int, free: int, **more: int) -> Answered:
    """Return a word of the database on the order."""
    return Answered(
        ORDER,
        is_here=True,
        is_metered=bool(more.get("is_metered", True)),
        is_sold=bool(more.get("is_sold", True)),
        is_exhausted=False,
        leased_bytes=leased,
        free_bytes=free,
        tunnels=0,
        bytes_per_second=more.get("bytes_per_second", 10**12),
    )


@pytest.fixture
async def task(tmp_path: Path) -> AsyncIterator[Task]:
    file = CounterFile.created(tmp_path, uuid4())
    opened = Task(file)
    yield opened
    for meter in opened.opened:
        meter.end()
    file.removed()


async def test_it_is_what_tunnels_take_from(task: Task) -> None:
    allowance: Allowance = task.meter()
    assert allowance.take(1) == 0


async def test_nothing_is_taken_before_something_was_lent(task: Task) -> None:
    meter = task.meter()

    assert meter.take(1) == 0
    assert meter.take(1) == 0
    assert task.needs == 1
    assert meter.told().wanted_bytes == FIRST_BYTES


async def test_no_more_is_taken_than_was_lent(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 1_000)

    assert (meter.take(600), meter.take(600), meter.take(1)) == (600, 400, 0)
    meter.give_back(300)
    assert meter.take(1_000) == 300


async def test_what_passes_stands_in_the_file(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 1_000)
    meter.take(900)

    meter.passed_up(200)
    meter.passed_down(300)
    meter.tunnel_opened()

    assert list(task.file.counts()) == [Count(ORDER, 200, 300, 1)]
    told = meter.told()
    assert (told.up_bytes, told.down_bytes, told.connections, told.tunnels) == (200, 300, 1, 1)


async def test_what_was_lent_counts_from_what_was_told(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 1_000)
    meter.passed_up(meter.take(500))
    told = meter.told()
    # While the round is under way.
    meter.passed_up(meter.take(200))

    meter.answered(told, answered(leased=800, free=1))

    assert meter.take(10_000) == 600


async def test_what_is_given_back_is_not_taken_any_more_from_the_moment_on_when_it_is_told(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 1_000)
    meter.take(300)
    meter.give_back(300)
    # The first look sees that something moved.
    meter.told()
    task.now_ns += IDLE_NS

    assert meter.is_due(task.now_ns)
    assert meter.told().wanted_bytes == 0
    assert meter.take(1) == 0


async def test_what_is_taken_is_not_given_back(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 100 * FIRST_BYTES)
    assert meter.take(50 * FIRST_BYTES) == 50 * FIRST_BYTES
    task.now_ns += 2 * IDLE_NS

    assert meter.told().wanted_bytes >= 50 * FIRST_BYTES
    meter.passed_down(50 * FIRST_BYTES)
    assert meter.down_bytes == 50 * FIRST_BYTES


async def test_more_is_asked_for_before_all_is_spent(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 1_000)
    meter.take(400)
    assert task.needs == 0
    meter.take(200)
    assert task.needs == 1


async def test_who_waits_is_called_when_there_is_more_and_once(task: Task) -> None:
    meter = task.meter()
    called: list[int] = []
    for number in range(3):
        meter.when_more(lambda number=number: called.append(number))  # type: ignore[misc] # mypy knows no default here
    forget = meter.when_more(lambda: called.append(99))
    forget()
    assert task.needs == 1

    task.lend(meter, 1_000)
    await asyncio.sleep(0.02)
    assert called == [0, 1, 2]
    task.lend(meter, 1_000)
    await asyncio.sleep(0.02)
    assert called == [0, 1, 2]


async def test_who_waits_is_called_when_another_gives_back(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 100, free=0)
    assert meter.take(100) == 100
    more = asyncio.Event()
    meter.when_more(more.set)

    meter.give_back(40)

    await asyncio.wait_for(more.wait(), 1)
    assert meter.take(100) == 40


async def test_an_answer_that_brings_nothing_is_not_asked_for_at_once_again(task: Task) -> None:
    meter = task.meter()
    meter.when_more(lambda: None)
    task.lend(meter, 0, free=0)
    needs = task.needs

    for _ in range(10):
        meter.take(1)

    assert task.needs == needs
    assert meter.is_due(task.now_ns)


async def test_an_order_that_is_no_longer_sold_passes_what_was_taken_alone(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 0, is_metered=0)
    assert meter.take(10**15) == 10**15
    task.lend(meter, 0, is_metered=0, is_sold=0)

    assert meter.take(1) == 0
    meter.passed_down(10**15)
    assert meter.take(1) == 0


async def test_after_its_end_nothing_passes_and_nothing_is_written(task: Task) -> None:
    meter = task.meter()
    task.lend(meter, 1_000)
    meter.take(500)
    task.file.freed(meter.end())

    meter.passed_up(500)

    assert meter.take(1) == 0
    assert list(task.file.counts()) == []


async def test_a_fast_order_is_lent_more_and_an_idle_one_little(task: Task) -> None:
    meter = task.meter()
    lent = [task.lend(meter, 10 * FIRST_BYTES).wanted_bytes]
    for _ in range(3):
        meter.passed_down(meter.take(10 * FIRST_BYTES))
        meter.when_more(lambda: None)()
        task.now_ns += IDLE_NS // 5
        lent.append(task.lend(meter, 10 * FIRST_BYTES).wanted_bytes)
    assert lent == sorted(lent)
    assert lent[-1] >= 50 * FIRST_BYTES * 0.9
    meter.told()
    task.now_ns += 2 * IDLE_NS
    assert meter.told().wanted_bytes == 0
    meter.take(1)
    task.now_ns += IDLE_NS
    assert meter.told().wanted_bytes <= 4 * FLOOR_BYTES


async def test_all_tunnels_of_an_order_share_its_speed_evenly(tmp_path: Path) -> None:
    file = CounterFile.created(tmp_path, uuid4())
    loop = asyncio.get_running_loop()
    bell = Bell(lambda _: None, lambda _: None, lambda: int(loop.time() * 10**9))
    meter = OrderMeter(ORDER, file, 80, bell)
    meter.answered(meter.told(), answered(10**12, 10**12))
    passed = [0] * 4

    def tunnel(number: int) -> Callable[[], None]:
        def move() -> None:
            while count := meter.take(1024 * 1024):
                meter.passed_down(count)
                passed[number] += count
            meter.when_more(move)

        return move

    for number in range(4):
        tunnel(number)()
    await asyncio.sleep(1)

    meter.end()
    file.removed()
    # 80 Mbit/s are 10,000,000 bytes, and a twentieth of a second's worth is there at the beginning.
    assert 0.85 * 10**7 <= sum(passed) <= 1.15 * 10**7
    assert min(passed) >= 0.6 * max(passed)
