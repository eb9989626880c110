"""Lists: whole and streamed, or one page by ``?limit`` (contract, section 4); read and encoded in small parts."""

from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.types import Send

from novaproxy.http.answer import send_json, send_json_array
from novaproxy.http.paging import Place, asked_paging, next_link
from novaproxy.http.refusals import Headers

PART_ROWS = 50
"""How many rows are read and encoded at once; for as long as that takes other requests wait (orders: about 1 ms)."""

Shown = tuple[Place, bytes]
"""A row's place in its list, and its JSON."""

ReadPart = Callable[[Place | None, int], Awaitable[list[Shown]]]
"""Reads at most so many rows behind a place, the first ones where it is None."""


async def send_list(request: Request, send: Send, read_part: ReadPart, headers: Headers | None = None) -> None:
    """Answer with the whole list, streamed, or with the page that is asked for; nothing is held between two parts."""
    paging = asked_paging(request.query_params)
    if paging is None:
        await send_json_array(send, _streamed(request, read_part), headers)
        return
    rows = [row async for part in _parts(read_part, paging.after, paging.limit + 1) for row in part]
    shown, more = rows[: paging.limit], rows[paging.limit :]
    link = next_link(request, paging, shown[-1][0]) if more else []
    await send_json(send, 200, b"[" + b",".join(row for _, row in shown) + b"]", [*(headers or []), *link])


async def _streamed(request: Request, read_part: ReadPart) -> AsyncIterator[list[bytes]]:
    async for part in _parts(read_part, None, None):
        yield [row for _, row in part]
        # What is sent to a client that left goes nowhere and says nothing.
        if await request.is_disconnected():
            return


async def _parts(read_part: ReadPart, after: Place | None, limit: int | None) -> AsyncIterator[list[Shown]]:
    """Give the rows behind *after*, *limit* at most; rows that arrive meanwhile are not among them."""
    left = limit
    while left is None or left > 0:
        wanted = PART_ROWS if left is None else min(PART_ROWS, left)
        part = await read_part(after, wanted)
        if part:
            yield part
            after = part[-1][0]
        if len(part) < wanted:
            return
        left = None if left is None else left - wanted
