"""What holds of any bytes that a stranger sends to the gateway: of its readers alone, and of a whole connection."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from random import Random

from handshakes import (
    GREETING,
    GREETING_OPEN,
    Talk,
    basic,
    connect,
    get,
    password_message,
    served,
    socks5_request,
    talk,
)
from novaproxy.gateway.entrance.http_head import read_head, whole_head
from novaproxy.gateway.entrance.parameters import read_login
from novaproxy.gateway.entrance.proxy_header import read_header
from novaproxy.gateway.entrance.socks5 import login_of, read_credentials, read_method, read_request
from novaproxy.gateway.entrance.targets import host_field, read_authority, target_of
from novaproxy.gateway.model import Asked, Target
from novaproxy.gateway.refusals import ProxyRefusal, RequestNotValid

FRONTS = (ip_network("127.0.0.0/8"),)
_SILENT_SECONDS = 0.02
_END_SECONDS = 10.0

HEADERS = (
    b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 8001\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
)
SOUND = (
    connect(fields=basic("user-country-us-session-a-ttl-5", "pass")) + b"hello",
    get(fields=basic() + b"Content-Length: 5\r\n", line="POST {} HTTP/1.1") + b"hello",
    get("http://[2001:db8::1]:81/?a", b"Transfer-Encoding: chunked\r\nConnection: x\r\n", "PUT {} HTTP/1.1")
    + b"0\r\n\r\n",
    get(fields=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    GREETING + password_message(password="pass_country-de") + socks5_request() + b"hello",
    GREETING_OPEN + socks5_request(b"\x04" + bytes(15) + b"\x01"),
    GREETING + password_message() + socks5_request("\x03\x0fbücher.example".encode()),
)


_HOSTILE = (b"\r\n", b"\n", b"\0", b" ", b":", b"\xff", b"-", b"_", b"\r\n\r\n", b"x" * 17_000)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a stranger opens a connection.

    Attributes:
        said: all that he sends.
        cuts: where it is cut into pieces.
        ends: what he does then.
        is_fronted: whether he is taken for a load balancer.
    """

    said: bytes
    cuts: tuple[int, ...]
    ends: Callable[[socket.socket], None]
    is_fronted: bool


def drawn_opening(random: Random, sound: Sequence[bytes] = SOUND, fronted: float = 0.3) -> Opening:
    """Return one of the *sound* openings that was broken in up to four places, or mere noise, or a truncated one.

    *fronted* is how often a load balancer's header stands before it.
    """
    is_fronted = random.random() < fronted
    said = bytearray(random.choice(HEADERS) if is_fronted else b"") + random.choice(sound)
    for _ in range(random.choice([0, 0, 1, 1, 2, 4])):
        _break(random, said)
    if random.random() < 0.1:
        said = bytearray(random.randbytes(random.randrange(1, 400)))
    if random.random() < 0.3:
        del said[random.randrange(len(said) + 1) :]
    every = range(1, len(said)) if random.random() < 0.1 else ()
    cuts = tuple(every) or tuple(sorted(random.randrange(len(said) + 1) for _ in range(random.randrange(3))))
    return Opening(bytes(said), cuts, random.choice([_leave, _leave_with_a_reset, _end_sending, _stay]), is_fronted)


def check_readers(arrived: bytes) -> None:
    """See that every reader makes of *arrived* a message, a refusal, or waits for more."""
    check_head(arrived)
    for reader in (read_header, read_method, read_credentials, read_request):
        with suppress(ProxyRefusal):
            found = reader(bytearray(arrived))
            assert found is None or 0 < found[1] <= len(arrived), reader
    with suppress(ProxyRefusal):
        if credentials := read_credentials(bytearray(arrived)):
            login_of(credentials[0])
    text = arrived.decode("latin-1")
    with suppress(ProxyRefusal):
        wish = read_login(*text.partition(":")[::2]).wish
        assert wish.ttl_seconds is None or (wish.session and 1 <= wish.ttl_seconds <= 86_400)
    check_target(arrived.decode(errors="replace"))


def check_head(arrived: bytes) -> None:
    """See that *arrived* is refused, or no whole head, or one that the next reader takes for the same request."""
    try:
        found = whole_head(bytearray(arrived))
        asked = read_head(found[0]) if found else None
    except ProxyRefusal:
        return
    if asked is None or asked.is_tunnel:
        return
    line, rest = asked.head.split(b"\r\n", 1)
    method, path, version = line.split(b" ")
    host = rest.split(b"\r\n", 1)[0].removeprefix(b"Host: ")
    assert not any(field.startswith(b"proxy-") for field in rest.lower().split(b"\r\n")), rest
    address = b"http://" + host + (b"" if path == b"*" else path)
    again = read_head(b" ".join([method, address, version]) + b"\r\n" + rest)
    assert (again.target, again.body_bytes, again.head) == (asked.target, asked.body_bytes, asked.head)


def check_target(host: str) -> None:
    """See that *host* is refused, or comes to one spelling that stays."""
    try:
        target = target_of(host, 81)
    except RequestNotValid:
        return
    assert target.host.isascii()
    assert target == target_of(target.host, 81) == read_authority(host_field(target, 80), 80)
    assert isinstance(target, Target)


async def check_opening(opening: Opening) -> Asked | ProxyRefusal | None:
    """Connect as a stranger does, and see that he is served, refused or left in time, and that nothing stays open."""
    open_before = _open_files()
    async with talk(fronts=FRONTS if opening.is_fronted else (), seconds=_SILENT_SECONDS) as line:
        async with asyncio.timeout(_END_SECONDS):
            told, _ = await asyncio.gather(served(line.handshake), _act(line, opening))
        assert (line.gateway.fileno() == -1) is isinstance(told, ProxyRefusal), told
    # The line's own two ends and its listener are closed by then, and so must be whatever else was opened.
    assert _open_files() == open_before
    return told


async def _act(line: Talk, opening: Opening) -> None:
    with suppress(OSError):
        begin = 0
        for cut in (*opening.cuts, len(opening.said)):
            await line.say(opening.said[begin:cut])
            begin = max(begin, cut)
            await asyncio.sleep(0)
        opening.ends(line.client)
        # Who stays reads what he is told, and goes then.
        if line.client.fileno() != -1:
            async with asyncio.timeout(3 * _SILENT_SECONDS):
                while await asyncio.get_running_loop().sock_recv(line.client, 4096):
                    pass
    line.client.close()


def _break(random: Random, said: bytearray) -> None:
    begin = random.randrange(len(said) + 1)
    end = min(len(said), begin + random.choice([0, 1, 1, 4, 16]))
    match random.randrange(5):
        case 0:
            del said[begin:end]
        case 1:
            said[begin:begin] = random.randbytes(random.choice([1, 1, 2, 8]))
        case 2:
            said[begin:end] = random.choice(
                [b"\r\n", b"\n", b"\0", b" ", b":", b"\xff", b"-", b"_", b"\r\n\r\n", b"x" * 17_000]
            )
        case 3:
            said[begin:begin] = said[begin:end]
        case _:
            if begin < len(said):
                said[begin] ^= 1 << random.randrange(8)


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 -- a count


def _leave(client: socket.socket) -> None:
    client.close()


def _leave_with_a_reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def _end_sending(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


def _stay(_client: socket.socket) -> None:
    pass
