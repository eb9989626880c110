"""``GET /openapi.json`` and ``GET /docs`` (contract, section 6): whole files in memory, each with its ETag."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Send

from novaproxy.http.kept import Kept, kept
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
class DescriptionPages:
    """The description and the page that shows it; made once a process."""

    document: Kept
    page: Mapping[str, Kept]

    async def openapi(self, request: Request, send: Send) -> None:
        """``GET /openapi.json``."""
        await self.document.send(request.scope, send)

    async def index(self, request: Request, send: Send) -> None:
        """``GET /docs``."""
        await self.page[INDEX].send(request.scope, send)

    async def file(self, request: Request, send: Send) -> None:
        """``GET /docs/{file}``: what the page loads."""
        name = request.path_params["file"]
        if name == INDEX or name not in self.page:
            raise PathNotFound
        await self.page[name].send(request.scope, send)


def description_pages() -> DescriptionPages:
    """Return the description as it is served."""
    page = {file.name: _file(file.name, file.read_bytes()) for file in page_files()}
    return DescriptionPages(_file("openapi.json", encoded(description())), page)


def _file(name: str, body: bytes) -> Kept:
    # A client that asks before each use never meets an old script on a new page.
    return kept(_TYPES[name[name.rindex(".") :]], body, _SAFE)
