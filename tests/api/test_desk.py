"""The desk and the shop as they end, and an answer that breaks in its middle."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from novaproxy.accounts.asking import token_hash
from novaproxy.app import Answered, opened_shop
from novaproxy.catalog.store import Shelf
from novaproxy.catalog.update import apply_file
from novaproxy.credentials.seal import Sealers
from novaproxy.database.outage import OutageWatch
from novaproxy.database.pool import Target, opened_connection, opened_pool
from novaproxy.http.edge import Edge
from novaproxy.http.fields import Fields
from novaproxy.http.refusals import Busy
from novaproxy.metrics.figures import Metrics
from novaproxy.orders.desk import OrderDesk
from novaproxy.orders.model import Ask
from novaproxy.orders.placing import Placed
from shop import CATALOG, SEALING_KEY, Buyer, new_buyer

Message = MutableMapping[str, Any]


def posted(buyer: Buyer) -> dict[str, Any]:
    """Return the scope of an order as the server gives it to the shop."""
    headers = [(b"authorization", f"Bearer {buyer.token}".encode()), (b"content-type", b"application/json")]
    return {
        "type": "http",
        "method": "POST",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }


async def received() -> Message:
    return {"type": "http.request", "body": json.dumps({"plan": "mobile", "bandwidth": 1}).encode()}


async def test_a_desk_that_closes_takes_no_more_orders(database: Target) -> None:
    pool = await opened_pool(database)
    outage = OutageWatch(pool)
    desk = OrderDesk(database, pool, Shelf(), Sealers((SEALING_KEY,)), Metrics("0", None), outage)
    desk.close()

    asked = asyncio.create_task(desk.place(Ask(token_hash(b"x"), None, Fields({}, None))))
    done, _ = await asyncio.wait({asked}, timeout=2)

    assert done, "the order waits at a desk that serves nobody"
    assert isinstance(asked.result(), Busy)
    await outage.close()
    await pool.close()


async def somebody_waits(database: Target) -> None:
    """Wait until somebody waits for a lock."""
    watcher = await opened_connection(database)
    # Not asked in a transaction: there the first answer would be given again and again.
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(500):
        if await watcher.fetchval(waiting):
            await watcher.close()
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


async def test_an_order_whose_client_is_gone_stops_nobody(database: Target) -> None:
    connection = await opened_connection(database)
    await apply_file(connection, CATALOG.read_bytes(), "test", dry_run=False)
    buyer = await new_buyer(connection, 16_00)
    pool = await opened_pool(database)
    outage = OutageWatch(pool)
    desk = OrderDesk(database, pool, Shelf(), Sealers((SEALING_KEY,)), Metrics("0", None), outage)
    ask = Ask(token_hash(buyer.token.encode()), None, Fields({"plan": "mobile", "bandwidth": "1"}, None))
    gone, waiting = (asyncio.create_task(desk.place(ask)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()

    serving = asyncio.create_task(desk.run())
    done, _ = await asyncio.wait({waiting}, timeout=5)
    desk.close()
    ended, _ = await asyncio.wait({serving}, timeout=5)

    assert done, "one that left took the others' answers with it"
    assert isinstance(waiting.result(), Placed)
    assert [one.exception() for one in ended] == [None]
    await outage.close()
    await pool.close()
    await connection.close()


async def test_orders_that_wait_are_answered_before_the_shop_ends(database: Target) -> None:
    connection = await opened_connection(database)
    await apply_file(connection, CATALOG.read_bytes(), "test", dry_run=False)
    buyer = await new_buyer(connection, 8_00)
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async with connection.transaction():
        await connection.execute("SELECT FROM account WHERE id = $1 FOR UPDATE", buyer.account_id)
        async with opened_shop(database, (SEALING_KEY,)) as shop:
            asked = asyncio.create_task(shop(posted(buyer), received, send))
            await somebody_waits(database)
    # The shop has ended while the order still waited: nobody may be left without a word.
    done, _ = await asyncio.wait({asked}, timeout=2)

    assert done, "the shop ended and left an order without an answer"
    assert told[0]["status"] == 503
    await connection.close()


async def test_an_answer_that_breaks_in_its_middle_is_not_made_whole(database: Target) -> None:
    told: list[Message] = []
    pool = await opened_pool(database)

    async def breaks(_scope: object, _receive: object, send: Any) -> None:  # noqa: ANN401 -- as ASGI has it
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[1", "more_body": True})
        raise RuntimeError("broken")

    async def send(message: Message) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    with pytest.raises(RuntimeError, match="broken"):
        await Edge(Answered(breaks, OutageWatch(pool)), told=lambda _exchange: None)(scope, received, send)
    assert all(message.get("more_body", True) for message in told)
    await pool.close()
