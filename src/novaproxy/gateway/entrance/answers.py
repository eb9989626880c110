"""What the gateway says to a client, as bytes."""

from http import HTTPStatus

import msgspec

from novaproxy.gateway.refusals import ProxyRefusal

HTTP_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

SOCKS4_REFUSED = b"\x00\x5b" + bytes(6)
SOCKS5_NO_METHOD = b"\x05\xff"
SOCKS5_LOGIN_VALID = b"\x01\x00"
SOCKS5_LOGIN_NOT_VALID = b"\x01\x01"
_NOT_ALLOWED = 0x02


def socks5_method(method: int) -> bytes:
    """Return the choice of *method* (RFC 1928, 3)."""
    return bytes([5, method])


def socks5_established() -> bytes:
    """Return the success of a CONNECT (RFC 1928, 6). The exit's own address is not told."""
    return _socks5_reply(0)


def socks5_refusal(refusal: ProxyRefusal) -> bytes:
    """Return *refusal* in place of a success; one of the login comes too late there, and is a rule's."""
    return _socks5_reply(_NOT_ALLOWED if refusal.reply is None else refusal.reply)


def http_refusal(refusal: ProxyRefusal, *, with_body: bool = True) -> bytes:
    """Return *refusal* as a whole answer that closes the connection; *with_body* is false for HEAD."""
    body = msgspec.json.encode({"error": refusal.sentence})
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"X-Error-Code: {refusal.code}",
    ]
    if refusal.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        lines.append('Proxy-Authenticate: Basic realm="NovaProxy"')
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body if with_body else b"")


def _socks5_reply(code: int) -> bytes:
    return bytes([5, code, 0, 1]) + bytes(6)
