"""Orders that arrive at the same moment, over plain sockets: their last bytes are sent when all the rest is there."""

import json
import selectors
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from shop import Buyer

ANSWER_SECONDS = 30.0
_GATHERING_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Asked:
    """One ``POST /orders``: where, by whom, for what, under which key."""

    address: str
    buyer: Buyer
    fields: Mapping[str, object]
    key: str | None = None

    def wire(self) -> bytes:
        """Return the request as it goes over the line."""
        body = json.dumps(self.fields).encode()
        head = [
            "POST /orders HTTP/1.1",
            "Host: shop",
            f"Authorization: Bearer {self.buyer.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *([f"Idempotency-Key: {self.key}"] if self.key is not None else []),
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how many seconds after the volley."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Any
    seconds: float

    @property
    def uuid(self) -> str:
        """The order's."""
        assert self.status == 201, self
        return str(self.body["uuid"])

    @property
    def error(self) -> str:
        """The refusal's sentence."""
        assert list(self.body) == ["error"], self
        return str(self.body["error"])

    def assert_asks_for_patience(self) -> None:
        """Assert that it is the 503 that a client may simply try again."""
        assert self.status == 503, self
        assert self.headers["retry-after"] == "1"
        assert self.error


def opened(address: str) -> socket.socket:
    """Return a connection to the service."""
    place = urlsplit(address)
    assert place.hostname is not None
    line = socket.create_connection((place.hostname, place.port or 80), timeout=ANSWER_SECONDS)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def read_answer(line: socket.socket, begun_at: float) -> Answer:
    """Return the answer on *line*."""
    with HTTPResponse(line, method="POST") as response:
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, json.loads(body), time.monotonic() - begun_at)


def volley(asked: Sequence[Asked]) -> list[Answer]:
    """Send all of *asked* at once and return their answers, in order."""
    with ExitStack() as stack:
        return volley_on([stack.enter_context(opened(one.address)) for one in asked], asked)


def volley_on(lines: Sequence[socket.socket], asked: Sequence[Asked]) -> list[Answer]:
    """Send all of *asked* at once, each on its own one of *lines*, and return their answers, in order."""
    return _answers(lines, sent_at_once(lines, asked))


def sent_at_once(lines: Sequence[socket.socket], asked: Sequence[Asked]) -> float:
    """Send all of *asked* at once, each on its own one of *lines*; return the moment."""
    requests = [one.wire() for one in asked]
    for line, request in zip(lines, requests, strict=True):
        line.sendall(request[:-1])
    time.sleep(_GATHERING_SECONDS)
    begun_at = time.monotonic()
    for line, request in zip(lines, requests, strict=True):
        line.sendall(request[-1:])
    return begun_at


def _answers(lines: Sequence[socket.socket], begun_at: float) -> list[Answer]:
    answers: dict[socket.socket, Answer] = {}
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ, line)
        while len(answers) < len(lines):
            ready = selector.select(ANSWER_SECONDS)
            assert ready, (
                f"{len(lines) - len(answers)} of {len(lines)} orders had no answer in {ANSWER_SECONDS} seconds"
            )
            for key, _ in ready:
                line = key.data
                answers[line] = read_answer(line, begun_at)
                selector.unregister(line)
    return [answers[line] for line in lines]


def send_and_hang_up(asked: Asked) -> None:
    """Send a whole order and be gone, with a reset, before it can be answered."""
    with opened(asked.address) as line:
        line.sendall(asked.wire())
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
