"""``GET /openapi.json`` and ``GET /docs`` (contract, section 6): whole files in memory, each with its ETag."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.http.answer import send_whole
from novaproxy.http.refusals import Headers, PathNotFound
from novaproxy.openapi.description import INDEX, description, encoded, page_files

_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}

# Nothing is loaded from, or told to, another host, and no script or style stands in the page itself. Pictures that are
# part of a style sheet have data addresses.
_POLICY = (
    b"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _POLICY),
]


@dataclass(frozen=True, slots=True)
class File:
    """Something that is served as it is; *etag* is strong: another byte, another tag."""

    content_type: bytes
    body: bytes
    etag: bytes

    async def send(self, request: Request, send: Send) -> None:
        """Send the file, or 304 to who has it."""
        # Always asked for anew: after an upgrade no old script meets a new page.
        headers: Headers = [(b"etag", self.etag), (b"cache-control", b"no-cache"), *_SAFE]
        if self._is_known(request):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await send_whole(send, 200, self.content_type, self.body, headers)

    def _is_known(self, request: Request) -> bool:
        """Return whether the client has this version (RFC 9110, section 13.1.2: the comparison is the weak one)."""
        given = ",".join(request.headers.getlist("if-none-match"))
        tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
        return self.etag.decode("ascii") in tags or tags == ["*"]


@dataclass(frozen=True, slots=True)
class DescriptionPages:
    """The description and the page that shows it; made once a process."""

    document: File
    page: Mapping[str, File]

    async def openapi(self, request: Request, send: Send) -> None:
        """``GET /openapi.json``."""
        await self.document.send(request, send)

    async def index(self, request: Request, send: Send) -> None:
        """``GET /docs``."""
        await self.page[INDEX].send(request, send)

    async def file(self, request: Request, send: Send) -> None:
        """``GET /docs/{file}``: what the page loads."""
        name = request.path_params["file"]
        if name == INDEX or name not in self.page:
            raise PathNotFound
        await self.page[name].send(request, send)


def description_pages() -> DescriptionPages:
    """Return the description as it is served."""
    page = {file.name: _file(file.name, file.read_bytes()) for file in page_files()}
    return DescriptionPages(_file("openapi.json", encoded(description())), page)


def _file(name: str, body: bytes) -> File:
    content_type = _TYPES[name[name.rindex(".") :]]
    return File(content_type, body, b'"' + hashlib.sha256(body).hexdigest()[:32].encode("ascii") + b'"')
