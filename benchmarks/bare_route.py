"""The peer of ``GET /plans``: one Starlette route that returns the same bytes, on plain uvicorn.

    .venv/bin/python -m benchmarks.bare_route BODY DESCRIPTOR

BODY is a file; DESCRIPTOR is a listening socket that the caller gave. The settings of uvicorn are those of our workers;
its protocol is uvicorn's own. It knows its one tag, and answers 304 to who names exactly that.
"""

import hashlib
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def application(body: bytes) -> Starlette:
    """Return the application."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    async def plans(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return Starlette(routes=[Route("/plans", plans)])


def main() -> None:
    """Serve until told to end."""
    body, descriptor = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    config = uvicorn.Config(
        application(body),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2_048,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main()
