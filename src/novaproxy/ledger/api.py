"""``GET /balance`` and ``GET /balance/entries`` (contract, section 6)."""

from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.types import Send

from novaproxy.accounts.model import Account
from novaproxy.catalog.store import Shelf
from novaproxy.database.pool import Pool, read
from novaproxy.http.answer import send_json
from novaproxy.http.lists import NOTHING, Lists, Part, Shown
from novaproxy.http.paging import Place
from novaproxy.http.wire import ENCODER, json_moment
from novaproxy.ledger.store import Entry, read_entries
from novaproxy.money import json_cents


@dataclass(frozen=True, slots=True)
class BalancePages:
    """What the balance paths need."""

    pool: Pool
    shelf: Shelf
    lists: Lists

    async def show(self, _request: Request, account: Account, send: Send) -> None:
        """``GET /balance``: what the account holds; the currency is null until a first catalog names it."""
        showcase = await read(self.pool, self.shelf.current)
        shown = {"balance": json_cents(account.balance_cents), "currency": showcase.listing.catalog.currency}
        await send_json(send, 200, ENCODER.encode(shown))

    async def entries(self, request: Request, account: Account, send: Send) -> None:
        """``GET /balance/entries``: the ledger of the account, newest first; ``?limit`` asks for one page of it."""

        async def read_part(after: Place | None, count: int) -> Part:
            before = after.id if after else None
            found = await read(self.pool, lambda connection: read_entries(connection, account.id, before, count))
            return Part(len(found), _place(found[-1]), partial(_shown, found)) if found else NOTHING

        await self.lists.send(request, send, read_part)


def _shown(entries: list[Entry]) -> list[Shown]:
    return [(_place(entry), _entry_json(entry)) for entry in entries]


def _place(entry: Entry) -> Place:
    return Place(entry.created_at, entry.version)


def _entry_json(entry: Entry) -> bytes:
    return ENCODER.encode(
        {
            "amount": json_cents(entry.amount_cents),
            "balance_after": json_cents(entry.balance_after_cents),
            "kind": entry.kind,
            "order_uuid": entry.order_uuid,
            "reason": entry.reason,
            "created_at": json_moment(entry.created_at),
        },
    )
