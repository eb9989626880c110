"""Orders that move: delivered, failed, switched off and on, run out of time (contract, section 5)."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest

from contract import Caller, catalog_with, footprints, placed
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.orders import moving
from novaproxy.orders.moving import Delivered, Failed
from shop import SEALING_KEY, Buyer, Shop, on_connection

Result = TypeVar("Result")
Move = Callable[[SoleConnection, UUID], Awaitable[object]]

PLANS = """
  - slug: by-hand-month
    name: By hand, a month
    type: duration
    delivery: manual
    durations: [{slug: 1_month, name: 1 month, price: 30.00}]
  - slug: by-hand-two
    name: By hand, two at most
    type: bandwidth
    delivery: manual
    max_orders_per_account: 2
    bandwidths: [{bandwidth: 1, price_per_gb: 2.00}]
  - slug: by-hand-free
    name: By hand, free
    type: bandwidth
    delivery: manual
    bandwidths: [{bandwidth: 1, price_per_gb: 0}]
"""
CODES = """
  - {code: LAST, percent: 25, max_uses: 1}
  - {code: MINE, percent: 25, max_uses_per_account: 1}
"""
BY_HAND = {"plan": "by-hand", "bandwidth": 3}
"""Costs 6.00."""

SHORT = {"plan": "unlimited", "duration": "20_minutes"}


@pytest.fixture(scope="module")
def stocked(common_shop: Shop) -> Shop:
    common_shop.apply_catalog(catalog_with(plans=PLANS, codes=CODES))
    return common_shop


@pytest.fixture
def caller(stocked: Shop) -> Caller:
    return Caller(stocked, stocked.buyer())


def deliver(shop: Shop, uuid: str, credentials: tuple[str, str] | None = None) -> Delivered:
    async def delivered(connection: SoleConnection) -> Delivered:
        sealer = await registered_sealer(connection, SEALING_KEY)
        return await moving.deliver(connection, UUID(uuid), sealer, credentials, "operator")

    return shop.run(delivered)


def fail(shop: Shop, uuid: str, reason: str = "no exits left") -> Failed:
    return shop.run(lambda connection: moving.fail(connection, UUID(uuid), reason, "operator"))


def deactivate(shop: Shop, uuid: str) -> None:
    shop.run(lambda connection: moving.deactivate(connection, UUID(uuid), "operator"))


def activate(shop: Shop, uuid: str) -> None:
    shop.run(lambda connection: moving.activate(connection, UUID(uuid), "operator"))


MOVES: dict[str, Callable[[Shop, str], object]] = {
    "delivered": deliver,
    "failed": fail,
    "deactivated": deactivate,
    "activated": activate,
}


def expire(shop: Shop) -> int:
    return shop.run(moving.expire_orders)


def shown(caller: Caller, uuid: str) -> dict[str, Any]:
    response = caller.shop.http.get(f"/orders/{uuid}", headers=caller.buyer.headers)
    assert response.status_code == 200
    order: dict[str, Any] = response.json()
    return order


def moves(shop: Shop, uuid: str) -> list[tuple[str, str, str, str]]:
    rows = shop.sql(
        "SELECT from_status, to_status, cause, order_move.actor FROM order_move JOIN orders ON orders.id = order_id "
        "WHERE uuid = $1 ORDER BY order_move.id",
        UUID(uuid),
    )
    return [(row["from_status"], row["to_status"], row["cause"], row["actor"]) for row in rows]


def run_out(shop: Shop, uuid: str) -> None:
    """Let the time of an order be over this second."""
    shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", UUID(uuid))


def entries(shop: Shop, buyer: Buyer) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = shop.http.get("/balance/entries", headers=buyer.headers).json()
    return listed


def test_a_delivered_order_is_active_with_new_credentials(caller: Caller) -> None:
    order = caller.places(BY_HAND)
    assert (order["status"], order["username"], order["password"]) == ("pending", None, None)

    given = deliver(caller.shop, order["uuid"])

    delivered = shown(caller, order["uuid"])
    assert delivered["status"] == "active"
    assert (delivered["username"], delivered["password"]) == (given.username, given.password)
    assert delivered["updated_at"] > delivered["created_at"]
    assert moves(caller.shop, order["uuid"]) == [("pending", "active", "delivered by the operator", "operator")]


def test_the_operator_may_bring_the_credentials(caller: Caller) -> None:
    uuid = caller.places(BY_HAND)["uuid"]
    deliver(caller.shop, uuid, ("abcdefghij01234", "pass567890abcde"))

    delivered = shown(caller, uuid)
    assert (delivered["username"], delivered["password"]) == ("abcdefghij01234", "pass567890abcde")

    other = caller.places(BY_HAND)["uuid"]
    with pytest.raises(OperatorError) as refused:
        deliver(caller.shop, other, ("abcdefghij01234", "otherpassword00"))
    assert str(refused.value) == "Another order has the username 'abcdefghij01234' already."
    assert shown(caller, other)["status"] == "pending"
    assert moves(caller.shop, other) == []


def test_the_time_of_an_order_begins_with_its_delivery(caller: Caller) -> None:
    order = caller.places({"plan": "by-hand-month", "duration": "1_month"})
    assert order["expires_at"] is None
    before = datetime.fromisoformat(order["created_at"])

    given = deliver(caller.shop, order["uuid"])

    delivered = shown(caller, order["uuid"])
    assert given.expires_at is not None
    assert delivered["expires_at"] == given.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    begun_at = datetime.fromisoformat(delivered["updated_at"])
    assert begun_at > before
    assert timedelta(days=28) <= given.expires_at - begun_at < timedelta(days=31, seconds=1)


def test_a_failed_order_gives_its_price_back_once(caller: Caller) -> None:
    order = caller.places(BY_HAND)
    balance_cents = caller.shop.balance_cents(caller.buyer)

    result = fail(caller.shop, order["uuid"], "no exits left")

    assert result == Failed(caller.buyer.email, 6_00, balance_cents + 6_00)
    assert caller.shop.balance_cents(caller.buyer) == balance_cents + 6_00
    newest = entries(caller.shop, caller.buyer)[0]
    assert (newest["kind"], newest["amount"], newest["order_uuid"]) == ("refund", 6, order["uuid"])
    assert newest["reason"] == "no exits left"
    assert newest["balance_after"] == 100_000
    failed = shown(caller, order["uuid"])
    assert (failed["status"], failed["username"], failed["password"]) == ("failed", None, None)
    assert moves(caller.shop, order["uuid"]) == [("pending", "failed", "no exits left", "operator")]
    with footprints(caller.shop) as read:
        before = read()
        with pytest.raises(OperatorError, match="The order is failed: only a pending order can be failed"):
            fail(caller.shop, order["uuid"])
        assert read() == before


def test_a_failed_order_gives_back_its_place_in_the_limit(caller: Caller) -> None:
    fields = {"plan": "by-hand-two", "bandwidth": 1}
    first, second = caller.places(fields), caller.places(fields)
    caller.is_refused(fields, "You have reached the maximum number of orders for this plan.", "order_limit_reached")

    fail(caller.shop, first["uuid"])

    third = caller.places(fields)
    assert third["uuid"] != second["uuid"]
    deliver(caller.shop, third["uuid"])
    caller.is_refused(fields, "You have reached the maximum number of orders for this plan.", "order_limit_reached")


@pytest.mark.parametrize(("code", "sentence"), [("LAST", "has been used up"), ("MINE", "already used")])
def test_a_failed_order_gives_back_the_use_of_its_code(caller: Caller, code: str, sentence: str) -> None:
    fields = BY_HAND | {"discount_code": code}
    order = caller.places(fields)
    assert order["price"] == {"gross": 6, "discount": 1.5, "net": 4.5}
    assert sentence in caller.in_json(fields).json()["error"]

    assert fail(caller.shop, order["uuid"]).refunded_cents == 4_50

    again = caller.places(fields)
    assert again["price"]["net"] == 4.5
    assert sentence in caller.in_json(fields).json()["error"]
    fail(caller.shop, again["uuid"])


def test_after_a_failed_order_the_next_is_a_first_one_again(caller: Caller) -> None:
    fields = BY_HAND | {"discount_code": "FIRST"}
    order = caller.places(fields)
    assert "first order only" in caller.in_json(fields).json()["error"]

    fail(caller.shop, order["uuid"])

    assert caller.places(fields)["price"]["discount"] == 0.6


def test_an_order_that_cost_nothing_fails_without_an_entry(caller: Caller) -> None:
    order = caller.places({"plan": "by-hand-free", "bandwidth": 1})
    before = entries(caller.shop, caller.buyer)

    assert fail(caller.shop, order["uuid"]).refunded_cents == 0

    assert entries(caller.shop, caller.buyer) == before
    assert shown(caller, order["uuid"])["status"] == "failed"


def test_a_failed_order_keeps_its_key(caller: Caller) -> None:
    order = caller.places(BY_HAND, **{"Idempotency-Key": "once"})
    fail(caller.shop, order["uuid"])

    repeated = caller.in_json(BY_HAND, **{"Idempotency-Key": "once"})

    assert repeated.headers["idempotent-replayed"] == "true"
    assert placed(repeated)["uuid"] == order["uuid"]
    assert placed(repeated)["status"] == "failed"


def test_a_refund_past_the_greatest_balance_is_refused_whole(caller: Caller) -> None:
    order = caller.places(BY_HAND)
    rich = caller.shop.buyer(999_999_999_999)
    placed_there = Caller(caller.shop, rich).places(BY_HAND)
    caller.shop.run(lambda connection: top_up(connection, rich.account_id, 6_00))

    with footprints(caller.shop) as read:
        before = read()
        with pytest.raises(OperatorError) as refused:
            fail(caller.shop, placed_there["uuid"])
        assert read() == before
    assert str(refused.value) == (
        f"The refund of 6.00 would lift the balance of {rich.email} past 9999999999.99: debit the account first."
    )
    assert fail(caller.shop, order["uuid"]).refunded_cents == 6_00


async def top_up(connection: SoleConnection, account_id: int, amount_cents: int) -> None:
    async with connection.transaction():
        await adjust(
            connection, account_id, Adjustment.CREDIT, amount_cents, reason="test", reference=None, actor="test"
        )


def test_an_order_is_switched_off_and_on_and_its_time_runs_on(caller: Caller) -> None:
    order = caller.places(SHORT)

    deactivate(caller.shop, order["uuid"])
    inactive = shown(caller, order["uuid"])
    activate(caller.shop, order["uuid"])
    active = shown(caller, order["uuid"])

    assert (inactive["status"], active["status"]) == ("inactive", "active")
    for member in ("username", "password", "expires_at"):
        assert inactive[member] == active[member] == order[member]
    assert order["updated_at"] < inactive["updated_at"] < active["updated_at"]
    assert moves(caller.shop, order["uuid"]) == [
        ("active", "inactive", "switched off by the operator", "operator"),
        ("inactive", "active", "switched on by the operator", "operator"),
    ]


@pytest.mark.parametrize("verb", MOVES)
@pytest.mark.parametrize("status", ["pending", "active", "inactive", "expired", "failed", "past its end"])
def test_an_illegal_move_is_refused_and_changes_nothing(caller: Caller, verb: str, status: str) -> None:
    uuid = in_status(caller, status)
    legal = {("delivered", "pending"), ("failed", "pending"), ("deactivated", "active"), ("activated", "inactive")}
    if (verb, status) in legal:
        MOVES[verb](caller.shop, uuid)
        return
    with footprints(caller.shop) as read:
        before = read(), shown(caller, uuid)
        with pytest.raises(OperatorError) as refused:
            MOVES[verb](caller.shop, uuid)
        assert (read(), shown(caller, uuid)) == before
    said = "expired" if status == "past its end" else status
    assert str(refused.value).startswith(f"The order is {said}: only ")
    assert str(refused.value).endswith(f" order can be {verb}.")


def in_status(caller: Caller, status: str) -> str:
    """Return the uuid of a new order that came to *status* by legal moves."""
    uuid = str(caller.places(BY_HAND if status in ("pending", "failed") else SHORT)["uuid"])
    match status:
        case "failed":
            fail(caller.shop, uuid)
        case "inactive":
            deactivate(caller.shop, uuid)
        case "past its end":
            run_out(caller.shop, uuid)
        case "expired":
            run_out(caller.shop, uuid)
            assert expire(caller.shop) >= 1
    return uuid


@pytest.mark.parametrize("verb", MOVES)
def test_an_unknown_order_cannot_be_moved(caller: Caller, verb: str) -> None:
    uuid = "01900000-0000-7000-8000-000000000000"
    with pytest.raises(OperatorError) as refused:
        MOVES[verb](caller.shop, uuid)
    assert str(refused.value) == f"There is no order {uuid}."


def test_time_expires_active_and_inactive_orders_and_no_others(caller: Caller) -> None:
    expire(caller.shop)
    active, inactive, running = (str(caller.places(SHORT)["uuid"]) for _ in range(3))
    deactivate(caller.shop, inactive)
    pending = str(caller.places({"plan": "by-hand-month", "duration": "1_month"})["uuid"])
    run_out(caller.shop, active)
    run_out(caller.shop, inactive)

    assert expire(caller.shop) == 2
    assert expire(caller.shop) == 0

    statuses = {uuid: shown(caller, uuid)["status"] for uuid in (active, inactive, running, pending)}
    assert statuses == {active: "expired", inactive: "expired", running: "active", pending: "pending"}
    assert moves(caller.shop, active) == [("active", "expired", "expires_at has passed", "duty")]
    assert moves(caller.shop, inactive)[-1] == ("inactive", "expired", "expires_at has passed", "duty")
    stored = caller.shop.value("SELECT status FROM orders WHERE uuid = $1", UUID(active))
    assert stored == "expired"
    assert shown(caller, active)["username"] is not None


def test_an_order_that_somebody_holds_is_expired_later(caller: Caller) -> None:
    expire(caller.shop)
    held, free = (str(caller.places(SHORT)["uuid"]) for _ in range(2))
    run_out(caller.shop, held)
    run_out(caller.shop, free)

    async def expired_beside(connection: SoleConnection) -> int:
        async with connection.transaction():
            await connection.execute("SELECT FROM orders WHERE uuid = $1 FOR UPDATE", UUID(held))
            return await on_connection(caller.shop.target, moving.expire_orders)

    assert caller.shop.run(expired_beside) == 1
    assert expire(caller.shop) == 1
    assert shown(caller, held)["status"] == shown(caller, free)["status"] == "expired"
