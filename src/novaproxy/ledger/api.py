"""``GET /balance`` and ``GET /balance/entries`` (contract, section 6)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.accounts.model import Account
from novaproxy.catalog.store import Shelf
from novaproxy.database.pool import Pool, read
from novaproxy.http.answer import send_json, send_json_array
from novaproxy.http.paging import Place, asked_paging, next_link
from novaproxy.http.wire import ENCODER, stamp
from novaproxy.ledger.store import Entry, read_entries
from novaproxy.money import json_cents

PAGE_ROWS = 500


@dataclass(frozen=True, slots=True)
class BalancePages:
    """What the balance paths need."""

    pool: Pool
    shelf: Shelf

    async def show(self, _request: Request, account: Account, send: Send) -> None:
        """``GET /balance``: what the account holds; the currency is null until a first catalog names it."""
        showcase = await read(self.pool, self.shelf.current)
        shown = {"balance": json_cents(account.balance_cents), "currency": showcase.listing.catalog.currency}
        await send_json(send, 200, ENCODER.encode(shown))

    async def entries(self, request: Request, account: Account, send: Send) -> None:
        """``GET /balance/entries``: the ledger of the account, newest first; ``?limit`` asks for one page of it."""
        paging = asked_paging(request.query_params)
        if paging is None:
            await send_json_array(send, self._everything(account))
            return
        before = paging.after.id if paging.after else None
        found = await self._page(account, before, paging.limit + 1)
        shown, more = found[: paging.limit], found[paging.limit :]
        headers = next_link(request, paging, Place(shown[-1].created_at, shown[-1].version)) if more else []
        await send_json(send, 200, b"[" + b",".join(map(_entry_json, shown)) + b"]", headers)

    async def _page(self, account: Account, before_version: int | None, limit: int) -> list[Entry]:
        return await read(self.pool, lambda connection: read_entries(connection, account.id, before_version, limit))

    async def _everything(self, account: Account) -> AsyncIterator[list[bytes]]:
        before: int | None = None
        while page := await self._page(account, before, PAGE_ROWS):
            yield [_entry_json(entry) for entry in page]
            before = page[-1].version


def _entry_json(entry: Entry) -> bytes:
    return ENCODER.encode(
        {
            "amount": json_cents(entry.amount_cents),
            "balance_after": json_cents(entry.balance_after_cents),
            "kind": entry.kind,
            "order_uuid": entry.order_uuid,
            "reason": entry.reason,
            "created_at": stamp(entry.created_at),
        },
    )
