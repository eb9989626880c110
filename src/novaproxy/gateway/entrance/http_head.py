"""The head of a request to an HTTP proxy, read strictly: what two readers could take for two things is refused."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable

import h11

from novaproxy.gateway.entrance.parameters import read_login
from novaproxy.gateway.entrance.targets import host_field, read_authority
from novaproxy.gateway.model import Asked, Entrance, Login, Target
from novaproxy.gateway.refusals import CredentialsNotValid, HeadTooLong, RequestNotValid

MOST_HEAD_BYTES = 16 * 1024
MOST_FIELDS = 100
_MOST_BODY_BYTES = 2**63 - 1
_HTTP_PORT = 80
_END = b"\r\n\r\n"
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")

# They speak of this connection alone (RFC 9110, 7.6.1). TE too: trailers are passed on unread, wished for or not.
_OF_THIS_CONNECTION = frozenset({b"connection", b"keep-alive", b"te", b"upgrade", b"http2-settings", b"host"})
# Without them the next reader would see another body, or another host.
_NEVER_NAMED = frozenset({b"content-length", b"transfer-encoding", b"host"})

Fields = list[tuple[bytes, bytes]]


def whole_head(arrived: bytearray) -> tuple[bytes, int] | None:
    """Return the head at the beginning of *arrived* and its length, None while its end is missing.

    Raises:
        RequestNotValid: it cannot become a head any more.
    """
    end = arrived.find(_END, 0, MOST_HEAD_BYTES)
    if end >= 0:
        length = end + len(_END)
        return bytes(arrived[:length]), length
    if len(arrived) >= MOST_HEAD_BYTES:
        raise HeadTooLong(MOST_HEAD_BYTES, MOST_FIELDS)
    # A client that ends its lines with LF alone would wait for its answer, and this side for CRLF.
    if arrived.count(b"\n") != arrived.count(b"\r\n"):
        raise RequestNotValid("Lines of a request head end with CR and LF.")
    return None


def read_head(head: bytes) -> Asked:
    """Return what the whole *head* asks, without the bytes behind it.

    Raises:
        RequestNotValid: it is no CONNECT and no request for an http:// address (a WebSocket may say ws://), or its
            length can be read in two ways.
        CredentialsNotValid: its Proxy-Authorization is not of the form of RFC 7617.
        ParameterNotValid: a parameter in its credentials is none.
    """
    request = _parsed(head)
    body_bytes = _body_bytes(request)
    login = _login(_values(request, b"proxy-authorization"))
    if request.method == b"CONNECT":
        if body_bytes != 0:
            raise RequestNotValid("A CONNECT has no body.")
        target = read_authority(request.target.decode("ascii"), None)
        return Asked(Entrance.HTTP, target, login, body_bytes=None)
    is_upgrade = body_bytes == 0 and _wants_websocket(request)
    target, path = _absolute(request, is_upgrade=is_upgrade)
    return Asked(
        Entrance.HTTP,
        target,
        login,
        head=_head_to_forward(request, target, path, is_upgrade=is_upgrade),
        head_bytes=len(head),
        body_bytes=None if is_upgrade else body_bytes,
        is_chunked=body_bytes is None,
    )


def is_head_request(head: bytes) -> bool:
    """Return whether the answer to *head* has no body (RFC 9110, 9.3.2)."""
    return head.startswith(b"HEAD ")


def _parsed(head: bytes) -> h11.Request:
    """Return the request that h11 reads, after what it lets pass is refused: bare LF, controls, folded lines."""
    if _CONTROLS.search(head):
        raise RequestNotValid("The request head holds control characters, or lines that do not end with CR and LF.")
    if b"\r\n " in head or b"\r\n\t" in head:
        raise RequestNotValid("A field of the request head is folded over several lines.")
    if head.count(b"\r\n") - 2 > MOST_FIELDS:
        raise HeadTooLong(MOST_HEAD_BYTES, MOST_FIELDS)
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD_BYTES)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        event = None
    if not isinstance(event, h11.Request) or event.http_version not in {b"1.0", b"1.1"}:
        raise RequestNotValid("The request head is not one of HTTP/1.1.")
    return event


def _values(request: h11.Request, name: bytes) -> list[bytes]:
    return [value for field, value in request.headers if field == name]


def _tokens(values: Iterable[bytes]) -> set[bytes]:
    """Return the members of a field that is a list, in lower case."""
    return {token.strip(b" \t").lower() for value in values for token in value.split(b",")} - {b""}


def _body_bytes(request: h11.Request) -> int | None:
    """Return the length of the body, None where it is chunked; h11 has compared repeated lengths (RFC 9112, 6)."""
    lengths = _values(request, b"content-length")
    if _values(request, b"transfer-encoding"):
        if lengths:
            raise RequestNotValid("The request says Content-Length and Transfer-Encoding.")
        if request.http_version == b"1.0":
            raise RequestNotValid("HTTP/1.0 has no Transfer-Encoding.")
        return None
    body_bytes = int(lengths[0]) if lengths else 0
    if body_bytes > _MOST_BODY_BYTES:
        raise RequestNotValid("The request's Content-Length is too large.")
    return body_bytes


def _login(values: list[bytes]) -> Login | None:
    """Return the credentials of Proxy-Authorization (RFC 7617, 2), None where the field is missing."""
    if not values:
        return None
    if len(values) > 1:
        raise CredentialsNotValid
    scheme, _, encoded = values[0].partition(b" ")
    if scheme.lower() != b"basic":
        raise CredentialsNotValid
    try:
        username, colon, password = b64decode(encoded.strip(b" "), validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise CredentialsNotValid from None
    if not colon:
        raise CredentialsNotValid
    return read_login(username, password)


def _absolute(request: h11.Request, *, is_upgrade: bool) -> tuple[Target, bytes]:
    """Return the target of an absolute-form (RFC 9112, 3.2.2), and its path for an origin-form."""
    scheme, separator, rest = request.target.partition(b"://")
    match scheme.lower(), separator:
        case b"http", b"://":
            pass
        case b"ws", b"://" if is_upgrade:
            # RFC 6455 (4.1) would have a CONNECT, but aiohttp asks so.
            pass
        case ((b"https" | b"wss"), b"://"):
            raise RequestNotValid(f"An {scheme.decode('ascii').lower()}:// address is reached by CONNECT.")
        case _:
            raise RequestNotValid("This is a proxy: ask for an address that begins with http://, or use CONNECT.")
    if b"#" in rest:
        raise RequestNotValid("The address asked for must not hold a fragment.")
    end = next((place for place, letter in enumerate(rest) if letter in b"/?"), len(rest))
    target = read_authority(rest[:end].decode("ascii"), _HTTP_PORT)
    path = rest[end:]
    if not path and request.method == b"OPTIONS":
        return target, b"*"
    return target, path if path.startswith(b"/") else b"/" + path


def _wants_websocket(request: h11.Request) -> bool:
    """Return whether the connection is to change to WebSocket (RFC 6455, 4.1); other upgrades are left out."""
    return (
        request.method == b"GET"
        and request.http_version == b"1.1"
        and b"upgrade" in _tokens(_values(request, b"connection"))
        and b"websocket" in _tokens(_values(request, b"upgrade"))
    )


def _head_to_forward(request: h11.Request, target: Target, path: bytes, *, is_upgrade: bool) -> bytes:
    """Return the head for the exit. The client's own version stays, since the answer comes back to it unread."""
    named = _tokens(_values(request, b"connection"))
    if named & _NEVER_NAMED:
        raise RequestNotValid("The field Connection must not name the fields of the request's length and host.")
    left_out = named | _OF_THIS_CONNECTION
    host = host_field(target, _HTTP_PORT).encode("ascii")
    lines = [b"%s %s HTTP/%s" % (request.method, path, request.http_version), b"Host: " + host]
    for name, value in request.headers.raw_items():
        lower = name.lower()
        if lower not in left_out and not lower.startswith(b"proxy-"):
            lines.append(name + b": " + value)
    # The connection ends after one answer: a second request on it would reach this target whatever it asks for.
    lines += [b"Connection: close, Upgrade", b"Upgrade: websocket"] if is_upgrade else [b"Connection: close"]
    return b"\r\n".join(lines) + _END
