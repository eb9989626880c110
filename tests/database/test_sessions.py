"""What every session of ours promises, whatever the server's defaults are; and who registers the first key."""

import asyncio
import os

from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target, opened_connection, opened_pool
from novaproxy.errors import OperatorError
from novaproxy.ledger.audit import audit
from shop import Shop, on_connection


def test_a_commit_waits_for_the_disk_where_the_servers_default_does_not(database: Target) -> None:
    async def shown(connection: SoleConnection) -> list[str]:
        await connection.execute(f"ALTER DATABASE {database['database']} SET synchronous_commit = off")
        pool = await opened_pool(database)
        pooled: str = await pool.fetchval("SHOW synchronous_commit")
        await pool.close()
        fresh = await opened_connection(database)
        alone: str = await fresh.fetchval("SHOW synchronous_commit")
        await fresh.close()
        return [pooled, alone]

    assert asyncio.run(on_connection(database, shown)) == ["on", "on"]


def test_of_two_first_starts_one_registers_its_key(database: Target) -> None:
    async def started(connection: SoleConnection) -> int:
        try:
            return (await registered_sealer(connection, os.urandom(32))).key_id
        except OperatorError:
            return 0

    async def raced() -> list[int]:
        connections = [await opened_connection(database) for _ in range(8)]
        try:
            for _ in range(20):
                await connections[0].execute("TRUNCATE sealing_key CASCADE")
                numbers = await asyncio.gather(*(started(connection) for connection in connections))
                assert sum(number > 0 for number in numbers) == 1
            return [await connections[0].fetchval("SELECT count(*) FROM sealing_key")]
        finally:
            for connection in connections:
                await connection.close()

    # TRUNCATE ... CASCADE reaches the ledger, whose trigger refuses it; here nothing is sold yet.
    asyncio.run(on_connection(database, _without_guard))
    assert asyncio.run(raced()) == [1]


async def _without_guard(connection: SoleConnection) -> None:
    for table in ("transfer", "order_move"):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def test_an_illegal_move_and_a_changed_line_are_found(shop: Shop) -> None:
    buyer = shop.buyer()
    config = {"speed": 10, "country": "us"}
    placed = shop.order(buyer, plan="datacenter", duration="1_week", config=config, discount_code="TEN").json()

    async def broken(connection: SoleConnection) -> list[str]:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("ALTER TABLE order_move DROP CONSTRAINT order_move_is_legal")
        await connection.execute(
            "INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at) "
            "SELECT account_id, id, 'failed', 'active', 'test', 'test', now() FROM orders",
        )
        await connection.execute(
            "UPDATE orders SET options = jsonb_set(options::jsonb, '{0,price}', '0.01')::json "
            "WHERE uuid = $1::text::uuid",
            placed["uuid"],
        )
        found = [finding.invariant for finding in await audit(connection) if finding.breaches]
        await transaction.rollback()
        return found

    assert asyncio.run(on_connection(shop.target, broken)) == ["M8", "S1"]
