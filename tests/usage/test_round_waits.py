"""Rounds that meet at a meter: each sees what the one before it left. The waiting is seen, not slept for."""

import asyncio
from collections.abc import Callable

import pytest

from metering import meter_of, open_gateway, settled, small_order
from novaproxy.database.pool import SoleConnection, opened_connection
from novaproxy.usage.meter import Answered, Told
from roles import as_service
from shop import Shop

pytestmark = pytest.mark.usefixtures("_audited")


async def waiting(owner: SoleConnection, pid: int) -> None:
    """Wait until the session *pid* waits for a lock."""
    async with asyncio.timeout(5):
        while not await owner.fetchval("SELECT pg_blocking_pids($1) <> '{}'", pid):  # noqa: ASYNC110 -- nothing tells
            await asyncio.sleep(0.01)


async def answered_behind(
    shop: Shop, order_id: int, left: Callable[[SoleConnection, int], object], told: Told
) -> Answered:
    """Return what *told* is answered when it waited for a transaction that holds the order's meter.

    That is a round of another gateway, which *left* tells.
    """
    other, own = await opened_connection(as_service(shop.target)), await opened_connection(as_service(shop.target))
    owner = await opened_connection(shop.target)
    try:
        gateway_id, other_id = await open_gateway(own), await open_gateway(other)
        transaction = other.transaction()
        await transaction.start()
        await settled(other, other_id, 1, left(other, order_id))  # type: ignore[arg-type] # what it tells
        asking = asyncio.create_task(settled(own, gateway_id, 1, told))
        await waiting(owner, own.get_server_pid())
        await transaction.commit()
        (answer,) = await asking
        return answer
    finally:
        for connection in (other, own, owner):
            await connection.close()


def test_who_waits_for_a_meter_finds_its_bytes_lent(shop: Shop) -> None:
    order_id = small_order(shop, 60_000)

    answer = asyncio.run(
        answered_behind(
            shop,
            order_id,
            lambda _, order: Told(order, 0, 0, 0, 60_000, opens=True),
            Told(order_id, 0, 0, 0, 60_000, opens=True),
        )
    )

    assert (answer.leased_bytes, answer.free_bytes) == (0, 0)
    assert meter_of(shop, order_id) == (0, 60_000, "active")


def test_who_waits_for_a_meter_finds_its_tunnels_open(shop: Shop) -> None:
    order_id = small_order(shop)

    answer = asyncio.run(
        answered_behind(
            shop,
            order_id,
            lambda _, order: Told(order, 0, 0, 0, 1, opens=True, wanted_tunnels=3, tunnel_limit=4),
            Told(order_id, 0, 0, 0, 1, opens=True, wanted_tunnels=3, tunnel_limit=4),
        )
    )

    assert answer.tunnels == 1


def test_meters_are_locked_by_their_ids(shop: Shop) -> None:
    lower, higher = small_order(shop), small_order(shop)
    # The lower id lies behind the higher one, is told behind it, and no index puts them in order.
    shop.sql("UPDATE meter SET consumed_bytes = consumed_bytes WHERE order_id = $1", lower)

    async def work() -> bool:
        own = await opened_connection(as_service(shop.target), enable_indexscan="off", enable_bitmapscan="off")
        holder = await opened_connection(shop.target)
        owner = await opened_connection(shop.target)
        gateway_id = await open_gateway(own)
        try:
            async with holder.transaction():
                await holder.execute("SELECT FROM meter WHERE order_id = $1 FOR NO KEY UPDATE", lower)
                told = [Told(order_id, 0, 0, 0, 1, opens=True) for order_id in (higher, lower)]
                asking = asyncio.create_task(settled(own, gateway_id, 1, *told))
                await waiting(owner, own.get_server_pid())
                # It waits for the lower one, and does not hold the higher one yet.
                free = await owner.fetch("SELECT FROM meter WHERE order_id = $1 FOR NO KEY UPDATE SKIP LOCKED", higher)
            await asking
            return bool(free)
        finally:
            for connection in (own, holder, owner):
                await connection.close()

    assert asyncio.run(work())
