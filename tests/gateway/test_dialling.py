"""A target is reached by this machine or through an upstream, or it is said why not."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from novaproxy.catalog.model import Catalog, Upstream, UpstreamType
from novaproxy.gateway.exits.connecting import connected
from novaproxy.gateway.exits.exits import Exits, Watch
from novaproxy.gateway.exits.names import Addresses, Names
from novaproxy.gateway.model import Target, Wish
from novaproxy.gateway.refusals import (
    GatewayUnavailable,
    NoExit,
    ProxyRefusal,
    TargetNotAllowed,
    TargetNotFound,
    TargetRefused,
    TargetTimedOut,
)
from novaproxy.settings import GatewaySettings
from upstream_proxies import PASSWORD, MakeProxy, Reader, Writer, http_proxy, listening, socks5_proxy

NOBODY = "192.0.2.1"
PROXIES = [http_proxy, socks5_proxy]


async def echo(reader: Reader, writer: Writer) -> None:
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()


def exits(
    *upstreams: Upstream,
    allowed: Sequence[int] = (),
    names: dict[str, list[str]] | None = None,
    **more: Any,  # noqa: ANN401 -- as Exits takes them
) -> Exits:
    """Exits to which ports of 127.0.0.1 are open, and who know *names* alone."""
    known = {name: tuple(ip_address(address) for address in found) for name, found in (names or {}).items()}
    opened = Exits(
        GatewaySettings(allowed=tuple(("127.0.0.1", port) for port in allowed)),
        names=Names(lambda name: known.get(name, ())),
        environment={},
        **more,
    )
    opened.update(Catalog("USD", upstreams=upstreams))
    return opened


async def dial(some: Exits, host: str, port: int) -> socket.socket:
    return await some.dial(Target(host, port), Wish(), order_id=1, plan="p", fixed_country=None, now_seconds=0)


async def said(line: socket.socket, text: bytes = b"hello") -> bytes:
    """What comes back of *text*."""
    loop = asyncio.get_running_loop()
    with line:
        await loop.sock_sendall(line, text)
        line.shutdown(socket.SHUT_WR)
        heard = b""
        while part := await loop.sock_recv(line, 65_536):
            heard += part
        return heard


async def test_without_upstreams_this_machine_dials_itself() -> None:
    async with listening(echo) as port:
        some = exits(allowed=[port], names={"shop.example": ["127.0.0.1"]})
        for host in ("127.0.0.1", "127.1", "0x7f000001", "shop.example"):
            line = await dial(some, host, port)
            assert line.gettimeout() == 0.0
            assert await said(line) == b"hello"


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("is_open", [True, False])
async def test_an_upstream_carries_a_tunnel_with_or_without_credentials(proxy: MakeProxy, is_open: bool) -> None:  # noqa: FBT001 -- a parameter
    async with listening(echo) as port, proxy(is_open=is_open) as through:
        some = exits(through.upstream(), allowed=[port])
        assert await said(await dial(some, "127.0.0.1", port), b"x" * 300_000) == b"x" * 300_000
        assert through.asked == [f"127.0.0.1:{port}"]


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_name_is_checked_here_and_resolved_by_the_upstream(proxy: MakeProxy) -> None:
    async with (
        listening(echo) as port,
        proxy(known={"shop.example": "127.0.0.1", "far.example": "127.0.0.1"}) as through,
    ):
        some = exits(through.upstream(), names={"shop.example": ["93.184.215.14"], "bad.example": ["10.0.0.1"]})
        assert await said(await dial(some, "shop.example", port)) == b"hello"
        # Known to the upstream alone.
        assert await said(await dial(some, "FAR.example.", port)) == b"hello"
        assert through.asked == [f"shop.example:{port}", f"far.example:{port}"]
        with pytest.raises(TargetNotAllowed):
            await dial(some, "bad.example", port)
        for host in ("localhost", "router", "metadata.google.internal"):
            with pytest.raises(TargetNotFound):
                await dial(some, host, port)
        with pytest.raises(TargetNotAllowed):
            await dial(some, "far.example", 25)
        for host in ("127.1", "0x7f000001", "2130706433", "169.254.169.254", "10.0.0.1", "::ffff:10.0.0.1"):
            with pytest.raises(TargetNotAllowed):
                await dial(some, host, port)
        assert len(through.asked) == 2


@pytest.mark.parametrize("proxy", PROXIES)
async def test_what_the_target_says_at_once_is_not_lost(proxy: MakeProxy) -> None:
    async with listening(echo) as port, proxy(early=b"220 ready\r\n\r\n", is_split=True) as through:
        some = exits(through.upstream(), allowed=[port])
        assert await said(await dial(some, "127.0.0.1", port)) == b"220 ready\r\n\r\nhello"


async def test_a_name_that_changes_its_mind_is_asked_once_and_the_checked_address_dialled() -> None:
    answers = iter([(ip_address("127.0.0.1"),), (ip_address("127.0.0.2"),)])
    asked = []

    def look_up(name: str) -> Addresses:
        asked.append(name)
        return next(answers)

    async with listening(echo) as port:
        some = Exits(GatewaySettings(allowed=(("127.0.0.1", port),)), names=Names(look_up), environment={})
        line = await dial(some, "rebinding.example", port)
        assert line.getpeername() == ("127.0.0.1", port)
        assert await said(line) == b"hello"
        assert asked == ["rebinding.example"]


async def test_a_name_with_one_inner_address_is_refused_whatever_else_it_has() -> None:
    async with listening(echo) as port:
        some = exits(allowed=[port], names={"mixed.example": ["127.0.0.1", "10.0.0.1"]})
        with pytest.raises(TargetNotAllowed):
            await dial(some, "mixed.example", port)


async def test_a_port_beside_the_allowed_one_stays_closed() -> None:
    async with listening(echo) as port, listening(echo) as other:
        with pytest.raises(TargetNotAllowed):
            await dial(exits(allowed=[port]), "127.0.0.1", other)


@asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """A port on which nobody listens, and nobody else can."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_target_that_takes_no_connection_refuses() -> None:
    async with closed_port() as port:
        with pytest.raises(TargetRefused):
            await dial(exits(allowed=[port]), "127.0.0.1", port)


async def test_a_name_without_addresses_is_not_found() -> None:
    with pytest.raises(TargetNotFound):
        await dial(exits(), "nowhere.example", 80)


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "256.1.1.1", ""])
async def test_what_is_neither_name_nor_address_is_not_found(host: str) -> None:
    async with http_proxy() as through:
        with pytest.raises(TargetNotFound):
            await dial(exits(through.upstream()), host, 80)
        assert through.asked == []


@pytest.mark.parametrize(
    ("proxy", "fault", "refusal"),
    [
        (http_proxy, 403, TargetRefused),
        (http_proxy, 502, TargetRefused),
        (http_proxy, 504, TargetTimedOut),
        (http_proxy, 404, TargetNotFound),
        (socks5_proxy, 1, TargetRefused),
        (socks5_proxy, 2, TargetRefused),
        (socks5_proxy, 4, TargetNotFound),
        (socks5_proxy, 5, TargetRefused),
        (socks5_proxy, 6, TargetTimedOut),
    ],
)
async def test_what_a_working_upstream_says_of_the_target_is_the_targets(
    proxy: MakeProxy, fault: int, refusal: type[ProxyRefusal]
) -> None:
    async with listening(echo) as port, proxy(fault=fault) as through, proxy() as other:
        some = exits(through.upstream("a", weight=1_000_000), other.upstream("b"), random=lambda: 0.5)
        with pytest.raises(refusal):
            await dial(some, "far.example", port)
        assert other.asked == []


@pytest.mark.parametrize(
    ("proxy", "fault"),
    [
        (http_proxy, 429),
        (http_proxy, 402),
        (http_proxy, "closed"),
        (http_proxy, "garbage"),
        (socks5_proxy, "closed"),
        (socks5_proxy, "late"),
    ],
)
async def test_an_upstream_that_does_not_do_its_part_is_passed_over(proxy: MakeProxy, fault: int | str) -> None:
    told: list[str] = []
    async with listening(echo) as port, proxy(fault=fault) as broken, http_proxy() as well:
        some = exits(
            broken.upstream("a", weight=1_000_000),
            well.upstream("b"),
            allowed=[port],
            random=lambda: 0.5,
            watch=Watch(failed=lambda name, _reason: told.append(name)),
        )
        assert await said(await dial(some, "127.0.0.1", port)) == b"hello"
        assert told == ["a"]


async def test_upstreams_that_are_away_or_refuse_our_password_are_passed_over_at_most_two_of_them() -> None:
    async with listening(echo) as port, closed_port() as nobody, http_proxy() as http, socks5_proxy() as socks5:
        away = Upstream("a", UpstreamType.HTTP, "127.0.0.1", nobody, weight=100_000_000)
        wrong = http.upstream("b", password="wrong", weight=1_000_000)
        also_wrong = socks5.upstream("c", password="wrong", weight=1_000)
        right = socks5.upstream("d")

        def some(*upstreams: Upstream) -> Exits:
            return exits(*upstreams, allowed=[port], random=lambda: 0.5)

        assert await said(await dial(some(away, wrong, right), "127.0.0.1", port)) == b"hello"
        assert await said(await dial(some(away, also_wrong, right), "127.0.0.1", port)) == b"hello"
        with pytest.raises(NoExit):
            await dial(some(away, wrong, also_wrong, right), "127.0.0.1", port)


async def test_a_password_comes_from_the_environment_where_the_catalog_says_so() -> None:
    async with listening(echo) as port, http_proxy() as through:
        upstream = through.upstream(password=None, password_env="EXIT_PASSWORD")
        some = Exits(GatewaySettings(allowed=(("127.0.0.1", port),)), environment={"EXIT_PASSWORD": PASSWORD})
        some.update(Catalog("USD", upstreams=(upstream,)))
        assert await said(await dial(some, "127.0.0.1", port)) == b"hello"
        told: list[str] = []
        without = exits(upstream, allowed=[port], watch=Watch(failed=lambda _name, reason: told.append(reason)))
        with pytest.raises(NoExit):
            await dial(without, "127.0.0.1", port)
        assert told == ["its password is not set: EXIT_PASSWORD"]


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("password", ["\udcff" * 200, "ä" * 127, "x" * 256])
async def test_a_strange_password_from_the_environment_is_wrong_and_nothing_breaks(
    proxy: MakeProxy, password: str
) -> None:
    async with proxy() as through:
        some = Exits(GatewaySettings(), names=Names(lambda _name: ()), environment={"P": password})
        some.update(Catalog("USD", upstreams=(through.upstream(password=None, password_env="P"),)))
        with pytest.raises(NoExit):
            await dial(some, "far.example", 80)


async def test_a_direct_upstream_leaves_from_its_source() -> None:
    async def peer(_reader: Reader, writer: Writer) -> None:
        writer.write(writer.get_extra_info("peername")[0].encode())

    async with listening(peer) as port:
        some = exits(Upstream("a", UpstreamType.DIRECT, source="127.0.0.3"), allowed=[port])
        assert await said(await dial(some, "127.0.0.1", port), b"") == b"127.0.0.3"
        strange = exits(Upstream("a", UpstreamType.DIRECT, source=NOBODY), allowed=[port])
        with pytest.raises(NoExit):
            await dial(strange, "127.0.0.1", port)
        other_family = exits(Upstream("a", UpstreamType.DIRECT, source="::1"), allowed=[port])
        with pytest.raises(TargetRefused):
            await dial(other_family, "127.0.0.1", port)


async def test_a_source_of_the_catalog_is_the_gateways_own_address() -> None:
    some = exits(Upstream("a", UpstreamType.DIRECT, source="93.184.215.14"))
    with pytest.raises(TargetNotAllowed):
        await dial(some, "93.184.215.14", 80)


async def test_a_silent_upstream_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaproxy.gateway.exits.exits.DIAL_SECONDS", 0.3)
    monkeypatch.setattr("novaproxy.gateway.exits.dialling.REACH_SECONDS", 0.1)
    async with listening(echo) as port, http_proxy(fault="silent") as http, socks5_proxy(fault="silent") as socks5:
        with pytest.raises(TargetTimedOut):
            await dial(exits(http.upstream(), allowed=[port]), "127.0.0.1", port)
        # A SOCKS5 proxy that does not even greet is at fault itself.
        with pytest.raises(NoExit):
            await dial(exits(socks5.upstream(), allowed=[port]), "127.0.0.1", port)


async def test_the_second_address_is_tried_beside_a_silent_first_one() -> None:
    async with listening(echo) as port:
        silent = socket.socket()
        silent.bind(("127.0.0.2", port))
        silent.listen(0)
        # Fills the queue of connections: the next one hears nothing.
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003 -- the socket's own
            filler.connect_ex(("127.0.0.2", port))
        try:
            both = [ip_address("127.0.0.2"), ip_address("127.0.0.1")]
            async with asyncio.timeout(2):
                line = await connected(both, port)
            assert line.getpeername()[0] == "127.0.0.1"
            line.close()
            line = await connected([ip_address("127.0.0.3"), ip_address("127.0.0.1")], port)
            assert line.getpeername()[0] == "127.0.0.1"
            line.close()
        finally:
            for one in (silent, *fillers):
                one.close()
        async with closed_port() as nobody:
            with pytest.raises(ConnectionRefusedError):
                await connected([ip_address("127.0.0.1"), ip_address("127.0.0.2")], nobody)


async def test_a_dial_that_is_given_up_leaves_no_connection_behind() -> None:
    ended = asyncio.Event()

    async def silent(reader: Reader, _writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if await reader.read() == b"":
            ended.set()

    async with listening(silent) as port:
        some = exits(Upstream("a", UpstreamType.HTTP, "127.0.0.1", port))
        dialling = asyncio.create_task(dial(some, "far.example", 443))
        await asyncio.sleep(0.1)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await asyncio.wait_for(ended.wait(), 2)


async def test_of_two_connections_that_are_made_at_once_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaproxy.gateway.exits.connecting.STAGGER_SECONDS", 0.0)
    ended = asyncio.Semaphore(0)

    async def wait(reader: Reader, _writer: Writer) -> None:
        await reader.read()
        ended.release()

    async with listening(wait) as port:
        for _ in range(10):
            line = await connected([ip_address("127.0.0.1"), ip_address("127.0.0.1")], port)
            await asyncio.wait_for(ended.acquire(), 2)
            line.close()
            await asyncio.wait_for(ended.acquire(), 2)


async def test_a_process_without_a_socket_left_says_so_and_judges_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_address: object) -> bool:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("novaproxy.gateway.exits.exits.is_own", none_left)
    with pytest.raises(GatewayUnavailable):
        await dial(exits(), "93.184.215.14", 443)
