"""Bodies that are kept in memory and sent whole, each with a strong ETag; who has it already gets 304 (RFC 9110)."""

import hashlib
from dataclasses import dataclass

from starlette.types import Scope, Send

from novaproxy.http.refusals import Headers

JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A body with its headers; made once, sent often.

    Attributes:
        etag: strong: another byte, another tag. It has no comma.
        headers: of the whole answer.
        headers_without_body: of the 304; it repeats the tag and what says how the answer may be kept (section 15.4.5).
    """

    body: bytes
    etag: bytes
    headers: Headers
    headers_without_body: Headers

    async def send(self, scope: Scope, send: Send) -> None:
        """Send the body, or 304 to who has it."""
        if self._is_known(scope):
            await send({"type": "http.response.start", "status": 304, "headers": self.headers_without_body})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def _is_known(self, scope: Scope) -> bool:
        """Return whether the client has this version (section 13.1.2: a list or ``*``, by the weak comparison)."""
        given = [value for name, value in scope["headers"] if name == b"if-none-match"]
        if not given:
            return False
        # A tag of others may hold commas; no part of one that is cut there looks like a whole tag of ours.
        tags = [tag.strip().removeprefix(b"W/") for value in given for tag in value.split(b",")]
        return self.etag in tags or tags == [b"*"]


def kept(content_type: bytes, body: bytes, more: Headers | None = None) -> Kept:
    """Return *body* as it is kept; whoever keeps it beyond here, a browser or a proxy, asks again before each use."""
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode("ascii")
    common = [(b"etag", etag), (b"cache-control", b"no-cache"), *(more or [])]
    length = str(len(body)).encode("ascii")
    return Kept(body, etag, [(b"content-type", content_type), (b"content-length", length), *common], common)
