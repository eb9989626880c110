"""The demo shop's own web page: something to fetch through the proxy where there is no internet.

It is served on a port of its own, which is all of the operator's network that the demo opens to customers: the shop's
API is not, since it trusts those who come from its own machine.
"""

import asyncio
import socket

_LONGEST_HEAD_BYTES = 16_384
_HEAD_SECONDS = 5.0
_PAGE = b"""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>NovaProxy demo page</title></head>
<body>
<h1>It works.</h1>
<p>This page came through the proxy that you just bought, and its bytes are counted: GET /orders shows them.</p>
</body>
</html>
"""
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_PAGE), _PAGE)
)


async def opened_demo_page(listener: socket.socket) -> asyncio.Server:
    """Serve the page on *listener*, whatever is asked, until the server that is returned is closed."""
    return await asyncio.start_server(_answer, sock=listener, limit=_LONGEST_HEAD_BYTES)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_ANSWER)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        writer.transport.abort()
