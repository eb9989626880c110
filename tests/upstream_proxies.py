"""Small HTTP and SOCKS5 proxies on loopback, as upstreams for the tests: real sockets, and every fault on demand."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from novaproxy.catalog.model import Upstream, UpstreamType

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Serve = Callable[[Reader, Writer], Awaitable[None]]

MakeProxy: TypeAlias = Callable[..., AbstractAsyncContextManager["Proxy"]]

USERNAME, PASSWORD = "exit-user", "s3cret-of-the-exit"


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Serve connections on a free port of 127.0.0.1, which is given; all of them end with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def served(reader: Reader, writer: Writer) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()

    def opened(reader: Reader, writer: Writer) -> None:
        task = asyncio.get_running_loop().create_task(served(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(opened, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Proxy:
    """A proxy of the tests.

    Attributes:
        port: where it listens.
        asked: the targets that it was asked for, as ``host:port``, with the passwords that came.
        known: names that it resolves in its own way.
        is_open: whether it wants no credentials.
        fault: what it does instead of a tunnel: a status or a reply; ``silent`` or ``closed``; None: its work.
        early: what it sends in the same segment as its answer, as if the target had spoken at once.
        is_split: whether the head of its answer comes in two parts.
    """

    type: UpstreamType
    port: int = 0
    asked: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    is_open: bool = False
    fault: int | str | None = None
    early: bytes = b""
    is_split: bool = False

    def upstream(self, name: str = "exit", **more: Any) -> Upstream:  # noqa: ANN401 -- as Upstream takes them
        """Return this proxy as the catalog has it."""
        given: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        if not self.is_open:
            given |= {"username": USERNAME, "password": PASSWORD}
        return Upstream(name, self.type, **(given | more))

    async def answer_fault(self, reader: Reader) -> bool:
        """Do what a proxy does that hangs or closes; return whether it did."""
        if self.fault == "silent":
            await reader.read()
        return self.fault in ("silent", "closed")

    async def tunnel(self, host: str, port: int, reader: Reader, writer: Writer, granted: bytes) -> None:
        """Connect to the target, say *granted* and pass bytes both ways."""
        there_reader, there_writer = await asyncio.open_connection(self.known.get(host, host), port)
        if self.is_split:
            writer.write(granted[:20])
            await writer.drain()
            await asyncio.sleep(0.02)
            granted = granted[20:]
        writer.write(granted + self.early)
        try:
            await asyncio.gather(_passed(reader, there_writer), _passed(there_reader, writer))
        finally:
            there_writer.close()


async def _passed(reader: Reader, writer: Writer) -> None:
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def http_proxy(**more: Any) -> AsyncIterator[Proxy]:  # noqa: ANN401 -- as Proxy takes them
    """Give an HTTP proxy that knows CONNECT; it answers anything else with 400."""
    proxy = Proxy(UpstreamType.HTTP, **more)
    wanted = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    async def serve(reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        given = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head[1:]}
        if await proxy.answer_fault(reader):
            return
        if not proxy.is_open and given.get("proxy-authorization") != wanted:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif method != "CONNECT":
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        elif proxy.fault == "garbage":
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        elif proxy.fault is not None:
            writer.write(f"HTTP/1.1 {proxy.fault} No\r\nContent-Length: 2\r\n\r\nno".encode())
        else:
            proxy.asked.append(target)
            host, _, port = target.rpartition(":")
            granted = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"
            await proxy.tunnel(host.strip("[]"), int(port), reader, writer, granted)

    async with listening(serve) as proxy.port:
        yield proxy


@asynccontextmanager
async def socks5_proxy(**more: Any) -> AsyncIterator[Proxy]:  # noqa: ANN401 -- as Proxy takes them
    """Give a SOCKS5 proxy that knows CONNECT."""
    proxy = Proxy(UpstreamType.SOCKS5, **more)

    async def serve(reader: Reader, writer: Writer) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if await proxy.answer_fault(reader):
            return
        method = 0 if proxy.is_open else 2 if 2 in methods else 0xFF
        writer.write(bytes((5, method)))
        if method == 0xFF or (method == 2 and not await _logged_in(reader, writer)):
            return
        _, _, _, kind = await reader.readexactly(4)
        host = await _host(reader, kind)
        port = int.from_bytes(await reader.readexactly(2), "big")
        if proxy.fault == "late":
            return
        if isinstance(proxy.fault, int):
            writer.write(bytes((5, proxy.fault, 0, 1)) + bytes(6))
            return
        proxy.asked.append(f"{host}:{port}")
        await proxy.tunnel(host, port, reader, writer, b"\x05\x00\x00\x03\x09some.exit\x04\x38")

    async with listening(serve) as proxy.port:
        yield proxy


async def _logged_in(reader: Reader, writer: Writer) -> bool:
    _, length = await reader.readexactly(2)
    username = await reader.readexactly(length)
    (length,) = await reader.readexactly(1)
    password = await reader.readexactly(length)
    is_right = (username, password) == (USERNAME.encode(), PASSWORD.encode())
    writer.write(b"\x01\x00" if is_right else b"\x01\x01")
    return is_right


async def _host(reader: Reader, kind: int) -> str:
    if kind == 3:
        (length,) = await reader.readexactly(1)
        return (await reader.readexactly(length)).decode()
    if kind == 1:
        return ".".join(str(byte) for byte in await reader.readexactly(4))
    await reader.readexactly(16)
    return "::1"


@contextmanager
def served_proxies() -> Iterator[tuple[Proxy, Proxy, int]]:
    """Serve an HTTP proxy, a SOCKS5 one and a silent target's port beside the test, on a loop of their own."""
    loop, opened, end = asyncio.new_event_loop(), list[tuple[Proxy, Proxy, int]](), asyncio.Event()
    is_open = threading.Event()

    async def silent(reader: Reader, _writer: Writer) -> None:
        await reader.read()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(http_proxy())
            socks5 = await stack.enter_async_context(socks5_proxy())
            opened.append((http, socks5, await stack.enter_async_context(listening(silent))))
            is_open.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert is_open.wait(10)
        yield opened[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()
