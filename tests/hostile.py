"""Bytes that no well-meaning client sends: bodies broken at random, requests that say two things about their length.

Everything is drawn from a Random, so a seed sends the same bytes again.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from urllib.parse import urlsplit

from bodies import JSON, MULTIPART, URLENCODED, multipart, part, texts_in
from novaproxy.errors import Refusal
from novaproxy.http.body import read_fields

_SECONDS = 30.0
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")

_ORDER = b'{"plan": "mobile", "bandwidth": 1}'
_SOUND = (
    (JSON, _ORDER),
    (JSON, b'{"plan": "datacenter", "duration": "1_week", "config": {"speed": 10, "country": "us"}}'),
    (URLENCODED, b"plan=mobile&bandwidth=1"),
    (URLENCODED, b"plan=datacenter&duration=1_week&config%5Bspeed%5D=10&config%5Bcountry%5D=us"),
    (MULTIPART, multipart(part("plan", "mobile"), part("bandwidth", "1"))),
)
_VALUES = (
    *(b"1e309", b"-1e309", b"1e-400", b"NaN", b"-Infinity", b"Infinity", b"9" * 400, b"-" + b"9" * 5_000, b"0.1e1"),
    *(b"1" * 70_000, b"1e999999999", b"00", b"-0", b"0x10", b"1_000", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\0"),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\ud83d\\ude00"', b"[" * 5_000, b'{"a":' * 5_000),
    *(b"[" * 500 + b"]" * 500, b"null", b"true", b'""', b"{}", b"[]", b'"' + b"a" * 66_000 + b'"', b"\xef\xbb\xbf"),
    *(b"%00", b"%", b"%zz", b"%ff", b"config[config][x]", b"config[", b"]", b"config[0][__proto__]=1", b"&" * 3_000),
    *(
        b"a=1&" * 2_000,
        b"--XX",
        b"--XX--",
        b"\r\n\r\n",
        b"\r",
        b"; filename=",
        b"Content-Disposition:",
        b"'; DROP TABLE",
    ),
)


@dataclass(frozen=True, slots=True)
class Talk:
    """What came back of one connection: its statuses in order, and whether it was cut with a reset."""

    statuses: tuple[int, ...]
    was_reset: bool

    def unanswered(self, orders: int) -> int:
        """Return how many of *orders* were placed without a 201, and assert that there may be so many.

        One may: the line ended before its answer, or garbage came behind it and was answered 400. Its key settles it.
        """
        assert all(status < 500 for status in self.statuses), self
        is_unknown = self.was_reset or not self.statuses or self.statuses[-1] == 400
        left = orders - self.statuses.count(201)
        assert left in ({0, 1} if is_unknown else {0}), (orders, self)
        return left


def hostile_body(random: Random) -> tuple[str, bytes]:
    """Return a Content-Type and a body that was sound before it was broken in one to four places."""
    content_type, body = random.choice(_SOUND)
    broken = bytearray(body)
    for _ in range(random.randrange(1, 5)):
        _break(random, broken)
    return random.choice([content_type] * 8 + [JSON, URLENCODED, MULTIPART, "text/plain"]), bytes(broken)


def _break(random: Random, body: bytearray) -> None:
    begin = random.randrange(len(body) + 1)
    end = min(len(body), begin + random.choice([0, 1, 1, 4, 16]))
    match random.randrange(6):
        case 0:
            body[begin:end] = random.choice(_VALUES)
        case 1:
            body[begin:end] = b""
        case 2:
            body[begin:begin] = body[begin:end] * random.randrange(1, 4)
        case 3:
            body[begin:end] = random.randbytes(end - begin)
        case 4:
            del body[begin:]
        case _:
            # A whole value in the place of another.
            found = re.compile(rb'"[^"]*"|[0-9]+').search(body, begin)
            if found is not None:
                body[found.start() : found.end()] = random.choice(_VALUES)


def check_parsed(body: bytes, content_type: str) -> None:
    """Assert that a body is refused, or gives texts that can be stored and sent."""
    try:
        fields = read_fields(body, content_type)
    except Refusal:
        return
    for text in texts_in(fields.values):
        assert "\0" not in text
        text.encode()


def post(token: str, content_type: str, body: bytes, *, is_last: bool = True) -> bytes:
    """Return a well-framed ``POST /orders``; the last one of a connection asks for its end."""
    length = b"Content-Length: %d" % len(body)
    return _head(token, f"Content-Type: {content_type}".encode(), length, is_last=is_last) + body


def _head(token: str, *headers: bytes, is_last: bool = True) -> bytes:
    told = [b"POST /orders HTTP/1.1", b"Host: shop", b"Authorization: Bearer " + token.encode(), *headers]
    return b"\r\n".join([*told, *([b"Connection: close"] if is_last else []), b"", b""])


def _lengths(token: str, *headers: bytes, is_last: bool = True) -> bytes:
    return _head(token, b"Content-Type: application/json", *headers, is_last=is_last)


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


Framing = Callable[[Random, str], bytes]
_SIZE = b"Content-Length: %d" % len(_ORDER)
_CHUNKED = b"Transfer-Encoding: chunked"

FRAMINGS: dict[str, Framing] = {
    "length and chunks": lambda _, token: _lengths(token, _SIZE, _CHUNKED) + _chunk(_ORDER) + b"0\r\n\r\n",
    "chunks and length": lambda _, token: _lengths(token, _CHUNKED, b"Content-Length: 4") + _ORDER,
    "zero length and chunks": lambda _, token: (
        _lengths(token, b"Content-Length: 0", _CHUNKED) + _chunk(_ORDER) + b"0\r\n\r\n"
    ),
    "two lengths": lambda _, token: _lengths(token, _SIZE, b"Content-Length: 5") + _ORDER,
    "two equal lengths": lambda _, token: _lengths(token, _SIZE, _SIZE) + _ORDER,
    "negative length": lambda _, token: _lengths(token, b"Content-Length: -1") + _ORDER,
    "signed length": lambda _, token: _lengths(token, b"Content-Length: +%d" % len(_ORDER)) + _ORDER,
    "endless length": lambda _, token: _lengths(token, b"Content-Length: " + b"9" * 40) + _ORDER,
    "length in words": lambda _, token: _lengths(token, b"Content-Length: many") + _ORDER,
    "length list": lambda _, token: _lengths(token, b"Content-Length: 34, 34") + _ORDER,
    "length of an order inside": lambda _, token: (
        _lengths(token, b"Content-Length: 0", is_last=False) + post(token, JSON, _ORDER)
    ),
    "chunk of no size": lambda _, token: _lengths(token, _CHUNKED) + b"zz\r\n" + _ORDER,
    "chunk of all sizes": lambda _, token: _lengths(token, _CHUNKED) + b"f" * 40 + b"\r\n" + _ORDER,
    "negative chunk": lambda _, token: _lengths(token, _CHUNKED) + b"-1\r\n" + _ORDER,
    "chunk too short": lambda _, token: _lengths(token, _CHUNKED) + b"2\r\n" + _ORDER + b"\r\n0\r\n\r\n",
    "chunk with garbage": lambda random, token: (
        _lengths(token, _CHUNKED) + _chunk(random.randbytes(50)) + random.randbytes(50)
    ),
    "endless chunk extension": lambda _, token: _lengths(token, _CHUNKED) + b"1;" + b"a" * 100_000,
    "trailers": lambda _, token: _lengths(token, _CHUNKED) + _chunk(_ORDER) + b"0\r\nContent-Length: 3\r\n\r\n",
    "chunks twice": lambda _, token: _lengths(token, _CHUNKED, _CHUNKED) + _chunk(_ORDER) + b"0\r\n\r\n",
    "hidden chunks": lambda _, token: _lengths(token, b"Transfer-Encoding : chunked", _SIZE) + _ORDER,
    "strange coding": lambda _, token: _lengths(token, b"Transfer-Encoding: xchunked", _SIZE) + _ORDER,
    "folded header": lambda _, token: _lengths(token, b"X-Long: a\r\n b", _SIZE) + _ORDER,
    "NUL in a header": lambda _, token: _lengths(token, b"X-Nul: a\0b", _SIZE) + _ORDER,
    "header without a colon": lambda _, token: _lengths(token, b"nothing", _SIZE) + _ORDER,
    "bare line ends": lambda _, token: _lengths(token, _SIZE).replace(b"\r\n", b"\n") + _ORDER,
    "no host": lambda _, token: _lengths(token, _SIZE).replace(b"Host: shop\r\n", b"") + _ORDER,
    "two tokens": lambda _, token: _lengths(token, b"Authorization: Bearer x", _SIZE) + _ORDER,
    "two types": lambda _, token: _lengths(token, b"Content-Type: text/plain", _SIZE) + _ORDER,
    "two keys": lambda _, token: _lengths(token, b"Idempotency-Key: a", b"Idempotency-Key: b", _SIZE) + _ORDER,
    "raw key": lambda random, token: _lengths(token, b"Idempotency-Key: " + random.randbytes(9).hex().encode(), _SIZE),
    "old version": lambda _, token: _lengths(token, _SIZE).replace(b"HTTP/1.1", b"HTTP/1.0") + _ORDER,
    "no version": lambda _, token: _lengths(token, _SIZE).replace(b" HTTP/1.1", b"") + _ORDER,
    "version 9": lambda _, token: _lengths(token, _SIZE).replace(b"HTTP/1.1", b"HTTP/9.9") + _ORDER,
    "HTTP/2 preface": lambda _, token: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _lengths(token, _SIZE) + _ORDER,
    "unknown method": lambda _, token: _lengths(token, _SIZE).replace(b"POST", b"BREW") + _ORDER,
    "TLS": lambda random, _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(300),
    "noise": lambda random, _: random.randbytes(random.randrange(1, 2_000)),
    "order, then garbage": lambda random, token: post(token, JSON, _ORDER, is_last=False) + random.randbytes(40),
    "order, then half an order": lambda random, token: (
        post(token, JSON, _ORDER, is_last=False) + post(token, JSON, _ORDER)[: -random.randrange(1, 150)]
    ),
    "three orders at once": lambda _, token: post(token, JSON, _ORDER, is_last=False) * 2 + post(token, JSON, _ORDER),
    "expectation": lambda _, token: _lengths(token, b"Expect: 100-continue", _SIZE) + _ORDER,
    "half": lambda random, token: post(token, JSON, _ORDER)[: random.randrange(1, 200)],
    "flipped": lambda random, token: _flipped(random, post(token, JSON, _ORDER)),
}


def _flipped(random: Random, request: bytes) -> bytes:
    flipped = bytearray(request)
    for _ in range(random.randrange(1, 4)):
        flipped[random.randrange(len(flipped))] = random.randrange(256)
    return bytes(flipped)


def talk(address: str, request: bytes, pieces: Sequence[int] = ()) -> Talk:
    """Send *request*, cut at *pieces*, close that side, and return what came back until the service closed too."""
    place = urlsplit(address)
    received = bytearray()
    was_reset = False
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=_SECONDS) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            cuts = [0, *sorted(pieces), len(request)]
            for begin, end in pairwise(cuts):
                line.sendall(request[begin:end])
            line.shutdown(socket.SHUT_WR)
            while more := line.recv(65_536):
                received += more
        except TimeoutError:
            raise AssertionError(f"no end of the connection within {_SECONDS} seconds after {request!r}") from None
        except OSError:
            # What came before a reset may be lost: nobody is owed an answer to such bytes.
            was_reset = True
    return Talk(tuple(int(status) for status in _STATUS.findall(received)), was_reset)
