"""Orders as the operator sees them: of the whole shop, with whose they are and how they moved."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from novaproxy.database.pool import Connection, statement
from novaproxy.errors import OperatorError, echo
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.moves import shown_by, status_at

_SQL = "novaproxy.orders"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order of the shop; *status* as a read shows it now, prices in cents, *options* the JSON of what was chosen."""

    id: int
    uuid: UUID
    account_email: str
    plan_slug: str
    status: OrderStatus
    gross_cents: int
    discount_cents: int
    net_cents: int
    discount_code: str | None
    bandwidth_gb: int | None
    term: str | None
    options: bytes
    catalog_revision: int
    idempotency_key: str | None
    username: str | None
    password_sealed: bytes | None
    sealing_key_id: int | None
    initial_bytes: int | None
    consumed_bytes: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A change of an order's status: why, and by whom."""

    from_status: OrderStatus
    to_status: OrderStatus
    cause: str
    actor: str
    created_at: datetime


async def list_orders(
    connection: Connection,
    *,
    status: OrderStatus | None,
    account_id: int | None,
    plan_id: int | None,
    before_id: int | None,
    limit: int,
) -> list[OrderRow]:
    """Return at most *limit* orders, newest first, below *before_id*; None filters nothing."""
    stored = None if status is None else shown_by(status)
    rows = await connection.fetch(
        statement(_SQL, "list_shop_orders"), status, stored, account_id, None, before_id, limit, plan_id
    )
    return [_order(row) for row in rows]


async def find_plan_id(connection: Connection, slug: str) -> int:
    """Return the lasting id of a plan, also of one that is no longer sold.

    Raises:
        OperatorError: there never was one.
    """
    # A slug can be printed, and what cannot be is nothing that the database takes as text.
    plan_id: int | None = None
    if slug.isprintable():
        plan_id = await connection.fetchval("SELECT id FROM plan WHERE slug = $1", slug)
    if plan_id is None:
        raise OperatorError(f"There is no plan '{echo(slug)}'.")
    return plan_id


async def find_order(connection: Connection, uuid: UUID) -> OrderRow:
    """Return one order.

    Raises:
        OperatorError: there is none.
    """
    row = await connection.fetchrow(statement(_SQL, "list_shop_orders"), None, None, None, uuid, None, 1, None)
    if row is None:
        raise OperatorError(f"There is no order {uuid}.")
    return _order(row)


async def read_moves(connection: Connection, order_id: int) -> list[MoveRow]:
    """Return the moves of an order, oldest first."""
    return [
        MoveRow(
            OrderStatus(row["from_status"]),
            OrderStatus(row["to_status"]),
            row["cause"],
            row["actor"],
            row["created_at"],
        )
        for row in await connection.fetch(statement(_SQL, "list_moves"), order_id)
    ]


def _order(row: asyncpg.Record) -> OrderRow:
    return OrderRow(
        id=row["id"],
        uuid=row["uuid"],
        account_email=row["account_email"],
        plan_slug=row["plan_slug"],
        status=status_at(OrderStatus(row["status"]), row["expires_at"], row["read_at"]),
        gross_cents=row["gross_cents"],
        discount_cents=row["discount_cents"],
        net_cents=row["net_cents"],
        discount_code=row["discount_code"],
        bandwidth_gb=row["bandwidth_gb"],
        term=row["term"],
        options=row["options"].encode(),
        catalog_revision=row["catalog_revision"],
        idempotency_key=row["idempotency_key"],
        username=row["username"],
        password_sealed=row["password_sealed"],
        sealing_key_id=row["sealing_key_id"],
        initial_bytes=row["initial_bytes"],
        consumed_bytes=row["consumed_bytes"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
