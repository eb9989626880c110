"""Answers: a status, headers and a body, nearly always JSON, sent as plain ASGI messages."""

from collections.abc import AsyncIterator

from starlette.types import Send

from novaproxy.errors import Refusal
from novaproxy.http.refusals import Headers, refusal_body, refusal_headers

_JSON = (b"content-type", b"application/json")

NO_STORE: Headers = [(b"cache-control", b"no-store")]
"""For answers that hold secrets: neither a browser nor a proxy on the way keeps them."""


async def send_whole(send: Send, status: int, content_type: bytes, body: bytes, headers: Headers | None = None) -> None:
    """Send *body*, of any type, whole."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode("ascii")),
                *(headers or []),
            ],
        },
    )
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, body: bytes, headers: Headers | None = None) -> None:
    """Send *body*, JSON, whole."""
    await send_whole(send, status, b"application/json", body, headers)


async def send_empty(send: Send, status: int) -> None:
    """Send an answer that has no body at all (204)."""
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


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
