import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from aiohttp import web
from aiohttp_socks import ProxyConnector
from python_socks import ProxyError
from python_socks.async_.asyncio import Proxy
from websockets.asyncio.server import serve

from handshakes import BOTH, get
from novaproxy.gateway.entrance.handshake import Handshake
from novaproxy.gateway.entrance.http_head import read_head
from novaproxy.gateway.entrance.incoming import ClientLeft
from novaproxy.gateway.model import Asked, Login
from novaproxy.gateway.refusals import CredentialsNotValid, ProxyRefusal

CREDENTIALS = "user-country-us:pass"
ADDRESS = "http://exit.example:8080/a?b=c"


def told(asked: Asked, login: Login) -> bytes:
    """Return the answer of an exit that tells what was asked of the gateway."""
    body = json.dumps([asked.entrance, asked.target.host, asked.target.port, login.wish.country]).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def answer(client: socket.socket) -> None:
    """Serve one connection: the gateway is the exit itself."""
    loop = asyncio.get_running_loop()
    handshake = Handshake(client, loop, BOTH)
    try:
        login = await handshake.login()
        if login is None or (login.username, login.password) != ("user", "pass"):
            raise CredentialsNotValid
        asked = await handshake.asked()
        await handshake.accept()
        head = asked.head or asked.early
        while not head.endswith(b"\r\n\r\n"):
            head += await loop.sock_recv(client, 4096)
        await loop.sock_sendall(client, told(asked, login))
        client.close()
    except ProxyRefusal as refusal:
        await handshake.refuse(refusal)
    except ClientLeft:
        client.close()


@asynccontextmanager
async def gateway() -> AsyncIterator[int]:
    """Open a gateway for both protocols, and give its port."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)

        async def accept() -> None:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    client, _ = await loop.sock_accept(listener)
                    tasks.create_task(answer(client))

        accepting = asyncio.create_task(accept())
        try:
            yield listener.getsockname()[1]
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


async def by_httpx(proxy: str) -> Any:  # noqa: ANN401 -- JSON
    async with httpx.AsyncClient(proxy=proxy, trust_env=False, timeout=5) as client:
        return (await client.get(ADDRESS)).json()


async def by_requests(proxy: str) -> Any:  # noqa: ANN401 -- JSON
    ask = partial(requests.get, ADDRESS, proxies={"http": proxy}, timeout=5)
    return (await asyncio.to_thread(ask)).json()


async def by_aiohttp(proxy: str) -> Any:  # noqa: ANN401 -- JSON
    async with aiohttp.ClientSession() as session, session.get(ADDRESS, proxy=proxy) as answered:
        return await answered.json(content_type=None)


async def by_aiohttp_socks(proxy: str) -> Any:  # noqa: ANN401 -- JSON
    connector = ProxyConnector.from_url(proxy, rdns=True)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(ADDRESS) as answered:
        return await answered.json(content_type=None)


async def by_python_socks(proxy: str) -> Any:  # noqa: ANN401 -- JSON
    loop = asyncio.get_running_loop()
    with await Proxy.from_url(proxy, rdns=True).connect("exit.example", 8080) as tunnel:
        await loop.sock_sendall(tunnel, b"GET / HTTP/1.1\r\nHost: exit.example\r\n\r\n")
        answered = b""
        while chunk := await loop.sock_recv(tunnel, 4096):
            answered += chunk
    return json.loads(answered.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("ask", "scheme"),
    [
        (by_httpx, "http"),
        (by_httpx, "socks5"),
        (by_requests, "http"),
        (by_requests, "socks5h"),
        (by_aiohttp, "http"),
        (by_aiohttp_socks, "socks5"),
        (by_python_socks, "socks5"),
        (by_python_socks, "http"),
    ],
)
async def test_clients_that_people_use_are_understood(ask: Callable[[str], Awaitable[Any]], scheme: str) -> None:
    entrance = "http" if scheme == "http" else "socks5"
    async with gateway() as port:
        assert await ask(f"{scheme}://{CREDENTIALS}@127.0.0.1:{port}") == [entrance, "exit.example", 8080, "us"]


async def test_clients_that_people_use_hear_why_they_are_refused() -> None:
    async with gateway() as port:
        wrong = f"http://user:wrong@127.0.0.1:{port}"
        async with httpx.AsyncClient(proxy=wrong, trust_env=False) as client:
            answered = await client.get(ADDRESS)
            assert (answered.status_code, answered.headers["X-Error-Code"]) == (407, "proxy_unauthenticated")
            with pytest.raises(httpx.ProxyError, match="407"):
                await client.get("https://exit.example/")
        with pytest.raises(ProxyError, match="authentication failure"):
            await Proxy.from_url(wrong.replace("http", "socks5")).connect("exit.example", 8080)


async def upgraded(port: int) -> bytes:
    """Return the status line by which a WebSocket server answers a head that went through the entrance."""
    fields = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    asked = read_head(get(f"http://127.0.0.1:{port}/", fields))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked.head)
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.transport.abort()
    return status


async def test_servers_that_people_use_take_a_websocket_whose_connection_ends_with_it() -> None:
    async def websocket(request: web.Request) -> web.StreamResponse:
        upgrading = web.WebSocketResponse()
        await upgrading.prepare(request)
        async for _ in upgrading:
            pass
        return upgrading

    app = web.Application()
    app.router.add_get("/", websocket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with serve(lambda line: line.wait_closed(), "127.0.0.1", 0) as server:
        for port in (server.sockets[0].getsockname()[1], runner.addresses[0][1]):
            assert await upgraded(port) == b"HTTP/1.1 101 Switching Protocols\r\n"
    await runner.cleanup()
