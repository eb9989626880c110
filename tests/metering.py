"""Bytes that pass through a gateway, for tests that need some to have passed."""

from uuid import UUID, uuid4

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.usage.meter import Answered, Told
from novaproxy.usage.rounds import Refusals, Standing, settle_round
from shop import CATALOG, Buyer, Shop


async def open_gateway(connection: SoleConnection) -> int:
    """Write a gateway down, and return its id."""
    gateway_id: int = await connection.fetchval(statement("novaproxy.usage", "open_gateway"), uuid4(), "test")
    return gateway_id


async def settled(
    connection: SoleConnection, gateway_id: int, number: int, *told: Told, ends: bool = False
) -> list[Answered]:
    """Settle a round without refusals, and return what it answered."""
    standing, answers = await settle_round(connection, gateway_id, number, told, Refusals(), ends=ends)
    assert standing is Standing.OPEN
    return answers


async def pass_bytes(connection: SoleConnection, order_id: int, count: int, leased: int = 0) -> int:
    """Let *count* bytes of an order pass through a new gateway, which then holds *leased* ones; return its id."""
    gateway_id = await open_gateway(connection)
    await settled(connection, gateway_id, 1, Told(order_id, 0, 0, 0, wanted_bytes=count + leased, opens=True))
    await settled(connection, gateway_id, 2, Told(order_id, count // 3, count - count // 3, 1, wanted_bytes=leased))
    return gateway_id


def pass_bytes_of(shop: Shop, uuid: str, count: int, leased: int = 0) -> None:
    """Let bytes of the order *uuid* pass, likewise."""
    order_id = shop.value("SELECT id FROM orders WHERE uuid = $1", UUID(uuid))
    shop.run(lambda connection: pass_bytes(connection, order_id, count, leased))


def small_order(shop: Shop, initial_bytes: int | None = 1_000_000, buyer: Buyer | None = None) -> int:
    """Sell an order and make it smaller than a shop can sell one; return its id. None: sold by time, unmetered.

    S3 is then broken on purpose: ``assert_bytes_hold`` looks past it.
    """
    if not shop.value("SELECT count(*) FROM catalog_revision"):
        shop.apply_catalog(CATALOG.read_text())
    if initial_bytes is None:
        answer = shop.order(buyer or shop.buyer(), plan="unlimited", duration="1_month")
    else:
        answer = shop.order(buyer or shop.buyer(), plan="free", bandwidth=1)
    assert answer.status_code == 201, answer.text
    order_id: int = shop.value("SELECT id FROM orders WHERE uuid = $1", UUID(answer.json()["uuid"]))
    if initial_bytes is not None:
        shop.sql("UPDATE meter SET initial_bytes = $2 WHERE order_id = $1", order_id, initial_bytes)
    return order_id


def assert_bytes_hold(shop: Shop) -> None:
    """Assert that the audit finds nothing, but that small orders are smaller than what was sold."""
    broken = {finding.invariant: finding for finding in shop.findings() if finding.breaches}
    small = shop.value(
        "SELECT count(*) FROM meter JOIN orders ON orders.id = order_id "
        "WHERE initial_bytes <> bandwidth_gb::bigint * 1073741824 AND consumed_bytes + leased_bytes <= initial_bytes"
    )
    lessened = broken.pop("S3", None)
    assert (lessened.breaches if lessened else 0) == small
    assert broken == {}


def meter_of(shop: Shop, order_id: int) -> tuple[int, int, str]:
    """Return what is consumed and leased of an order, and its status."""
    (row,) = shop.sql(
        "SELECT consumed_bytes, leased_bytes, status FROM meter JOIN orders ON orders.id = order_id "
        "WHERE order_id = $1",
        order_id,
    )
    return row["consumed_bytes"], row["leased_bytes"], row["status"]
