"""The edge: each request gets its id there, and what became of it is told there, once."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novaproxy.errors import Refusal

REQUEST_ID = "novaproxy.request_id"
EXCHANGE = "novaproxy.exchange"
"""Where the scope holds the Exchange that the request is the beginning of."""

ROUTE = "novaproxy.route"
"""Where the scope names the route of a request that never reaches the router."""

WHOLE_ADDRESS = "novaproxy.whole_address"
"""True in the scope of a request whose target is a whole address, or a host's, as only a proxy is asked."""

MORE_HEADERS = "novaproxy.more_headers"
"""Where the scope holds headers that its answer gets, whatever the answer is."""

NO_ROUTE = "other"
"""The one route of all paths that do not exist."""

_PLAIN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LONG_SEGMENT = re.compile(r"[^/]{25,}")
_LONGEST_PATH = 200

log = structlog.get_logger("novaproxy.access")


@dataclass(slots=True)
class Exchange:
    """A request and its answer.

    *status* is 0 where the client left before one; *code* is a refusal's, None for every other answer; *seconds* go
    from the head to the answer's last byte.
    """

    scope: Scope
    request_id: str
    status: int = 0
    code: str | None = None
    sent_bytes: int = 0
    seconds: float = 0.0

    @property
    def route(self) -> str:
        """The template of the path, such as ``/plans/{slug}``."""
        named: str | None = self.scope.get(ROUTE)
        if named is not None:
            return named
        return getattr(self.scope.get("route"), "path", NO_ROUTE)


Told = Callable[[Exchange], None]


class Shedding:
    """What the connection itself refuses while *is_full*: ``POST`` of *path*, for a part of what the edge takes.

    All that has arrived when the event loop looks is read before any of it is served, so *is_full* hears how many were
    let in that it cannot know of yet.
    """

    def __init__(self, path: str, is_full: Callable[[int], bool]) -> None:
        self.path = path
        self._is_full = is_full
        self._let_in = 0

    def refuses(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether what begins now is refused; else it is let in, and served in the next turn of *loop*."""
        if self._is_full(self._let_in):
            return True
        if not self._let_in:
            loop.call_soon(self._see_them_served)
        self._let_in += 1
        return False

    def _see_them_served(self) -> None:
        self._let_in = 0


class Edge:
    """Gives each answer an ``X-Request-Id``, the caller's own where it is a plain one, else a new one.

    *told* hears of each exchange at its end; *shedding* is for the connections, which stand before it.
    """

    def __init__(self, app: ASGIApp, told: Told, shedding: Shedding | None = None) -> None:
        self._app = app
        self.told = told
        self.shedding = shedding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at = time.monotonic()
        request_id = _request_id(scope)
        exchange = Exchange(scope, request_id.decode("ascii"))
        scope[REQUEST_ID] = exchange.request_id
        scope[EXCHANGE] = exchange

        async def send_noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note_start(exchange, message)
                more = scope.get(MORE_HEADERS, ())
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id), *more]
            elif scope["method"] != "HEAD":
                exchange.sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            exchange.seconds = time.monotonic() - began_at
            self.told(exchange)
            # They hold each other, and would stay until the garbage collector looks for circles.
            del scope[EXCHANGE]


def _request_id(scope: Scope) -> bytes:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == b"x-request-id" and _PLAIN_ID.fullmatch(value):
            return value
    # A name, no secret: it is worth no system call.
    return b"%016x" % random.getrandbits(64)


def _note_start(exchange: Exchange, message: Message) -> None:
    exchange.status = message["status"]
    if exchange.status >= 400:  # noqa: PLR2004 -- where refusals begin
        codes = (value for name, value in message.get("headers", ()) if name == b"x-error-code")
        exchange.code = next(codes, b"unnamed").decode("ascii")


def refused_before(status: int, code: str, client: Any) -> Exchange:  # noqa: ANN401 -- as ASGI has it: host, port
    """Return the exchange of bytes that were refused before they were a request, by the connection itself."""
    return Exchange({"client": client}, "", status, code)


def shed(scope: Any, path: str, refusal: type[Refusal]) -> Exchange:  # noqa: ANN401 -- uvicorn has a type of its own for it
    """Return the exchange of a request that the connection refused instead of the edge."""
    scope[ROUTE] = path
    return Exchange(scope, _request_id(scope).decode("ascii"), refusal.status, refusal.code)


def log_access(exchange: Exchange) -> None:
    """Write the access log's line: never a header, a query, a body."""
    scope = exchange.scope
    log.info(
        "request",
        method=scope.get("method", "-"),
        path=_told_path(exchange),
        status=exchange.status,
        **({} if exchange.code is None else {"code": exchange.code}),
        milliseconds=round(exchange.seconds * 1000, 2),
        sent_bytes=exchange.sent_bytes,
        request_id=exchange.request_id,
        peer=scope["client"][0] if scope["client"] else None,
    )


def _told_path(exchange: Exchange) -> str:
    """Return the route, or the path where there is none; whatever might be a token that went astray is left out."""
    if exchange.route != NO_ROUTE:
        return exchange.route
    path: bytes = exchange.scope.get("raw_path", b"-")
    # Cut first, a token across the cut would be short enough to stay.
    return _LONG_SEGMENT.sub("*", path.decode("ascii", "replace"))[:_LONGEST_PATH]
