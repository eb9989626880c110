"""The edge, without a connection: what it lets in while the service is full, and what a request leaves behind."""

import asyncio
import gc

from starlette.types import Message, Receive, Scope, Send

from novaproxy.http.answer import send_json
from novaproxy.http.edge import Edge, Exchange, Shedding

ROOM = 3


async def test_of_what_is_read_at_once_as_many_are_let_in_as_there_is_room_for() -> None:
    loop, asked = asyncio.get_running_loop(), list[int]()

    def is_full(coming: int) -> bool:
        asked.append(coming)
        return coming >= ROOM

    shedding = Shedding("/orders", is_full)
    assert [shedding.refuses(loop) for _ in range(ROOM + 2)] == [False, False, False, True, True]
    assert asked == [0, 1, 2, 3, 3]
    await asyncio.sleep(0)
    assert [shedding.refuses(loop) for _ in range(ROOM + 1)] == [False, False, False, True]


def exchanges() -> int:
    return sum(isinstance(one, Exchange) for one in gc.get_objects())


async def test_a_request_that_is_over_leaves_nothing_for_the_garbage_collector() -> None:
    told = list[int]()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, 200, b"{}")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        return

    edge = Edge(app, lambda exchange: told.append(exchange.status))
    gc.disable()
    try:
        before = exchanges()
        for _ in range(10):
            await edge({"type": "http", "method": "GET", "headers": []}, receive, send)
        assert told == [200] * 10
        assert exchanges() == before
    finally:
        gc.enable()
