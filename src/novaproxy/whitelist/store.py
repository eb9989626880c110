"""Whitelists: read, added to, taken from; each change is the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from novaproxy.catalog.listing import Listing
from novaproxy.database.pool import Connection, statement
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.moves import status_at
from novaproxy.whitelist.model import Address, ListedAddress, ListingOrder
from novaproxy.whitelist.rules import AddressUnknown, check_free, check_order, check_room

_SQL = "novaproxy.whitelist"
_ADVISORY_LOCKS = 0x4E6F7677
"""The space of locks of addresses ("Novw"); the second number is the address's."""


async def find_order(connection: Connection, uuid: UUID, account_id: int | None) -> ListingOrder | None:
    """Return an account's order, any account's where *account_id* is None; None where there is no such one."""
    row = await connection.fetchrow(statement(_SQL, "find_order"), uuid, account_id)
    if row is None:
        return None
    status = status_at(OrderStatus(row["status"]), row["expires_at"], row["now"])
    return ListingOrder(row["id"], row["account_id"], row["plan_id"], status)


async def lock_order(connection: Connection, uuid: UUID, account_id: int | None) -> ListingOrder | None:
    """Return the same, as it is behind its lock, which is held to the end of the transaction."""
    # Nobody waits for an order that is not his own.
    if await find_order(connection, uuid, account_id) is None:
        return None
    await connection.execute(statement(_SQL, "lock_order"), uuid)
    return await find_order(connection, uuid, account_id)


async def read_addresses(connection: Connection, order_id: int) -> list[ListedAddress]:
    """Return an order's whitelist, the oldest address first."""
    return _listed(await connection.fetch(statement(_SQL, "list_addresses"), order_id))


async def add_address(
    connection: Connection, listing: Listing, order: ListingOrder, address: Address
) -> tuple[ListedAddress, bool]:
    """Put *address* on the whitelist of a locked order; return how it stands there, and whether it is new.

    *listing* is the catalog as it is now.

    Raises:
        WhitelistNotSold, OrderNotRunning, WhitelistFull, AddressTaken.
    """
    plan = listing.plan_by_id[order.plan_id]
    check_order(plan, order.status)
    listed = await read_addresses(connection, order.id)
    for one in listed:
        if one.address == address:
            return one, False
    check_room(len(listed))
    await connection.execute(statement(_SQL, "lock_address"), _ADVISORY_LOCKS, address)
    holders = await connection.fetch(statement(_SQL, "find_holders"), address, order.id)
    check_free(plan, [listing.plan_by_id[row["plan_id"]] for row in holders])
    rows = await connection.fetch(statement(_SQL, "insert_address"), order.id, order.account_id, address)
    return _listed(rows)[0], True


async def remove_address(connection: Connection, order: ListingOrder, address: Address) -> None:
    """Take *address* off an order's whitelist.

    Raises:
        AddressUnknown: it is not there.
    """
    if await connection.fetchval(statement(_SQL, "delete_address"), order.id, address) is None:
        raise AddressUnknown


def _listed(rows: Sequence[asyncpg.Record]) -> list[ListedAddress]:
    return [ListedAddress(row["address"], row["created_at"]) for row in rows]
