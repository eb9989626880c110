"""Both ends of a fresh connection over TCP, for tests of handshakes: the client's, and the gateway's as it accepts."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass

from novaproxy.gateway.entrance.handshake import Handshake
from novaproxy.gateway.entrance.incoming import ClientLeft
from novaproxy.gateway.entrance.proxy_header import Networks
from novaproxy.gateway.model import Asked, Entrance, Login
from novaproxy.gateway.refusals import ProxyRefusal

BOTH = frozenset(Entrance)
SECONDS = 5.0
PASSWORD = "pass"


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection."""

    client: socket.socket
    gateway: socket.socket
    handshake: Handshake

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            await asyncio.get_running_loop().sock_sendall(self.client, piece)

    async def hear(self, count: int) -> bytes:
        """Return exactly *count* bytes, fewer where the gateway ended before."""
        loop = asyncio.get_running_loop()
        heard = b""
        try:
            async with asyncio.timeout(SECONDS):
                while len(heard) < count and (chunk := await loop.sock_recv(self.client, count - len(heard))):
                    heard += chunk
        except (TimeoutError, ConnectionResetError) as error:
            raise AssertionError(f"the gateway did not end in order after {heard!r}") from error
        return heard

    async def hear_all(self) -> bytes:
        """Return all that comes until the gateway ends its side."""
        return await self.hear(1 << 30)

    async def hear_and_close(self) -> bytes:
        """Return all that comes, and end this side then, as a client does that was refused."""
        heard = await self.hear_all()
        self.client.close()
        return heard


@asynccontextmanager
async def talk(
    entrances: AbstractSet[Entrance] = BOTH, fronts: Networks = (), seconds: float = SECONDS
) -> AsyncIterator[Talk]:
    """Connect, and give both ends; they are closed afterwards."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    client.settimeout(0)
    accepted.settimeout(0)
    with client, accepted:
        yield Talk(client, accepted, Handshake(accepted, loop, frozenset(entrances), fronts, seconds))


async def served(handshake: Handshake, refused: ProxyRefusal | None = None) -> Asked | ProxyRefusal | None:
    """Go through a handshake as a listener does; return what was asked, or the refusal told, or None: it left.

    *refused* is what the login is answered with.
    """
    try:
        await handshake.login()
        if refused is not None:
            raise refused
        asked = await handshake.asked()
        await handshake.accept()
    except ProxyRefusal as refusal:
        await handshake.refuse(refusal)
        return refusal
    except ClientLeft:
        return None
    return asked


def basic(username: str = "user", password: str = PASSWORD) -> bytes:
    """Return the field that carries these credentials."""
    return b"Proxy-Authorization: Basic " + base64.b64encode(f"{username}:{password}".encode()) + b"\r\n"


def connect(authority: str = "example.com:443", fields: bytes = b"") -> bytes:
    """Return a CONNECT."""
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode() + fields + b"\r\n"


def get(address: str = "http://example.com/", fields: bytes = b"", line: str = "GET {} HTTP/1.1") -> bytes:
    """Return a plain request."""
    return line.format(address).encode() + b"\r\nHost: example.com\r\n" + fields + b"\r\n"


GREETING = b"\x05\x01\x02"
GREETING_OPEN = b"\x05\x01\x00"


def password_message(username: str = "user", password: str = PASSWORD) -> bytes:
    """Return the message of RFC 1929."""
    return bytes([1, len(username)]) + username.encode() + bytes([len(password)]) + password.encode()


def socks5_request(address: bytes = b"\x03\x0bexample.com", port: int = 443, command: int = 1) -> bytes:
    """Return a request; *address* with its type."""
    return bytes([5, command, 0]) + address + port.to_bytes(2)


LOGIN = Login("user", "pass")
