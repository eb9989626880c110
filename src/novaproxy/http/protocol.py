"""HTTP/1.1 on one connection: uvicorn's protocol with bounds that it lacks, and with offers of HTTP/2 left aside.

- A request's head has a greatest length and a time; so has its body. uvicorn alone reads a head for ever.
- A client that offers ``Upgrade: h2c`` (each JDK client does) is answered in HTTP/1.1, as RFC 9110, section 7.8,
  allows; the parser alone would stop at the head and the body would be lost.
- A client that closes its side after its request still gets its answer.
"""

import asyncio
import re
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novaproxy.http.edge import WHOLE_ADDRESS, Told, refused_before
from novaproxy.http.refusals import HeadTooLong, refusal_body

HEAD_LIMIT_BYTES = 32_768

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_UPGRADE = re.compile(rb"\n(?:upgrade|http2-settings)[ \t]*:[^\n]*", re.IGNORECASE)
_HEAD_TOO_LONG = refusal_body(HeadTooLong(HEAD_LIMIT_BYTES))


class BoundedHttp(HttpToolsProtocol):
    """One connection. What stands in the head is held back until the head is whole.

    *told* learns of what is refused here, before it is a request for the edge.
    """

    head_seconds: ClassVar[float] = 15.0
    body_seconds: ClassVar[float] = 30.0

    def __init__(self, *arguments: Any, told: Told | None = None, **options: Any) -> None:  # noqa: ANN401 -- uvicorn's own
        super().__init__(*arguments, **options)
        self._told = told
        self._held = bytearray()
        self._is_between_requests = True
        self._is_in_head = False
        self._parsed_head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._wait(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn always closes
        """Keep the connection for the answer to a whole request; half a request is never finished by now."""
        return self._is_between_requests and self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Hand whole heads and whatever follows them to the parser."""
        if not self._is_between_requests:
            self._parse(data)
            return
        self._held += data
        end = _HEAD_END.search(self._held)
        if (end.end() if end else len(self._held)) > HEAD_LIMIT_BYTES:
            self._refuse_head()
        elif end is None:
            if self._patience is None:
                self._wait(self.head_seconds)
        else:
            received = _UPGRADE.sub(b"", self._held[: end.end()]) + self._held[end.end() :]
            self._held.clear()
            self._wait(self.body_seconds)
            self._parse(bytes(received))

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        # A head that came behind a request in the same packet is with the parser already.
        if self._is_in_head:
            self._parsed_head_bytes += len(data)
            if self._parsed_head_bytes > 2 * HEAD_LIMIT_BYTES:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._is_between_requests = False
        self._is_in_head = True
        self._parsed_head_bytes = 0

    def on_headers_complete(self) -> None:
        """Note that the head is whole, and what is lost of its target behind here."""
        self._is_in_head = False
        self.scope[WHOLE_ADDRESS] = not self.url.startswith(b"/")  # type: ignore[literal-required]  # our own
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is whole; how long its answer takes is for others to bound."""
        super().on_message_complete()
        self._is_between_requests = True
        self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP."""
        self._tell(400, "not_http")
        super().send_400_response(msg)

    def _tell(self, status: int, code: str) -> None:
        if self._told is not None:
            self._told(refused_before(status, code, self.client))

    def _refuse_head(self) -> None:
        self._tell(431, "head_too_long")
        self._held.clear()
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
            b"x-error-code: head_too_long\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
            % (len(_HEAD_TOO_LONG), _HEAD_TOO_LONG),
        )
        self.transport.close()

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
