"""Answers: a status, headers and a JSON body, sent as plain ASGI messages; and each answer's request id."""

import re
import secrets
from collections.abc import AsyncIterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novaproxy.errors import Refusal
from novaproxy.http.refusals import Headers, refusal_body, refusal_headers

_JSON = (b"content-type", b"application/json")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


async def send_json(send: Send, status: int, body: bytes, headers: Headers | None = None) -> None:
    """Send *body*, JSON, whole."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [_JSON, (b"content-length", str(len(body)).encode("ascii")), *(headers or [])],
        },
    )
    await send({"type": "http.response.body", "body": body})


async def send_refusal(send: Send, refusal: Refusal) -> None:
    """Send *refusal* as ``{"error": "<sentence>"}`` with its code."""
    await send_json(send, refusal.status, refusal_body(refusal), refusal_headers(refusal))


async def send_json_array(send: Send, pages: AsyncIterator[list[bytes]], headers: Headers | None = None) -> None:
    """Stream *pages* as one bare array; nothing is held between two pages but the connection to the client.

    The first page is asked for before the status is sent, so that a database that is away is still a 503.
    """
    nothing: list[bytes] = []
    first = await anext(pages, nothing)
    await send({"type": "http.response.start", "status": 200, "headers": [_JSON, *(headers or [])]})
    await send({"type": "http.response.body", "body": b"[" + b",".join(first), "more_body": True})
    async for page in pages:
        await send({"type": "http.response.body", "body": b"," + b",".join(page), "more_body": True})
    await send({"type": "http.response.body", "body": b"]"})


class RequestIds:
    """Gives each answer an ``X-Request-Id``: the caller's own where it is a plain one, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_request_id(scope) or secrets.token_hex(8).encode("ascii")
        scope["novaproxy.request_id"] = request_id.decode("ascii")

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        await self._app(scope, receive, send_with_id)


def _given_request_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value if _REQUEST_ID.fullmatch(value) else None
    return None
