"""``/orders/{uuid}/whitelist``: the addresses from which an order's proxy needs no password."""

from dataclasses import dataclass

import asyncpg
from starlette.requests import Request
from starlette.types import Send

from novaproxy.accounts.model import Account
from novaproxy.catalog.store import Shelf
from novaproxy.database.pool import Connection, Pool, read, transaction
from novaproxy.http.answer import NO_STORE, send_empty, send_json
from novaproxy.http.body import ClientGone
from novaproxy.http.refusals import Busy
from novaproxy.http.wire import ENCODER
from novaproxy.orders.api import OrderNotFound, asked_fields, asked_uuid
from novaproxy.whitelist.model import ListedAddress
from novaproxy.whitelist.resource import shown_address
from novaproxy.whitelist.rules import asked_address, named_address
from novaproxy.whitelist.store import add_address, find_order, lock_order, read_addresses, remove_address


@dataclass(frozen=True, slots=True)
class WhitelistPages:
    """What the whitelist's path needs."""

    pool: Pool
    shelf: Shelf

    async def serve(self, request: Request, account: Account, send: Send) -> None:
        """Answer whichever of the path's methods is asked for; one route knows them all, for the Allow header."""
        match request.method:
            case "POST":
                await self.add(request, account, send)
            case "DELETE":
                await self.remove(request, account, send)
            case _:
                await self.index(request, account, send)

    async def index(self, request: Request, account: Account, send: Send) -> None:
        """``GET``: all addresses, the oldest first."""
        uuid = asked_uuid(request)

        async def found(connection: Connection) -> list[ListedAddress]:
            order = await find_order(connection, uuid, account.id)
            if order is None:
                raise OrderNotFound
            return await read_addresses(connection, order.id)

        listed = await read(self.pool, found)
        await send_json(send, 200, ENCODER.encode([shown_address(one) for one in listed]), NO_STORE)

    async def add(self, request: Request, account: Account, send: Send) -> None:
        """``POST``: put one address on it; 200 where it stands there already, else 201 after the commit."""
        uuid = asked_uuid(request)
        try:
            fields = await asked_fields(request.scope, request.receive)
        except ClientGone:
            return
        try:
            async with transaction(self.pool) as connection:
                order = await lock_order(connection, uuid, account.id)
                if order is None:
                    raise OrderNotFound
                address = asked_address(fields)
                listing = (await self.shelf.current(connection)).listing
                listed, is_new = await add_address(connection, listing, order, address)
        except asyncpg.LockNotAvailableError:
            raise Busy from None
        await send_json(send, 201 if is_new else 200, ENCODER.encode(shown_address(listed)), NO_STORE)

    async def remove(self, request: Request, account: Account, send: Send) -> None:
        """``DELETE``: take the address of the query off it."""
        uuid = asked_uuid(request)
        async with transaction(self.pool) as connection:
            order = await find_order(connection, uuid, account.id)
            if order is None:
                raise OrderNotFound
            await remove_address(connection, order, named_address(request.query_params.getlist("address")))
        await send_empty(send, 204)
