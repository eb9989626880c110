"""``POST /orders``, ``GET /orders``, ``GET /orders/{uuid}`` (contract, sections 3 and 4)."""

import re
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from novaproxy.accounts.asking import asked_token_hash, asking_account
from novaproxy.accounts.model import Account
from novaproxy.catalog.store import Shelf
from novaproxy.database.pool import Pool, read
from novaproxy.discounts.rules import CodeNotValid
from novaproxy.errors import Refusal
from novaproxy.http.answer import NO_STORE, send_json, send_refusal
from novaproxy.http.body import ClientGone, Fields, read_body, read_fields
from novaproxy.http.edge import REQUEST_ID
from novaproxy.http.lists import NOTHING, Lists, Part, Shown
from novaproxy.http.paging import Place
from novaproxy.http.refusals import Busy, ServerFault, Unauthenticated, Unavailable
from novaproxy.limits.door import Door
from novaproxy.orders.desk import OrderDesk
from novaproxy.orders.model import Ask, OrderStatus
from novaproxy.orders.placing import Answer, Placed
from novaproxy.orders.reading import FoundPage, OrderReader
from novaproxy.orders.request import checked_key, is_absent
from novaproxy.orders.resource import order_json

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class OrderNotFound(Refusal):
    """No such order of this account."""

    status = 404
    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("Order not found.")


class StatusUnknown(Refusal):
    """The list was to be filtered by a status that does not exist."""

    code = "status_unknown"

    def __init__(self) -> None:
        super().__init__(f"The status must be one of: {', '.join(OrderStatus)}.")


@dataclass(frozen=True, slots=True)
class OrderPages:
    """What the order paths need; made once in ``app.py``."""

    pool: Pool
    shelf: Shelf
    desk: OrderDesk
    reader: OrderReader
    door: Door
    lists: Lists

    async def create(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``POST /orders``: who asks, for what; the desk decides; the answer goes out after the commit."""
        try:
            answer = await self._answer(scope, receive)
            await self._send_answer(send, answer)
        except Refusal as refusal:
            if isinstance(refusal, Unauthenticated):
                self.door.noted_wrong_token(scope)
            await send_refusal(send, refusal)
        except ClientGone:
            return

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        """Return what becomes of an order; what is refused at the door costs neither its body nor the database."""
        token = asked_token_hash(scope["headers"])
        self.door.orders(scope, token)
        if self.desk.is_full():
            return Busy()
        ask = await self._ask(token, scope, receive)
        if not is_absent(ask.fields.values.get("discount_code")):
            self.door.redeems(scope, token)
        answer = await self.desk.place(ask)
        match answer:
            case Unauthenticated():
                raise answer
            case Busy() | Unavailable() | ServerFault():
                return answer
            case CodeNotValid():
                self.door.noted_wrong_code(scope, token)
        self.door.noted_valid(token)
        return answer

    async def _ask(self, token: bytes, scope: Scope, receive: Receive) -> Ask:
        try:
            fields = await asked_fields(scope, receive)
        except Refusal:
            # An unknown token is told before anything that is said about the body.
            await read(self.pool, lambda connection: asking_account(connection, token))
            raise
        try:
            key = checked_key(_headers(scope, b"idempotency-key"))
        except Refusal as fault:
            return Ask(token, None, fields, fault, scope[REQUEST_ID])
        return Ask(token, key, fields, request_id=scope[REQUEST_ID])

    async def _send_answer(self, send: Send, answer: Answer) -> None:
        match answer:
            case Refusal():
                await send_refusal(send, answer)
            case Placed(order=order, showcase=showcase):
                await send_json(send, 201, order_json(order, showcase, order.created_at), NO_STORE)
            case replay:
                found = await self.reader.read(replay.account_id, replay.uuid)
                if found is None:
                    raise Unavailable
                body = order_json(found.order, found.showcase, found.read_at)
                await send_json(send, 201, body, [*NO_STORE, (b"idempotent-replayed", b"true")])

    async def show(self, request: Request, account: Account, send: Send) -> None:
        """``GET /orders/{uuid}``: one of the caller's own; every other one is the same 404."""
        found = await self.reader.read(account.id, asked_uuid(request))
        if found is None:
            raise OrderNotFound
        await send_json(send, 200, order_json(found.order, found.showcase, found.read_at, account), NO_STORE)

    async def index(self, request: Request, account: Account, send: Send) -> None:
        """``GET /orders``: all of the caller's, newest first, streamed; ``?limit`` asks for one page of it."""
        status = _asked_status(request.query_params.get("status"))

        async def read_part(after: Place | None, count: int) -> Part:
            found = await self.reader.page(account.id, after, status, count)
            return (
                NOTHING
                if found is None
                else Part(len(found.orders), found.orders[-1][0], partial(_shown, found, account))
            )

        await self.lists.send(request, send, read_part, NO_STORE)


def _shown(found: FoundPage, account: Account) -> list[Shown]:
    return [(place, order_json(order, found.showcase, found.read_at, account)) for place, order in found.orders]


def asked_uuid(request: Request) -> UUID:
    """Return the uuid of the order that the path names.

    Raises:
        OrderNotFound: it is none, so there is no such order.
    """
    written = request.path_params["uuid"]
    if not _UUID.fullmatch(written):
        raise OrderNotFound
    return UUID(written)


async def asked_fields(scope: Scope, receive: Receive) -> Fields:
    """Return the fields of a request's body.

    Raises:
        ClientGone, and the refusals of ``http.body`` of status 400, 413 and 415.
    """
    length = _header(scope, b"content-length")
    body = await read_body(receive, int(length) if length and length.isascii() and length.isdigit() else None)
    return read_fields(body, _header(scope, b"content-type"))


def _headers(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _header(scope: Scope, wanted: bytes) -> str | None:
    """Return a header's text; one that is given twice is joined as RFC 9110, section 5.2, says."""
    values = _headers(scope, wanted)
    return ", ".join(values) if values else None


def _asked_status(written: str | None) -> OrderStatus | None:
    if written is None:
        return None
    try:
        return OrderStatus(written)
    except ValueError:
        raise StatusUnknown from None
