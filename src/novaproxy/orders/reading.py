"""Orders as they are now: one, or pages of them, in short statements (never a connection held while sending)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog

from novaproxy.catalog.resource import Showcase
from novaproxy.catalog.store import Shelf, seen_revision
from novaproxy.credentials.seal import SealBroken, Sealer, Sealers
from novaproxy.database.pool import Connection, Pool, read, statement
from novaproxy.http.paging import Place
from novaproxy.orders.model import Order, OrderStatus

log = structlog.get_logger("novaproxy.orders")

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
            showcase = await self.shelf.at(seen_revision(row), connection)
            sealer = await self.sealers.opening(connection, [row["sealing_key_id"]])
            return Found(_order(row, sealer), showcase, row["read_at"])

        return await read(self.pool, found)

    async def page(
        self, account_id: int, after: Place | None, status: OrderStatus | None, limit: int
    ) -> FoundPage | None:
        """Return at most *limit* orders behind *after*, newest first; None where there are none.

        An order whose stored password was damaged is left out, and the log names it: it must not keep all the others
        from their buyer, and to show it without credentials would say that it has none.
        """
        asked = _Asked(account_id, status)

        async def found(connection: Connection) -> FoundPage | None:
            sound: list[tuple[asyncpg.Record, Order]] = []
            place, wanted = after or _BEGINNING, limit
            while wanted:
                rows = await asked.rows(connection, place, wanted)
                sealer = await self.sealers.opening(connection, {row["sealing_key_id"] for row in rows})
                sound += [(row, order) for row in rows if (order := _sound_order(row, sealer)) is not None]
                # A short page ends a list, so those left out are made up for; the last page is short by itself.
                place, wanted = (_place(rows[-1]), limit - len(sound)) if len(rows) == wanted else (place, 0)
            if not sound:
                return None
            newest = sound[0][0]
            showcase = await self.shelf.at(seen_revision(newest), connection)
            return FoundPage([(_place(row), order) for row, order in sound], showcase, newest["read_at"])

        return await read(self.pool, found)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose orders are listed, and in which status; None: in any."""

    account_id: int
    status: OrderStatus | None

    async def rows(self, connection: Connection, after: Place, limit: int) -> list[asyncpg.Record]:
        """Return at most *limit* of them behind *after*."""
        return await connection.fetch(
            statement(_SQL, "list_orders"), self.account_id, after.created_at, after.id, self.status, limit
        )


def _place(row: asyncpg.Record) -> Place:
    return Place(row["created_at"], row["id"])


def _sound_order(row: asyncpg.Record, sealer: Sealer) -> Order | None:
    try:
        return _order(row, sealer)
    except SealBroken as damaged:
        log.error("order left out of a list: its password was damaged", order=str(damaged.order))
        return None


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
        password=None if sealed is None else sealer.opened(sealed, row["uuid"], row["sealing_key_id"]),
        initial_bytes=row["initial_bytes"],
        consumed_bytes=row["consumed_bytes"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
