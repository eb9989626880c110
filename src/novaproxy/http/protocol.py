"""HTTP/1.1 on one connection: uvicorn's protocol with bounds that it lacks, and with offers of HTTP/2 left aside.

- A request's head has a greatest length and a time; so has its body. uvicorn alone reads a head for ever.
- An answer that nobody reads is waited for no longer than a request that nobody ends.
- Requests that are sent before the answers to those before are held back, a few of them.
- What is no HTTP is told so behind the answers to the requests before it: they are whole, and may have cost money.
- A client that offers ``Upgrade: h2c`` (each JDK client does) is answered in HTTP/1.1, as RFC 9110, section 7.8,
  allows; the parser alone would stop at the head and the body would be lost.
- A client that closes its side after its request still gets its answer.
"""

import asyncio
import re
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novaproxy.errors import Refusal
from novaproxy.http.crowd import Crowd
from novaproxy.http.edge import WHOLE_ADDRESS, Shedding, Told, refused_before, shed
from novaproxy.http.joined import JoinedHead
from novaproxy.http.methods import parseable
from novaproxy.http.refusals import Busy, Headers, HeadTooLong, NotHttp, refusal_body, refusal_headers

HEAD_LIMIT_BYTES = 32_768
MOST_AHEAD = 32
"""Requests of one connection that may wait for the answers to those before them."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_UPGRADE = re.compile(rb"\n(?:upgrade|http2-settings)[ \t]*:[^\n]*", re.IGNORECASE)


class _TooManyAhead(Exception):  # noqa: N818 -- no fault, a way out of the parser
    """Stops the parser; what came ahead is answered."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. What stands in the head is held back until the head is whole.

    *told* learns of what is refused here, before it is a request for the edge. *crowd* are all connections of the
    worker; None: as many as come. *shedding* is what is refused here while the service is full.
    """

    head_seconds: ClassVar[float] = 15.0
    body_seconds: ClassVar[float] = 30.0
    unread_seconds: ClassVar[float] = 30.0
    """How long an answer may stay where it is because nobody reads it."""

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 -- uvicorn's own
        told: Told | None = None,
        crowd: Crowd | None = None,
        shedding: Shedding | None = None,
        **options: Any,  # noqa: ANN401 -- as above
    ) -> None:
        super().__init__(*arguments, **options)
        self._told = told
        self._crowd = crowd
        self._shedding = shedding
        self._target = shedding.path.encode("ascii") if shedding is not None else None
        self._is_shed = False
        self._held = bytearray()
        self._is_between_requests = True
        self._is_in_head = False
        self._parsed_head_bytes = 0
        self._method: str | None = None
        self._last_words: Refusal | None = None
        self._is_over = False
        self._patience: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._wait(self.head_seconds)
        if self._crowd is not None and not self._crowd.enter(self):
            self._refuse(Busy())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self._stop_minding_reader()
        if self._crowd is not None:
            self._crowd.leave(self)
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Go, for another connection."""
        self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn always closes
        """Keep the connection for the answers to whole requests; half a request is never finished by now."""
        if self._is_over or self._is_between_requests or self._is_in_head:
            return self._is_answering()
        # The newest request has half a body: it is given up, and those before it are answered.
        if self.pipeline:
            self.pipeline.popleft()
            return True
        return False

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Hand whole heads and whatever follows them to the parser."""
        if self._is_over:
            return
        if not self._is_between_requests:
            self._parse(data)
            return
        self._held += data
        end = _HEAD_END.search(self._held)
        if (end.end() if end else len(self._held)) > HEAD_LIMIT_BYTES:
            self._refuse(HeadTooLong(HEAD_LIMIT_BYTES))
        elif end is None:
            if self._patience is None:
                self._wait(self.head_seconds)
        else:
            head, self._method = parseable(_UPGRADE.sub(b"", self._held[: end.end()]))
            received = head + self._held[end.end() :]
            self._held.clear()
            self._stop_waiting()
            self._parse(bytes(received))

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        # A request that came whole needs no clock.
        if self._patience is None and not (self._is_between_requests or self._is_over):
            self._wait(self.body_seconds)
        # A head that came behind a request in the same packet is with the parser already.
        if self._is_in_head and not self._is_over:
            self._parsed_head_bytes += len(data)
            if self._parsed_head_bytes > 2 * HEAD_LIMIT_BYTES:
                self._refuse(HeadTooLong(HEAD_LIMIT_BYTES))

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        if len(self.pipeline) >= MOST_AHEAD:
            raise _TooManyAhead
        super().on_message_begin()
        self._is_between_requests = False
        self._is_in_head = True
        self._parsed_head_bytes = 0

    def on_headers_complete(self) -> None:
        """Note that the head is whole, and what is lost of its target behind here."""
        self._is_in_head = False
        if self.url == self._target and self._sheds():
            self._is_shed = True
            return
        self.scope[WHOLE_ADDRESS] = not self.url.startswith(b"/")  # type: ignore[literal-required]  # our own
        super().on_headers_complete()
        if self._method is not None:
            self.scope["method"], self._method = self._method, None
        if self.scope["method"] != "HEAD":
            self.cycle.transport = JoinedHead(self.cycle)  # type: ignore[assignment]  # as much of one as is used

    def _sheds(self) -> bool:
        """Return whether what begins is not even handed on."""
        return (
            self._shedding is not None
            and self.parser.get_method() == b"POST"
            and self._method is None
            and not self.expect_100_continue
            and not self._is_answering()
            and self._shedding.refuses(self.loop)
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, or drop it."""
        if not self._is_shed:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole; how long its answer takes is for others to bound."""
        if self._is_shed:
            self._shed()
            return
        super().on_message_complete()
        self._is_between_requests = True
        self._stop_waiting()
        if self._crowd is not None and self._is_answering():
            self._crowd.work(self)

    def _shed(self) -> None:
        """Refuse the request that is whole now; the clock of its body goes on as the one of the next head."""
        self._is_shed, self._is_between_requests = False, True
        if self._patience is None:
            self._wait(self.body_seconds)
        keeps = self.parser.should_keep_alive()
        self.scope["method"] = "POST"
        exchange = shed(self.scope, self._shedding.path, Busy) if self._shedding is not None else None
        if exchange is not None:
            before, behind = _around_request_id(closes=not keeps)
            self.transport.write(before + exchange.request_id.encode("ascii") + behind)
            if self._told is not None:
                self._told(exchange)
        if not keeps:
            self.transport.close()
            self._abort_later()

    def on_response_complete(self) -> None:
        """Go on with the next request; behind the last one say what is wrong with what followed it."""
        is_last = not self.pipeline
        super().on_response_complete()
        if self._is_over and is_last:
            self._say_last_words()
        elif self.transport.is_closing():
            self._abort_later()
        elif is_last and self._crowd is not None:
            self._crowd.rest(self)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing was asked for a while, or on which the answer is still not read."""
        super().timeout_keep_alive_handler()
        self._abort_later()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._stop_minding_reader()
        self._unread = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting for it."""
        self._stop_minding_reader()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's sentence, in a form of its own
        """Refuse bytes that are no HTTP."""
        self._refuse(Busy() if len(self.pipeline) >= MOST_AHEAD else NotHttp())

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with *refusal* and close; whole requests before it are answered first, and nothing behind it is read.

        A request that breaks in its middle is this one: it never was whole, so nobody acts on it.
        """
        self._is_over = True
        self._held.clear()
        self._stop_waiting()
        self._last_words = refusal
        if not (self._is_between_requests or self._is_in_head):
            self._drop_broken_request()
        elif not self._is_answering():
            self._say_last_words()

    def _drop_broken_request(self) -> None:
        if self._is_shed:
            self._say_last_words()
        elif self.pipeline and self.pipeline[0][0] is self.cycle:
            # Its turn had not come. It is the newest; those before it are answered.
            self.pipeline.popleft()
        elif self.cycle.response_started:
            self._last_words = None
            self._say_last_words()
        else:
            self._say_last_words()

    def _say_last_words(self) -> None:
        """Write what is left to say, and close."""
        if self._last_words is not None and not self.transport.is_closing():
            refusal, self._last_words = self._last_words, None
            if self._told is not None:
                self._told(refused_before(refusal.status, refusal.code, self.client))
            self.transport.write(_bare_answer(refusal))
        self.transport.close()
        self._abort_later()

    def _abort_later(self) -> None:
        """End a connection whose last bytes nobody reads; a transport that is closing waits for ever."""
        self._stop_minding_reader()
        self._unread = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def _stop_minding_reader(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.close()
        self._abort_later()


@cache
def _around_request_id(*, closes: bool) -> tuple[bytes, bytes]:
    """Return what stands before and behind its id in the answer to a request that is shed."""
    mark = b"{request id}"
    before, _, behind = _bare_answer(Busy(), [(b"x-request-id", mark)], closes=closes).partition(mark)
    return before, behind


def _bare_answer(refusal: Refusal, more: Headers | None = None, *, closes: bool = True) -> bytes:
    """Return *refusal* as the connection says it, where there is no request and so no edge."""
    body = refusal_body(refusal)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        *([(b"connection", b"close")] if closes else []),
        *refusal_headers(refusal),
        *(more or []),
    ]
    status = f"{refusal.status} {HTTPStatus(refusal.status).phrase}".encode("ascii")
    return b"\r\n".join([b"HTTP/1.1 " + status, *(b"%s: %s" % pair for pair in headers), b"", body])
