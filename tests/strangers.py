"""What comes to a gateway by the hundred, from one event loop: tunnels, insults, guesses, slow and deaf clients."""

import asyncio
import base64
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from selectors import EVENT_READ, DefaultSelector

from any_handshake import SOUND, drawn_opening
from deliveries import Proxy

SECONDS = 30.0
SILENCE_SECONDS = 1.0
"""How long an answer may take; on a busy machine a connection through the proxy does."""

_RESET = struct.pack("ii", 1, 0)


class Holder:
    """A target that takes every connection, says nothing, and lets go of it when the other side does."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self.held = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()

    def _hold(self) -> None:
        with DefaultSelector() as selector:
            selector.register(self._listener, EVENT_READ)
            while not self._end.is_set():
                for key, _ in selector.select(0.1):
                    self._step(selector, key.fileobj)
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()

    def _step(self, selector: DefaultSelector, line: object) -> None:
        assert isinstance(line, socket.socket)
        if line is self._listener:
            with suppress(OSError):
                for _ in range(64):
                    client, _ = line.accept()
                    client.settimeout(0)
                    selector.register(client, EVENT_READ)
                    self.held += 1
            return
        try:
            is_over = not line.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            is_over = True
        if is_over:
            selector.unregister(line)
            line.close()
            self.held -= 1

    def close(self) -> None:
        """Let go of everything."""
        self._end.set()
        self._thread.join()


async def line_to(port: int, source: str | None = None) -> socket.socket:
    """Return a new connection to *port* that comes from *source*."""
    line = socket.socket()
    line.settimeout(0)
    try:
        if source is not None:
            line.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
    except BaseException:
        line.close()
        raise
    return line


async def tunnel(proxy: Proxy, port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a tunnel to *port* by CONNECT; a refusal is an AssertionError."""
    loop = asyncio.get_running_loop()
    line = await line_to(proxy.http_port)
    try:
        await loop.sock_sendall(line, connect_request(proxy, port, host))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            more = await loop.sock_recv(line, 4_096)
            assert more, answer
            answer += more
        assert answer.startswith(b"HTTP/1.1 200"), answer
    except BaseException:
        line.close()
        raise
    return line


def connect_request(proxy: Proxy, port: int, host: str = "127.0.0.1") -> bytes:
    """Return a CONNECT with the order's credentials."""
    return (
        f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Authorization: {proxy.basic}\r\n\r\n".encode()
    )


async def at_once(count: int, work: Callable[[int], Awaitable[None]], most: int = 100) -> None:
    """Do *work* for each number below *count*, at most *most* of them at once."""
    turns = asyncio.Semaphore(most)

    async def turn(number: int) -> None:
        async with turns, asyncio.timeout(SECONDS):
            await work(number)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(turn(number))


async def held_tunnels(proxies: Sequence[Proxy], port: int, count: int) -> list[socket.socket]:
    """Return *count* tunnels of *proxies* in turn that lead to *port* and carry nothing."""
    lines: list[socket.socket] = []

    async def open_one(number: int) -> None:
        lines.append(await tunnel(proxies[number % len(proxies)], port))

    await at_once(count, open_one)
    return lines


async def new_tunnels(proxy: Proxy, port: int, a_second: int, seconds: float) -> list[float]:
    """Open *a_second* tunnels each second, close each at once; return how many seconds each took to stand."""
    took: list[float] = []

    async def open_one(number: int) -> None:
        begun_at = time.monotonic()
        async with asyncio.timeout(SECONDS):
            line = await tunnel(proxy, port)
        took.append(time.monotonic() - begun_at)
        if number % 10:
            # In order, each would hold a port of this machine for a minute.
            dropped([line])
        line.close()

    begun_at = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(round(a_second * seconds)):
            await asyncio.sleep(max(0.0, begun_at + number / a_second - time.monotonic()))
            group.create_task(open_one(number))
    return took


def sound_openings(proxy: Proxy, port: int) -> list[bytes]:
    """Return what customers say, with credentials that hold, and what strangers do."""
    name, password = proxy.username.encode(), proxy.password.encode()
    socks_login = b"\x05\x01\x02\x01" + bytes([len(name)]) + name + bytes([len(password)]) + password
    basic = proxy.basic.encode()
    wished = base64.b64encode(f"{proxy.username}-session-a-ttl-5:{proxy.password}".encode())
    request = b"GET /bytes/100 HTTP/1.1\r\nHost: origin\r\n\r\n"
    place = b"http://127.0.0.1:%d" % port
    return [
        *SOUND,
        connect_request(proxy, port) + request,
        b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic %b\r\n\r\n" % (port, wished) + request,
        b"GET %b/bytes/100 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %b\r\n\r\n" % (place, basic),
        b"POST %b/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %b\r\nContent-Length: 5\r\n\r\nhello" % (place, basic),
        socks_login + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2) + request,
        socks_login + b"\x05\x01\x00\x03\x09localhost" + port.to_bytes(2) + request,
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2),
    ]


async def insult(proxy: Proxy, port: int, random: Random, count: int) -> Counter[str]:
    """Open *count* connections with mutated handshakes to both ports; each is answered or ended within SECONDS."""
    sound = sound_openings(proxy, port)
    drawn = [drawn_opening(random, sound, fronted=0.05) for _ in range(count)]
    ports = [_port(proxy, opening.said, random) for opening in drawn]
    came: Counter[str] = Counter()

    async def one(number: int) -> None:
        opening = drawn[number]
        loop = asyncio.get_running_loop()
        line = await line_to(ports[number], f"127.0.0.{number % 200 + 1}")
        answer = b""
        with line, suppress(ConnectionError):
            begin = 0
            for cut in (*opening.cuts, len(opening.said)):
                await loop.sock_sendall(line, opening.said[begin:cut])
                begin = max(begin, cut)
            opening.ends(line)
            if line.fileno() != -1:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENCE_SECONDS):
                        while more := await loop.sock_recv(line, 65_536):
                            answer += more
        came[_kind(answer)] += 1

    await at_once(count, one, 64)
    return came


def _port(proxy: Proxy, said: bytes, random: Random) -> int:
    """Return the port where *said* makes sense, now and then the other one."""
    is_socks = said.startswith(b"\x05") is not (random.random() < 0.1)
    return proxy.socks_port if is_socks else proxy.http_port


def _kind(answer: bytes) -> str:
    if answer.startswith(b"HTTP/1.1 2"):
        return "served"
    if answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
        return "refused"
    return "answered by SOCKS" if answer.startswith((b"\x05", b"\x01", b"\0")) else "ended"


async def unknown_users(proxy: Proxy, random: Random, count: int) -> None:
    """Ask *count* times with a username or a password that nobody has; each is refused by 407."""

    async def one(number: int) -> None:
        loop = asyncio.get_running_loop()
        name = proxy.username if number % 2 else f"{random.getrandbits(70):015x}"[:15]
        login = base64.b64encode(f"{name}:{random.getrandbits(64):x}".encode())
        with await line_to(proxy.http_port) as line:
            await loop.sock_sendall(
                line, b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic %b\r\n\r\n" % login
            )
            answer = await loop.sock_recv(line, 4_096)
        assert answer.startswith(b"HTTP/1.1 407"), answer

    await at_once(count, one, 200)


async def trickled(lines: Sequence[socket.socket], seconds: float) -> None:
    """Send each of *lines* a byte more each second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for line in lines:
            with suppress(OSError):
                line.send(b"x")
        await asyncio.sleep(1)


async def deaf_readers(proxy: Proxy, port: int, count: int) -> list[socket.socket]:
    """Return *count* tunnels through which a target sends without end to somebody who never reads."""
    lines = await held_tunnels([proxy], port, count)
    for line in lines:
        await asyncio.get_running_loop().sock_sendall(line, b"GET /endless HTTP/1.1\r\nHost: origin\r\n\r\n")
    return lines


def dropped(lines: Sequence[socket.socket]) -> None:
    """Close *lines* with a reset each."""
    for line in lines:
        with suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        line.close()
