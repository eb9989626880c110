"""Lists: whole and streamed, or one page by ``?limit`` (contract, section 4); read and encoded in small parts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.http.answer import send_json, send_json_array
from novaproxy.http.paging import Place, asked_paging, next_link
from novaproxy.http.refusals import Headers

PART_ROWS = 50
"""How many rows are read and encoded at once; for as long as that takes other requests wait (orders: 0.5 ms)."""

Shown = tuple[Place, bytes]
"""A row's place in its list, and its JSON."""


@dataclass(frozen=True, slots=True)
class Part:
    """A number of rows that were read, and the place of the last one; *encoded* shows them when it is their turn."""

    count: int
    last: Place | None
    encoded: Callable[[], list[Shown]]


NOTHING = Part(0, None, list)

ReadPart = Callable[[Place | None, int], Awaitable[Part]]
"""Reads at most so many rows behind a place, the first ones where it is None."""


class Lists:
    """Sends lists; made once a process: however many are being sent, one part is encoded in a turn of the loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def send(self, request: Request, send: Send, read_part: ReadPart, headers: Headers | None = None) -> None:
        """Answer with the whole list, streamed, or with the page that is asked for; no connection is held meanwhile."""
        paging = asked_paging(request.query_params)
        if paging is None:
            await send_json_array(send, self._streamed(request, read_part), headers)
            return
        parts = self._parts(read_part, paging.after, paging.limit + 1)
        rows = [row async for part in parts for row in part]
        shown, more = rows[: paging.limit], rows[paging.limit :]
        link = next_link(request, paging, shown[-1][0]) if more else []
        await send_json(send, 200, b"[" + b",".join(row for _, row in shown) + b"]", [*(headers or []), *link])

    async def _streamed(self, request: Request, read_part: ReadPart) -> AsyncIterator[list[bytes]]:
        # What is sent to a client that left goes nowhere and says nothing.
        leaving = asyncio.create_task(_left(request))
        try:
            async for part in self._parts(read_part, None, None):
                yield [row for _, row in part]
                if leaving.done():
                    return
        finally:
            leaving.cancel()

    async def _parts(self, read_part: ReadPart, after: Place | None, limit: int | None) -> AsyncIterator[list[Shown]]:
        """Give the rows behind *after*, *limit* at most; rows that arrive meanwhile are not among them.

        While a part is encoded and sent the database reads the next one.
        """
        left, wanted = limit, _part_rows(limit)
        part = await read_part(after, wanted)
        while part.count:
            left = None if left is None else left - part.count
            reading = None
            if part.count == wanted and left != 0:
                wanted = _part_rows(left)
                reading = asyncio.ensure_future(read_part(part.last, wanted))
                reading.add_done_callback(_heard)
            yield await self._encoded(part)
            part = await reading if reading is not None else NOTHING

    async def _encoded(self, part: Part) -> list[Shown]:
        async with self._turn:
            # Who waits is served before; and the next part's statement is on its way.
            await asyncio.sleep(0)
            return part.encoded()


async def _left(request: Request) -> None:
    """Wait until the client leaves; one task a list is much less than to ask the request for it behind each part."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _part_rows(left: int | None) -> int:
    return PART_ROWS if left is None else min(PART_ROWS, left)


def _heard(reading: asyncio.Future[Part]) -> None:
    """Take note of what was read for a client that left, so that nobody complains that an error was never looked at."""
    if not reading.cancelled():
        reading.exception()
