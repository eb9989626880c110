"""The line between a customer's program and the service, as a proxy on loopback that breaks it around an order."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import urlsplit

from novaproxy.http.refusals import Busy, refusal_body, refusal_headers

_CHUNK_BYTES = 65_536
_START_SECONDS = 10
_BODY = refusal_body(Busy())
_BUSY = b"\r\n".join(
    [
        b"HTTP/1.1 503 Service Unavailable",
        b"content-length: %d" % len(_BODY),
        *(b"%s: %s" % header for header in refusal_headers(Busy())),
        b"connection: close",
        b"",
        _BODY,
    ]
)


class Fate(Enum):
    """What becomes of a ``POST /orders``."""

    LOST = auto()
    """The line breaks, and the order never arrives."""

    ANSWER_LOST = auto()
    """The order is placed, and the line breaks before anything of its answer is through."""

    ANSWER_CUT = auto()
    """The order is placed, and the line ends in the middle of its answer's body."""

    BUSY = auto()
    """Somebody between answers 503 with ``Retry-After``, and the order never arrives."""


@dataclass(slots=True)
class CustomerLine:
    """A proxy on 127.0.0.1. *fates* are those of the next orders; of *seen* orders the first ones met them."""

    upstream: str
    fates: list[Fate] = field(default_factory=list)
    seen: int = 0
    port: int = 0

    @property
    def address(self) -> str:
        """The service through this line."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, opened: threading.Event, closed: threading.Event) -> None:
        """Serve until *closed*."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        opened.set()
        await asyncio.to_thread(closed.wait)
        server.close()

    async def _carry(self, from_customer: asyncio.StreamReader, to_customer: asyncio.StreamWriter) -> None:
        place = urlsplit(self.upstream)
        try:
            from_service, to_service = await asyncio.open_connection(place.hostname, place.port)
        except BaseException:
            # The line may end while its way to the service is opened.
            to_customer.transport.abort()
            raise
        down = asyncio.create_task(_copy(from_service, to_customer))
        try:
            with suppress(ConnectionError):
                while message := await from_customer.read(_CHUNK_BYTES):
                    fate = self._fate(message)
                    if fate is not None:
                        down.cancel()
                        await _meet(fate, message, from_customer, to_customer, from_service, to_service)
                        return
                    to_service.write(message)
                    await to_service.drain()
        finally:
            down.cancel()
            to_customer.close()
            to_service.close()

    def _fate(self, message: bytes) -> Fate | None:
        if not message.startswith(b"POST /orders "):
            return None
        self.seen += 1
        return self.fates[self.seen - 1] if self.seen <= len(self.fates) else None


async def _copy(from_service: asyncio.StreamReader, to_customer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while message := await from_service.read(_CHUNK_BYTES):
            to_customer.write(message)
            await to_customer.drain()
    to_customer.close()


async def _meet(
    fate: Fate,
    order: bytes,
    from_customer: asyncio.StreamReader,
    to_customer: asyncio.StreamWriter,
    from_service: asyncio.StreamReader,
    to_service: asyncio.StreamWriter,
) -> None:
    """Let *order*, or as much of it as came, meet its fate; the line is not used again."""
    up: asyncio.Task[None] | None = None
    if fate in (Fate.ANSWER_LOST, Fate.ANSWER_CUT):
        to_service.write(order)
        # A program may send the body after the head.
        up = asyncio.create_task(_copy(from_customer, to_service))
        answer = await from_service.readuntil(b"\r\n\r\n")
        answer += await from_service.read(_CHUNK_BYTES)
        if fate is Fate.ANSWER_CUT:
            to_customer.write(answer[:-50])
            await to_customer.drain()
            to_customer.close()
    if fate is Fate.BUSY:
        to_customer.write(_BUSY)
        # Closed with something unread, the line would break instead.
        to_customer.write_eof()
        await from_customer.read()
    if fate in (Fate.LOST, Fate.ANSWER_LOST):
        to_customer.transport.abort()
    if up is not None:
        up.cancel()


@contextmanager
def customer_line(upstream: str, *fates: Fate) -> Iterator[CustomerLine]:
    """Run a proxy to the service at *upstream*."""
    line = CustomerLine(upstream, list(fates))
    opened, closed = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(line.serve(opened, closed)))
    thread.start()
    try:
        assert opened.wait(_START_SECONDS)
        yield line
    finally:
        closed.set()
        thread.join(_START_SECONDS)
        assert not thread.is_alive()
