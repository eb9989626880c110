"""The way through somebody's proxy to a target: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, 1929)."""

import asyncio
import base64
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import h11

from novaproxy.catalog.model import Upstream
from novaproxy.gateway.exits.guard import read_host
from novaproxy.gateway.model import Address
from novaproxy.gateway.refusals import TargetNotFound, TargetRefused, TargetTimedOut

LONGEST_PASSWORD_BYTES: Final = 255
"""Of a SOCKS5 login (RFC 1929, 2)."""

HEAD_LIMIT_BYTES: Final = 16_384
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_PROXY_AUTHENTICATION: Final = 407
_OF_THE_UPSTREAM: Final = frozenset((401, 402, 429))
"""Statuses that speak of us and the upstream, not of the target: a bill that is not paid, too much at once."""

_TargetRefusal = TargetNotFound | TargetRefused | TargetTimedOut
_HTTP_REFUSALS: Final[Mapping[int, type[_TargetRefusal]]] = {
    404: TargetNotFound,
    408: TargetTimedOut,
    504: TargetTimedOut,
}
_SOCKS5: Final = 5
_NO_LOGIN, _PASSWORD, _CONNECT = 0x00, 0x02, 0x01
_IPV4, _NAME, _IPV6 = 0x01, 0x03, 0x04
_SOCKS5_LENGTHS: Final = {_IPV4: 4, _IPV6: 16}
_LOGIN_REFUSED: Final = "it refused its username and password"
_SOCKS_REFUSALS: Final[Mapping[int, type[_TargetRefusal]]] = {0x04: TargetNotFound, 0x06: TargetTimedOut}


class ExitFailed(Exception):  # noqa: N818 -- the next exit is tried
    """An upstream does not do its part; nothing is said of the target.

    Attributes:
        reason: what is wrong, in a few words without secrets and targets.
        is_counted: whether it is the upstream's alone, whatever was asked: no customer can bring it about.
    """

    def __init__(self, reason: str, *, is_counted: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_counted = is_counted


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an upstream wants of us."""

    username: bytes
    password: bytes = field(repr=False)

    @property
    def basic(self) -> bytes:
        """The value of Proxy-Authorization (RFC 7617)."""
        return b"Basic " + base64.b64encode(b"%b:%b" % (self.username, self.password))


def credentials_of(upstream: Upstream, environment: Mapping[str, str]) -> Credentials | None:
    """Return what *upstream* wants, its password from the catalog or from *environment*; None: nothing.

    Raises:
        ExitFailed: the variable that holds the password is not set, or too long.
    """
    if upstream.username is None:
        return None
    password = upstream.password
    if upstream.password_env is not None:
        password = environment.get(upstream.password_env)
    if not password:
        raise ExitFailed(f"its password is not set: {upstream.password_env}", is_counted=True)
    # The environment may hold bytes that are no text.
    secret = password.encode(errors="surrogateescape")
    if len(secret) > LONGEST_PASSWORD_BYTES:
        raise ExitFailed("its password is too long", is_counted=True)
    return Credentials(upstream.username.encode(), secret)


async def through_http(line: socket.socket, host: str, port: int, credentials: Credentials | None) -> None:
    """Ask the HTTP proxy at the other end of *line* for a tunnel; afterwards *line* leads to the target.

    Not a byte behind the answer's head is read: it is the target's.

    Raises:
        ExitFailed: the proxy did not do its part.
        ProxyRefusal: it did, and the target is not to be had.
        OSError: the line broke.
    """
    authority = authority_of(host, port)
    status = (await asked_over_http(line, "CONNECT", authority, authority, credentials)).status_code
    if status in _OF_THE_UPSTREAM:
        raise ExitFailed(f"it answered {status}", is_counted=False)
    if not 200 <= status < 300:  # noqa: PLR2004 -- what grants a tunnel
        raise _HTTP_REFUSALS.get(status, TargetRefused)


def authority_of(host: str, port: int) -> str:
    """Return *host* and *port* as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def asked_over_http(
    line: socket.socket, method: str, target: str, authority: str, credentials: Credentials | None
) -> h11.Response:
    """Send a request without a body and return the head of its answer; what follows stays unread.

    Raises:
        ExitFailed: the answer is none, or it refuses the credentials.
        OSError: the line broke.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT_BYTES)
    headers = [(b"Host", authority.encode())]
    if method == "OPTIONS":
        headers.append((b"Max-Forwards", b"0"))
    if credentials is not None:
        headers.append((b"Proxy-Authorization", credentials.basic))
    request = connection.send(h11.Request(method=method, target=target, headers=headers)) or b""
    connection.send(h11.EndOfMessage())
    await asyncio.get_running_loop().sock_sendall(line, request)
    while True:
        connection.receive_data(await _head(line))
        try:
            event: Any = connection.next_event()
        except h11.RemoteProtocolError:
            raise ExitFailed("it does not speak HTTP", is_counted=False) from None
        if isinstance(event, h11.Response):
            if event.status_code == _PROXY_AUTHENTICATION:
                raise ExitFailed(_LOGIN_REFUSED, is_counted=True)
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise ExitFailed("it does not speak HTTP", is_counted=False)


async def _head(line: socket.socket) -> bytes:
    """Return one head from *line*, to its empty line and no further.

    It is looked at before it is taken: what a target says first may come right behind it.
    """
    head = b""
    while len(head) < HEAD_LIMIT_BYTES:
        await _readable(line)
        seen = line.recv(HEAD_LIMIT_BYTES, socket.MSG_PEEK)
        if not seen:
            raise ExitFailed("it closed the connection without an answer", is_counted=False)
        end = _HEAD_END.search(head + seen)
        head += line.recv(end.end() - len(head) if end else len(seen))
        if end:
            return head
    raise ExitFailed("the head of its answer does not end", is_counted=False)


async def _readable(line: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def came() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(line, came)
    try:
        await ready
    finally:
        loop.remove_reader(line)


async def greeted_over_socks5(line: socket.socket, credentials: Credentials | None) -> None:
    """Greet the SOCKS5 proxy at the other end of *line* and log in (RFC 1928, 3; RFC 1929).

    Raises:
        ExitFailed: it does not do its part.
        OSError: the line broke.
    """
    loop = asyncio.get_running_loop()
    methods = (_NO_LOGIN,) if credentials is None else (_NO_LOGIN, _PASSWORD)
    await loop.sock_sendall(line, bytes((_SOCKS5, len(methods), *methods)))
    version, method = await _exactly(line, 2)
    if version != _SOCKS5:
        raise ExitFailed("it does not speak SOCKS5", is_counted=True)
    if method == _NO_LOGIN:
        return
    if method != _PASSWORD or credentials is None:
        raise ExitFailed(_LOGIN_REFUSED, is_counted=True)
    username, password = credentials.username, credentials.password
    await loop.sock_sendall(line, b"\x01%c%b%c%b" % (len(username), username, len(password), password))
    if (await _exactly(line, 2))[1]:
        raise ExitFailed(_LOGIN_REFUSED, is_counted=True)


async def through_socks5(line: socket.socket, host: str, port: int) -> None:
    """Ask the SOCKS5 proxy at the other end of *line*, greeted already, for a connection (RFC 1928, 4 to 6).

    Afterwards *line* leads to the target.

    Raises:
        ExitFailed: the proxy did not do its part.
        ProxyRefusal: it did, and the target is not to be had.
        OSError: the line broke.
    """
    place = read_host(host)
    await asyncio.get_running_loop().sock_sendall(
        line, bytes((_SOCKS5, _CONNECT, 0)) + _socks5_address(place or host) + port.to_bytes(2, "big")
    )
    version, reply, _, kind = await _exactly(line, 4, is_counted=False)
    if version != _SOCKS5:
        raise ExitFailed("it does not speak SOCKS5", is_counted=False)
    if reply:
        refusal = _SOCKS_REFUSALS.get(reply, TargetRefused)
        # An address needs no finding.
        raise TargetRefused if refusal is TargetNotFound and not isinstance(place, str) else refusal
    length = _SOCKS5_LENGTHS.get(kind)
    if length is None:
        (length,) = await _exactly(line, 1, is_counted=False)
    await _exactly(line, length + 2, is_counted=False)


def _socks5_address(place: Address | str) -> bytes:
    if isinstance(place, str):
        return bytes((_NAME, len(place))) + place.encode()
    return bytes((_IPV4 if place.version == 4 else _IPV6,)) + place.packed  # noqa: PLR2004 -- as the name says


async def _exactly(line: socket.socket, count: int, *, is_counted: bool = True) -> bytes:
    loop = asyncio.get_running_loop()
    answer = b""
    while len(answer) < count:
        part = await loop.sock_recv(line, count - len(answer))
        if not part:
            raise ExitFailed("it closed the connection without an answer", is_counted=is_counted)
        answer += part
    return answer
