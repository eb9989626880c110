"""The moves of orders: the operator's, and the one that time makes.

A move locks the order's row; one that gives money back locks the account and the code before it, in the order in which
everybody does. Each is one transaction: the new status, its row in ``order_move``, and whatever goes with it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from novaproxy.catalog.rules import expiry
from novaproxy.credentials.issue import new_name
from novaproxy.credentials.seal import Sealer
from novaproxy.database.pool import Connection, SoleConnection, statement
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import BooksChanged
from novaproxy.money import AMOUNT_CEILING_CENTS, text_cents
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.moves import (
    DELIVERY,
    EXPIRY_CAUSE,
    FAILURE,
    SWITCHING_OFF,
    SWITCHING_ON,
    OperatorMove,
    check_move,
    status_at,
)

EXPIRED_AT_ONCE = 500
"""How many orders one transaction expires at most."""

DUTY = "duty"
"""Who moves orders as time passes, as the rows of their moves name it."""

_SQL = "novaproxy.orders"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the buyer now has; *expires_at* is None for an order that does not expire."""

    username: str
    password: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reissued:
    """The credentials that an order now has."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """What went back to the buyer, and his balance after it, in cents."""

    email: str
    refunded_cents: int
    balance_cents: int


@dataclass(frozen=True, slots=True)
class _Locked:
    """An order behind its lock, as of *now*, a time after the wait for it."""

    id: int
    account_id: int
    term: str | None
    now: datetime


async def deliver(
    connection: SoleConnection,
    uuid: UUID,
    sealer: Sealer,
    credentials: tuple[str, str] | None,
    actor: str,
) -> Delivered:
    """Make a pending order active with *credentials* (username, password), new ones where there are none.

    Its time begins now.

    Raises:
        OperatorError: there is no such order, it is not pending, or another order has the username.
    """
    username, password = credentials or (new_name(), new_name())
    try:
        async with connection.transaction():
            order = await _locked_for(DELIVERY, connection, uuid)
            expires_at = expiry(order.term, order.now) if order.term else None
            given = (username, sealer.sealed(password, uuid), sealer.key_id, expires_at)
            await _write_move(DELIVERY, connection, order, "delivered by the operator", actor, given)
    except asyncpg.UniqueViolationError:
        raise OperatorError(f"Another order has the username '{username}' already.") from None
    return Delivered(username, password, expires_at)


async def deactivate(connection: SoleConnection, uuid: UUID, actor: str) -> None:
    """Switch an active order off.

    Raises:
        OperatorError: there is no such order, or it is not active.
    """
    await _move(SWITCHING_OFF, connection, uuid, "switched off by the operator", actor)


async def activate(connection: SoleConnection, uuid: UUID, actor: str) -> None:
    """Switch an inactive order on again; the time it was off counts.

    Raises:
        OperatorError: there is no such order, it is not inactive, or nothing is left of its bandwidth.
    """
    await _move(SWITCHING_ON, connection, uuid, "switched on by the operator", actor)


async def _move(move: OperatorMove, connection: SoleConnection, uuid: UUID, cause: str, actor: str) -> None:
    async with connection.transaction():
        order = await _locked_for(move, connection, uuid)
        if move is SWITCHING_ON and await connection.fetchval(statement(_SQL, "is_used_up"), order.id):
            raise OperatorError("All bandwidth of the order is used: switched on, it would be exhausted at once.")
        await _write_move(move, connection, order, cause, actor)


async def reissue(connection: SoleConnection, uuid: UUID, sealer: Sealer) -> Reissued:
    """Give an order another password. It is no move: nothing else of the order changes.

    Raises:
        OperatorError: there is no such order, or it has no credentials.
    """
    password = new_name()
    async with connection.transaction():
        await connection.execute(statement(_SQL, "lock_order"), uuid)
        username = await connection.fetchval(
            statement(_SQL, "reissue_password"), uuid, sealer.sealed(password, uuid), sealer.key_id
        )
        if username is None:
            row = await connection.fetchrow(statement(_SQL, "read_locked"), uuid)
            raise _unknown(uuid) if row is None else OperatorError(f"The order is {row['status']}: it has no password.")
    return Reissued(username, password)


async def fail(connection: SoleConnection, uuid: UUID, reason: str, actor: str) -> Failed:
    """Give a pending order up: the net price goes back, and with it the code's use and the place in the limit.

    The buyer reads *reason* (1 to 500 characters) in his ledger.

    Raises:
        OperatorError: there is no such order, it is not pending, or the balance would pass its ceiling.
    """
    async with connection.transaction():
        # What is read before the locks never changes.
        sold = await connection.fetchrow(statement(_SQL, "find_sold"), uuid)
        if sold is None:
            raise _unknown(uuid)
        await connection.execute(statement(_SQL, "lock_accounts"), [sold["account_id"]])
        await connection.execute(statement(_SQL, "lock_code"), sold["discount_code_id"])
        order = await _locked_for(FAILURE, connection, uuid)
        account = await connection.fetchrow(statement(_SQL, "read_account"), order.account_id)
        if account is None:
            raise AssertionError("an order has an account")
        balance_cents: int = account["balance_cents"] + sold["net_cents"]
        if balance_cents > AMOUNT_CEILING_CENTS:
            raise OperatorError(
                f"The refund of {text_cents(sold['net_cents'])} would lift the balance of {account['email']} past "
                f"{text_cents(AMOUNT_CEILING_CENTS)}: debit the account first."
            )
        row = await connection.fetchrow(statement(_SQL, "refund_order"), order.id, reason, actor, order.now)
        # Moved last: while it is pending nothing else may have touched what goes back.
        await _write_move(FAILURE, connection, order, reason, actor)
        has_code = sold["discount_code_id"] is not None
        if row is None or tuple(row) != (sold["net_cents"] > 0, 1, has_code, has_code):
            raise BooksChanged(f"refunding order {uuid} wrote {row}")
    return Failed(account["email"], sold["net_cents"], balance_cents)


async def expire_orders(connection: SoleConnection) -> int:
    """Move orders whose time has passed to ``expired`` and return how many: EXPIRED_AT_ONCE where there may be more."""
    async with connection.transaction():
        rows = await connection.fetch(statement(_SQL, "expire_orders"), EXPIRED_AT_ONCE, EXPIRY_CAUSE, DUTY)
    return len(rows)


async def _locked_for(move: OperatorMove, connection: Connection, uuid: UUID) -> _Locked:
    """Lock an order and return it, as it is after the wait.

    Raises:
        OperatorError: there is none, or it may not make *move*.
    """
    await connection.execute(statement(_SQL, "lock_order"), uuid)
    row = await connection.fetchrow(statement(_SQL, "read_locked"), uuid)
    if row is None:
        raise _unknown(uuid)
    check_move(move, status_at(OrderStatus(row["status"]), row["expires_at"], row["now"]))
    return _Locked(row["id"], row["account_id"], row["term"], row["now"])


async def _write_move(
    move: OperatorMove,
    connection: Connection,
    order: _Locked,
    cause: str,
    actor: str,
    given: tuple[object, ...] = (None, None, None, None),
) -> None:
    """Write the move down; *given* is what a delivery brings: username, sealed password, its key's id, the end."""
    moved = await connection.fetchval(
        statement(_SQL, "move_order"), order.id, move.before, move.after, cause, actor, order.now, *given
    )
    if moved is None:
        raise BooksChanged(f"order {order.id} was no longer {move.before}")


def _unknown(uuid: UUID) -> OperatorError:
    return OperatorError(f"There is no order {uuid}.")
