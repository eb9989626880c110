"""``GET /orders/{uuid}/usage``: what passed through an order's proxy, by the hour or by the day."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.accounts.model import Account
from novaproxy.database.pool import Pool, read
from novaproxy.http.answer import NO_STORE, send_json
from novaproxy.http.wire import ENCODER
from novaproxy.orders.api import OrderNotFound, asked_uuid
from novaproxy.usage.reading import read_usage, shown_usage


@dataclass(frozen=True, slots=True)
class UsagePages:
    """What the usage path needs."""

    pool: Pool

    async def show(self, request: Request, account: Account, send: Send) -> None:
        """``GET``: the rows of a range, and their sum."""
        uuid = asked_uuid(request)
        query = request.query_params
        usage = await read(self.pool, lambda connection: read_usage(connection, uuid, account.id, query))
        if usage is None:
            raise OrderNotFound
        await send_json(send, 200, ENCODER.encode(shown_usage(usage)), NO_STORE)
