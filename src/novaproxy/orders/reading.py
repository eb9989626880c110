"""Orders as they are now: one, or pages of them, in short statements (never a connection held while sending)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from novaproxy.catalog.resource import Showcase
from novaproxy.catalog.store import Shelf
from novaproxy.credentials.seal import Sealer, Sealers
from novaproxy.database.pool import Connection, Pool, read, statement
from novaproxy.http.paging import Place
from novaproxy.orders.model import Order, OrderStatus

_SQL = "novaproxy.orders"
_BEGINNING = Place(datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1)
"""Before the newest order: with a real place on the first page too, each page is a range of the index."""


@dataclass(frozen=True, slots=True)
class Found:
    """One order as of *read_at*."""

    order: Order
    showcase: Showcase
    read_at: datetime


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Orders with their places in the list, as of *read_at*."""

    orders: list[tuple[Place, Order]]
    showcase: Showcase
    read_at: datetime


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reads orders and opens their passwords."""

    pool: Pool
    shelf: Shelf
    sealers: Sealers

    async def read(self, account_id: int, uuid: UUID) -> Found | None:
        """Return an account's order, None where it has no such one."""

        async def found(connection: Connection) -> Found | None:
            row = await connection.fetchrow(statement(_SQL, "read_order"), account_id, uuid)
            if row is None:
                return None
            showcase = await self.shelf.at(row["revision"], connection)
            sealer = await self.sealers.on(connection)
            return Found(_order(row, sealer), showcase, row["read_at"])

        return await read(self.pool, found)

    async def page(
        self, account_id: int, after: Place | None, status: OrderStatus | None, limit: int
    ) -> FoundPage | None:
        """Return at most *limit* orders behind *after*, newest first; None where there are none."""
        begin = after or _BEGINNING

        async def found(connection: Connection) -> FoundPage | None:
            rows = await connection.fetch(
                statement(_SQL, "list_orders"),
                account_id,
                begin.created_at,
                begin.id,
                status,
                limit,
            )
            if not rows:
                return None
            showcase = await self.shelf.at(rows[0]["revision"], connection)
            sealer = await self.sealers.on(connection)
            orders = [(Place(row["created_at"], row["id"]), _order(row, sealer)) for row in rows]
            return FoundPage(orders, showcase, rows[0]["read_at"])

        return await read(self.pool, found)


def _order(row: asyncpg.Record, sealer: Sealer) -> Order:
    sealed = row["password_sealed"]
    return Order(
        uuid=row["uuid"],
        account_id=row["account_id"],
        plan_id=row["plan_id"],
        status=OrderStatus(row["status"]),
        gross_cents=row["gross_cents"],
        discount_cents=row["discount_cents"],
        net_cents=row["net_cents"],
        options=row["options"].encode(),
        username=row["username"],
        password=None if sealed is None else sealer.opened(sealed, row["uuid"]),
        initial_bytes=row["initial_bytes"],
        consumed_bytes=row["consumed_bytes"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
