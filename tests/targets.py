"""Asking a gateway for a target on each way in, and every disguise that an address of this machine can wear."""

import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from deliveries import Proxy

_SECONDS = 20.0
_REPLY_OK = 0


class Asking:
    """What a target was answered: *is_open* where a tunnel stands or a page came; *told* is the refusal's own word."""

    def __init__(self, told: str, *, is_open: bool) -> None:
        self.told = told
        self.is_open = is_open

    def __repr__(self) -> str:
        return f"{'open' if self.is_open else 'closed'}: {self.told}"


def over_connect(proxy: Proxy, host: str, port: int) -> Asking:
    """Ask by CONNECT; what is told is X-Error-Code."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return _over_http(proxy, f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}")


def over_plain_http(proxy: Proxy, host: str, port: int) -> Asking:
    """Ask for a page in absolute form."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return _over_http(proxy, f"GET http://{authority}/metrics HTTP/1.1\r\nHost: {authority}")


def _over_http(proxy: Proxy, beginning: str) -> Asking:
    with socket.create_connection(("127.0.0.1", proxy.http_port), timeout=_SECONDS) as line:
        line.sendall(f"{beginning}\r\nProxy-Authorization: {proxy.basic}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (more := line.recv(65_536)):
            answer += more
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    code = next((line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("X-Error-Code")), "")
    return Asking(code or head, is_open=not code)


def over_socks_name(proxy: Proxy, host: str, port: int) -> Asking:
    """Ask by SOCKS5 for a name, be it an address written out; what is told is the reply's number."""
    name = host.encode()
    return _over_socks(proxy, b"\x03" + bytes([len(name)]) + name, port)


def over_socks_address(proxy: Proxy, host: str, port: int) -> Asking:
    """Ask by SOCKS5 for an address in bytes."""
    address = ip_address(host)
    return _over_socks(proxy, (b"\x01" if address.version == 4 else b"\x04") + address.packed, port)


def _over_socks(proxy: Proxy, place: bytes, port: int) -> Asking:
    name, password = proxy.username.encode(), proxy.password.encode()
    with socket.create_connection(("127.0.0.1", proxy.socks_port), timeout=_SECONDS) as line:
        line.sendall(b"\x05\x01\x02")
        line.sendall(b"\x01" + bytes([len(name)]) + name + bytes([len(password)]) + password)
        line.sendall(b"\x05\x01\x00" + place + struct.pack(">H", port))
        answer = b""
        while len(answer) < 14 and (more := line.recv(64)):
            answer += more
    assert answer.startswith(b"\x05\x02\x01\x00"), answer
    return Asking(str(answer[5]), is_open=answer[5] == _REPLY_OK)


WAYS: dict[str, Callable[[Proxy, str, int], Asking]] = {
    "CONNECT": over_connect,
    "plain HTTP": over_plain_http,
    "SOCKS5 by name": over_socks_name,
}
"""Every way in that takes a text; SOCKS5 takes bytes too."""


def disguises(text: str) -> list[str]:
    """Return every way that is known of writing the IPv4 address *text*."""
    address = IPv4Address(text)
    number = int(address)
    a, b, c, d = address.packed
    mapped = IPv6Address((0xFFFF << 32) + number)
    forms = [
        text,
        f"{text}.",
        str(number),
        hex(number),
        hex(number).upper().replace("X", "x"),
        f"0{number:o}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{c << 8 | d}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a:04o}.{b}.{c}.{d}",
        f"{a}.0x{b:x}.{c << 8 | d}",
        f"{a:03d}.{b:03d}.{c:03d}.{d:03d}",
        f"::ffff:{text}",
        mapped.compressed,
        mapped.exploded,
        f"::{text}",
        f"64:ff9b::{text}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"2001:0:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"::ffff:0:{text}",
        # Digits that are digits elsewhere, and the ideographic full stop.
        text.replace(".", "\u3002"),
        "".join(chr(0xFF10 + int(letter)) if letter.isdigit() else letter for letter in text),
    ]
    return list(dict.fromkeys(forms))


INNER = (
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 -- a target, which the kernel takes for this machine
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
)
"""This machine, its networks, and where clouds tell machines their secrets."""

INNER_IPV6 = ("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1")

INNER_NAMES = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "ip6-localhost",
    "metadata",
    "metadata.google.internal",
)
