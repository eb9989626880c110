"""What stands behind the locks: a write that changes other rows than were decided is given up, and nothing is left."""
# ruff: noqa: ANN401 -- what is passed on to the driver, and what it returns

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from novaproxy.accounts.asking import token_hash
from novaproxy.accounts.store import AccountStatus, move_account
from novaproxy.catalog.store import Shelf
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, opened_connection, opened_pool, statement
from novaproxy.http.fields import Fields
from novaproxy.ledger.store import Adjustment, BooksChanged, adjust
from novaproxy.orders import moving
from novaproxy.orders.model import Ask
from novaproxy.orders.placing import place_batch
from shop import SEALING_KEY, Buyer, Shop

GIGABYTE = {"plan": "mobile", "bandwidth": "1"}
BY_HAND: dict[str, Any] = {"plan": "by-hand", "bandwidth": 1, "discount_code": "TEN"}


def without_effect(shop: Shop, table: str, condition: str = "true") -> None:
    """Let updates of *table* change nothing, as if the row had become another one since it was read."""
    shop.sql("CREATE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    shop.sql(
        f"CREATE TRIGGER passed_over BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({condition}) "
        "EXECUTE FUNCTION pass_over()"
    )


def with_effect_again(shop: Shop, table: str) -> None:
    shop.sql(f"DROP TRIGGER passed_over ON {table}")


def crediting(buyer: Buyer) -> Callable[[SoleConnection], Awaitable[object]]:
    async def credit(connection: SoleConnection) -> object:
        async with connection.transaction():
            return await adjust(
                connection, buyer.account_id, Adjustment.CREDIT, 1_00, reason="r", reference=None, actor="test"
            )

    return credit


def placing(buyer: Buyer) -> Callable[[Any], Awaitable[object]]:
    async def place(connection: Any) -> object:
        sealer = await registered_sealer(connection, SEALING_KEY)
        ask = Ask(token_hash(buyer.token.encode()), None, Fields(GIGABYTE, None))
        return await place_batch(connection, [ask], Shelf(), sealer)

    return place


def delivering(uuid: UUID) -> Callable[[SoleConnection], Awaitable[object]]:
    async def deliver(connection: SoleConnection) -> object:
        return await moving.deliver(connection, uuid, await registered_sealer(connection, SEALING_KEY), None, "test")

    return deliver


def pending(shop: Shop, buyer: Buyer) -> UUID:
    """Return an order of *buyer* that waits for its delivery, bought with a code."""
    answer = shop.order(buyer, **BY_HAND)
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    return UUID(answer.json()["uuid"])


def test_an_order_whose_account_is_not_charged_is_no_order(shop: Shop) -> None:
    buyer = shop.buyer(8_00)
    without_effect(shop, "account")

    with pytest.raises(BooksChanged):
        shop.run(placing(buyer))

    assert (shop.order_count(buyer), shop.balance_cents(buyer)) == (0, 8_00)


class Meddled:
    """A connection on which somebody writes an entry, without a lock, just before the batch is saved."""

    def __init__(self, connection: SoleConnection) -> None:
        self._connection = connection

    async def fetchrow(self, *words: Any) -> Any:
        await self._connection.execute("UPDATE account SET ledger_version = ledger_version + 7")
        return await self._connection.fetchrow(*words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_an_account_that_moved_since_it_was_read_is_not_overwritten(shop: Shop) -> None:
    buyer = shop.buyer(8_00)

    with pytest.raises(BooksChanged):
        shop.run(lambda connection: placing(buyer)(Meddled(connection)))

    assert (shop.order_count(buyer), shop.balance_cents(buyer)) == (0, 8_00)


def test_a_credit_that_does_not_reach_the_balance_is_no_credit(shop: Shop) -> None:
    buyer = shop.buyer(8_00)
    without_effect(shop, "account")

    with pytest.raises(BooksChanged):
        shop.run(crediting(buyer))

    assert shop.value("SELECT count(*) FROM transfer WHERE account_id = $1", buyer.account_id) == 1


def test_a_delivery_that_does_not_reach_the_order_is_none(shop: Shop) -> None:
    uuid = pending(shop, shop.buyer())
    without_effect(shop, "orders")

    with pytest.raises(BooksChanged):
        shop.run(delivering(uuid))


def test_an_order_is_moved_only_from_the_status_that_was_checked(shop: Shop) -> None:
    uuid = UUID(shop.order(shop.buyer(), plan="mobile", bandwidth=1).json()["uuid"])
    order_id = shop.value("SELECT id FROM orders WHERE uuid = $1", uuid)

    async def moved(connection: SoleConnection) -> object:
        now = await connection.fetchval("SELECT now()")
        words = (order_id, "inactive", "expired", "test", "test", now, None, None, None, None)
        return await connection.fetchval(statement("novaproxy.orders", "move_order"), *words)

    assert shop.run(moved) is None
    assert shop.value("SELECT status FROM orders WHERE uuid = $1", uuid) == "active"


@pytest.mark.parametrize("counter", ["account_plan", "account_code", "discount_code"])
def test_a_refund_that_cannot_give_back_everything_gives_back_nothing(shop: Shop, counter: str) -> None:
    buyer = shop.buyer(100_00)
    uuid = pending(shop, buyer)
    without_effect(shop, counter)

    with pytest.raises(BooksChanged):
        shop.run(lambda connection: moving.fail(connection, uuid, "test", "test"))

    with_effect_again(shop, counter)
    assert shop.value("SELECT status FROM orders WHERE uuid = $1", uuid) == "pending"
    assert shop.balance_cents(buyer) < 100_00


def test_what_is_counted_adds_up_from_batch_to_batch(shop: Shop) -> None:
    buyer = shop.buyer()
    for _ in range(3):
        assert shop.order(buyer, plan="mobile", bandwidth=1, discount_code="TEN").status_code == 201

    counted = [
        shop.value("SELECT orders FROM account_plan"),
        shop.value("SELECT uses FROM account_code"),
        shop.value("SELECT uses FROM discount_code WHERE code = 'TEN'"),
    ]
    assert counted == [3, 3, 3]


def test_an_account_is_moved_once(shop: Shop) -> None:
    buyer = shop.buyer()

    async def suspended_twice(connection: SoleConnection) -> list[bool]:
        async with connection.transaction():
            return [
                await move_account(connection, buyer.account_id, AccountStatus.SUSPENDED, "test", "test")
                for _ in range(2)
            ]

    assert shop.run(suspended_twice) == [True, False]
    assert shop.value("SELECT count(*) FROM account_move WHERE account_id = $1", buyer.account_id) == 1


def test_every_session_has_its_bounds(shop: Shop) -> None:
    bounds = (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "default_transaction_isolation",
    )

    name = shop.target["database"]
    # The server's own defaults are somebody else's.
    for setting in ("statement_timeout = 0", "lock_timeout = 0", "default_transaction_isolation = 'serializable'"):
        shop.sql(f"ALTER DATABASE {name} SET {setting}")

    async def shown() -> list[list[str]]:
        pool = await opened_pool(shop.target)
        alone = await opened_connection(shop.target)
        try:
            return [[await one.fetchval(f"SHOW {name}") for name in bounds] for one in (pool, alone)]
        finally:
            await alone.close()
            await pool.close()

    assert asyncio.run(shown()) == [["10s", "2s", "5s", "read committed"]] * 2


def test_of_a_token_only_its_hash_is_kept(shop: Shop) -> None:
    token = shop.buyer().token

    (row,) = shop.sql("SELECT * FROM api_token")

    assert row["token_hash"] == hashlib.sha256(token.encode()).digest()
    assert token not in str(row)
