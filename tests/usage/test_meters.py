"""The meters of gateway processes at work: nothing is sold twice, nothing is lost, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from database_line import DatabaseLine, Place, Stop, database_line
from metering import meter_of, small_order
from novaproxy.database.pool import Target
from novaproxy.usage import counters, teller
from novaproxy.usage.held import GatewayLost, MeterUnavailable
from novaproxy.usage.meter import OrderMeter
from novaproxy.usage.teller import Meters, opened_meters
from roles import as_service, through
from services import EFFORT
from shop import Shop

pytestmark = pytest.mark.usefixtures("_audited")

MILLION = 1_000_000


async def pumped(meter: OrderMeter, most: int | None = None, chunk: int = 10_000) -> int:
    """Pass bytes as fast as they come until *most* passed or the order is exhausted; return how many did."""
    passed = 0
    while not meter.is_exhausted and (most is None or passed < most):
        taken = meter.take(chunk if most is None else min(chunk, most - passed))
        if taken:
            # A part of what was taken does not pass at once, as where the far side takes less.
            half = taken - taken // 3
            meter.passed_up(half // 2)
            meter.passed_down(half - half // 2)
            meter.give_back(taken - half)
            passed += half
            await asyncio.sleep(0)
        else:
            more = asyncio.Event()
            forget = meter.when_more(more.set)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await more.wait()
            forget()
    return passed


def meters_on(target: Target, directory: Path, **callbacks: Any) -> AbstractAsyncContextManager[Meters]:  # noqa: ANN401 -- functions
    """Open meters of a gateway of the test."""
    return opened_meters(target, directory, "test", **callbacks)


@asynccontextmanager
async def pumping(meters: Meters, order_id: int) -> AsyncIterator[OrderMeter]:
    """Hold an order's meter with a tunnel."""
    meter = await meters.opened(order_id)
    meter.tunnel_opened()
    try:
        yield meter
    finally:
        meter.tunnel_closed()
        meters.closed(meter)


@pytest.mark.parametrize("gateways", [1, 2, 4])
def test_gateways_sell_a_small_order_together_to_the_last_byte_and_none_above(
    shop: Shop, tmp_path: Path, gateways: int
) -> None:
    order_id = small_order(shop, 7_654_321)
    exhausted: list[int] = []

    async def sell() -> int:
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(
                    meters_on(as_service(shop.target), tmp_path, on_exhausted=exhausted.append)
                )
                for _ in range(gateways)
            ]
            held = [await stack.enter_async_context(pumping(meters, order_id)) for meters in opened]
            async with asyncio.timeout(20):
                passed = await asyncio.gather(*(pumped(meter) for meter in held for _ in range(3)))
        return sum(passed)

    assert asyncio.run(sell()) == 7_654_321
    assert exhausted == [order_id] * gateways
    assert meter_of(shop, order_id) == (7_654_321, 0, "exhausted")
    assert shop.value("SELECT sum(connections)::int FROM usage_hour WHERE order_id = $1", order_id) == gateways
    assert shop.value("SELECT count(*) FROM lease") == 0
    assert list(tmp_path.iterdir()) == []


def files(directory: Path) -> int:
    """Return how many files there are in *directory*."""
    return len(list(directory.iterdir()))


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 -- nothing tells
            await asyncio.sleep(0.01)


def sound(shop: Shop, tmp_path: Path, **callbacks: Any) -> AbstractAsyncContextManager[Meters]:  # noqa: ANN401 -- functions
    """Open meters whose line to the database is sound."""
    return opened_meters(as_service(shop.target), tmp_path, "test", **callbacks)


async def test_an_order_that_is_not_there_has_no_meter(database: Target, tmp_path: Path) -> None:
    async with opened_meters(as_service(database), tmp_path, "test") as meters:
        with pytest.raises(LookupError):
            await meters.opened(999_999)


async def test_an_order_for_which_the_file_has_no_room_has_no_meter(
    database: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "MOST_SLOTS", 0)
    async with opened_meters(as_service(database), tmp_path, "test") as meters:
        opening = [asyncio.create_task(meters.opened(order_id)) for order_id in range(1, counters.FIRST_SLOTS + 2)]
        ended = await asyncio.gather(*opening, return_exceptions=True)
    assert [type(error) for error in ended] == [LookupError] * counters.FIRST_SLOTS + [MeterUnavailable]


def test_what_passed_is_seen_within_two_seconds_and_what_is_idle_goes_back(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)

    async def work() -> tuple[int, int]:
        async with sound(shop, tmp_path) as meters, pumping(meters, order_id) as meter:
            assert await pumped(meter, 1_234) == 1_234
            await asyncio.sleep(1)
            seen, _, _ = await asyncio.to_thread(meter_of, shop, order_id)
            assert seen == 1_234
            await asyncio.sleep(1)
            assert await asyncio.to_thread(meter_of, shop, order_id) == (1_234, 0, "active")
            rounds = meters.rounds
            await asyncio.sleep(1)
            assert await pumped(meter, 1) == 1
            return rounds, meters.rounds

    before, after = asyncio.run(work())
    assert after - before <= 2


def test_a_meter_that_nobody_holds_is_closed_and_opened_anew(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "KEPT_SECONDS", 0.1)
    order_id = small_order(shop)

    async def work() -> None:
        async with sound(shop, tmp_path) as meters:
            for _ in range(3):
                async with pumping(meters, order_id) as meter:
                    await pumped(meter, 100)
                await until(lambda: not meters.held_orders)
            # Whoever comes while it is closing waits for its end.
            async with pumping(meters, order_id) as meter:
                await pumped(meter, 100)

    asyncio.run(work())
    assert meter_of(shop, order_id) == (400, 0, "active")


def test_an_order_sold_by_time_is_counted_and_not_limited(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop, None)

    async def work() -> None:
        async with sound(shop, tmp_path) as meters, pumping(meters, order_id) as meter:
            for _ in range(100):
                assert meter.take(10**9) == 10**9
                meter.passed_down(10**9)

    asyncio.run(work())
    assert meter_of(shop, order_id) == (10**11, 0, "active")


def test_while_the_database_is_away_only_what_was_lent_passes_and_later_all_is_counted(
    shop: Shop, tmp_path: Path
) -> None:
    order_id, timed_id = small_order(shop, 3 * MILLION), small_order(shop, None)

    async def work(line: DatabaseLine) -> None:
        async with (
            meters_on(through(line.target, shop.target), tmp_path) as meters,
            pumping(meters, order_id) as meter,
            pumping(meters, timed_id) as timed,
        ):
            passed = await pumped(meter, 1_000)
            line.is_down = True
            line.cut()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await pumped(meter)
            passed = meter.up_bytes + meter.down_bytes
            consumed, leased, _ = await asyncio.to_thread(meter_of, shop, order_id)
            assert passed <= consumed + leased < 3 * MILLION
            assert meter.take(1) == 0
            assert await pumped(timed, 5 * MILLION) == 5 * MILLION
            with pytest.raises(MeterUnavailable):
                await asyncio.wait_for(meters.opened(small_id), 10)
            line.is_down = False
            async with asyncio.timeout(10):
                await pumped(meter)
            assert meter.up_bytes + meter.down_bytes == 3 * MILLION

    small_id = small_order(shop)
    with database_line(shop.target) as line, pytest.MonkeyPatch.context() as patched:
        patched.setattr(teller, "PATIENCE_SECONDS", 0.3)
        asyncio.run(work(line))
    assert meter_of(shop, order_id) == (3 * MILLION, 0, "exhausted")
    assert meter_of(shop, timed_id) == (5 * MILLION, 0, "active")


def test_whoever_opens_an_order_in_an_outage_has_it_when_the_database_is_back(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)

    async def work(line: DatabaseLine) -> None:
        async with meters_on(through(line.target, shop.target), tmp_path) as meters:
            line.is_down = True
            line.cut()
            opening = asyncio.create_task(meters.opened(order_id))
            await asyncio.sleep(0.5)
            assert not opening.done()
            line.is_down = False
            async with asyncio.timeout(3):
                meter = await opening
            assert await pumped(meter, 1_000) == 1_000

    with database_line(shop.target) as line:
        asyncio.run(work(line))
    assert meter_of(shop, order_id) == (1_000, 0, "active")


def test_the_signs_of_life_of_a_gateway_at_rest_are_seen(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "SEEN_SECONDS", 0.1)
    seen = "SELECT seen_at FROM gateway ORDER BY id DESC LIMIT 1"

    async def work() -> None:
        async with sound(shop, tmp_path):
            before = await asyncio.to_thread(shop.value, seen)
            await asyncio.sleep(0.5)
            assert await asyncio.to_thread(shop.value, seen) > before

    asyncio.run(work())


@pytest.mark.parametrize("place", Place)
def test_a_round_whose_way_breaks_anywhere_counts_once(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    monkeypatch.setattr(teller, "_COMMAND_SECONDS", 0.15)
    order_id = small_order(shop, 4 * MILLION)

    async def work(line: DatabaseLine) -> None:
        async with meters_on(through(line.target, shop.target), tmp_path) as meters, pumping(meters, order_id) as meter:
            # Those of a connection's first three rounds; before them it is not yet let in.
            for trip in (4, 5, 6) * EFFORT:
                await pumped(meter, 50_000)
                line.stop_at(Stop(b"novaproxy gateway", trip, place, of_all=True))
                line.cut()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.6):
                        while not line.stopped.is_set():
                            await pumped(meter, 20_000)
                            await asyncio.sleep(0.01)
                assert line.stopped.is_set()
            async with asyncio.timeout(10):
                await pumped(meter)

    with database_line(shop.target) as line:
        asyncio.run(work(line))
    assert meter_of(shop, order_id) == (4 * MILLION, 0, "exhausted")


def test_a_gateway_that_was_given_up_passes_nothing_more(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)
    lost: list[bool] = []

    async def work() -> int:
        async with sound(shop, tmp_path, on_lost=lambda: lost.append(True)) as meters:
            meter = await meters.opened(order_id)
            passed = await pumped(meter, 1_000)
            await asyncio.sleep(0.7)
            await asyncio.to_thread(shop.sql, "SELECT lose_gateway(max(id)) FROM gateway")
            passed += await pumped(meter, 1_000)
            await until(lambda: meters.is_lost)
            assert meter.take(1) == 0
            with pytest.raises(GatewayLost):
                await meters.opened(order_id)
            with pytest.raises(GatewayLost):
                await meters.take_tunnel(meter, 1)
        return passed

    passed = asyncio.run(work())
    assert lost == [True]
    consumed, leased, _ = meter_of(shop, order_id)
    # What it had reserved is charged: at least what passed.
    assert passed <= consumed
    assert leased == 0
    assert list(tmp_path.iterdir()) == []


def test_tunnels_at_once_are_limited_exactly_over_gateways(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)

    async def work() -> None:
        async with sound(shop, tmp_path) as one, sound(shop, tmp_path) as other:
            pairs = [(meters, await meters.opened(order_id)) for meters in (one, other)]
            for _ in range(3):
                taken = await asyncio.gather(*(meters.take_tunnel(meter, 7) for meters, meter in pairs * 10))
                assert sum(taken) == 7
                assert [await meters.take_tunnel(meter, 7) for meters, meter in pairs] == [False, False]
                pairs[0][0].give_tunnel(pairs[0][1]) if taken[0] else pairs[1][0].give_tunnel(pairs[1][1])
                await asyncio.sleep(0.1)
                again = [await meters.take_tunnel(meter, 7) for meters, meter in pairs]
                assert sum(again) == 1
                for (meters, meter), is_taken in zip([*pairs * 10, *pairs], [*taken, *again], strict=True):
                    if is_taken and meter.held_tunnels:
                        meters.give_tunnel(meter)
                await asyncio.sleep(0.1)
                held = await asyncio.to_thread(
                    shop.value, "SELECT sum(tunnels)::int FROM lease WHERE order_id = $1", order_id
                )
                assert held == sum(meter.held_tunnels for _, meter in pairs) == 0

    asyncio.run(work())


def test_two_gateways_share_the_speed_that_was_sold(shop: Shop, tmp_path: Path) -> None:
    order_id, speed_mbits, seconds = small_order(shop, None), 80, 2

    async def work() -> int:
        async with sound(shop, tmp_path) as one, sound(shop, tmp_path) as other:
            held = [await meters.opened(order_id, speed_mbits) for meters in (one, other)]
            pumps = [asyncio.create_task(pumped(meter, 10**12, chunk=10**6)) for meter in held for _ in range(2)]
            # They find their shares within two rounds.
            await asyncio.sleep(1.5)
            before = sum(meter.up_bytes + meter.down_bytes for meter in held)
            await asyncio.sleep(seconds)
            passed = sum(meter.up_bytes + meter.down_bytes for meter in held) - before
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        return passed

    passed = asyncio.run(work())
    sold = speed_mbits * 125_000 * seconds
    # A machine that is busy with other things may be slower; faster it must never be.
    assert passed <= 1.1 * sold
    assert passed >= 0.7 * sold


def test_without_a_limit_a_tunnel_costs_no_round(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)

    async def work() -> None:
        async with sound(shop, tmp_path) as meters:
            meter = await meters.opened(order_id)
            rounds = meters.rounds
            for _ in range(100):
                assert await meters.take_tunnel(meter, None)
            assert meters.rounds == rounds

    asyncio.run(work())


def test_refusals_are_counted_by_their_reasons(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)

    async def work() -> None:
        async with sound(shop, tmp_path) as meters:
            for reason in ("wrong_port", "no_exit", "no_exit"):
                meters.refused(order_id, reason)
            await asyncio.sleep(0.7)
            meters.refused(order_id, "no_exit")

    asyncio.run(work())
    rows = shop.sql("SELECT reason, refusals FROM usage_refusal WHERE order_id = $1 ORDER BY reason", order_id)
    assert [(row["reason"], row["refusals"]) for row in rows] == [("no_exit", 3), ("wrong_port", 1)]


def test_a_gateway_that_ends_while_the_database_is_away_is_settled_by_the_next(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "END_SECONDS", 0.3)
    order_id = small_order(shop)

    async def work(line: DatabaseLine) -> None:
        async with meters_on(through(line.target, shop.target), tmp_path) as meters:
            meter = await meters.opened(order_id)
            await pumped(meter, 12_345)
            line.is_down = True
            line.cut()
        assert files(tmp_path) == 1
        async with sound(shop, tmp_path):
            assert await asyncio.to_thread(meter_of, shop, order_id) == (12_345, 0, "active")

    with database_line(shop.target) as line:
        asyncio.run(work(line))
    assert list(tmp_path.iterdir()) == []
