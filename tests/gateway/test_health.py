"""Upstreams that are away rest, and come back; nothing that a customer asks for takes one from the others."""

import asyncio
import errno
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from novaproxy.catalog.model import Catalog, Upstream, UpstreamType
from novaproxy.gateway.exits.exits import Exits, Watch
from novaproxy.gateway.exits.health import Health
from novaproxy.gateway.exits.names import Names
from novaproxy.gateway.exits.told import UpstreamLog
from novaproxy.gateway.model import Target, Wish
from novaproxy.gateway.refusals import GatewayUnavailable, NoExit, TargetRefused
from novaproxy.settings import GatewaySettings
from upstream_proxies import MakeProxy, Proxy, http_proxy, listening, socks5_proxy

EXIT = Upstream("a", UpstreamType.HTTP, "192.0.2.1", 1)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def health() -> tuple[Health, Clock, list[tuple[str, bool]]]:
    clock, told = Clock(), list[tuple[str, bool]]()
    return Health(clock, lambda name, is_well: told.append((name, is_well))), clock, told


def test_one_failure_of_a_tunnel_is_no_illness_and_a_second_is() -> None:
    some, clock, told = health()
    some.failed(EXIT)
    assert some.is_well(EXIT)
    some.failed(EXIT)
    assert not some.is_well(EXIT)
    clock.now += 1.0
    assert some.is_well(EXIT)
    assert told == [("a", False)]
    some.worked(EXIT)
    assert told == [("a", False), ("a", True)]


def test_it_rests_twice_as_long_each_time_and_never_longer_than_half_a_minute() -> None:
    some, clock, _ = health()
    some.failed(EXIT)
    rests = []
    for _ in range(8):
        some.failed(EXIT)
        began = clock.now
        while not some.is_well(EXIT):
            clock.now += 0.5
        rests.append(clock.now - began)
    assert rests == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_worked_between_ends_the_row() -> None:
    some, _, _ = health()
    for _ in range(5):
        some.failed(EXIT)
        some.worked(EXIT)
    some.failed(EXIT)
    assert some.is_well(EXIT)


def test_one_check_that_fails_is_enough_and_holds_until_more_checks_should_have_come() -> None:
    some, clock, told = health()
    some.failed(EXIT, is_check=True)
    assert not some.is_well(EXIT)
    clock.now += 29
    assert not some.is_well(EXIT)
    clock.now += 1
    assert some.is_well(EXIT)
    assert told == [("a", False)]


def test_another_address_is_judged_anew_and_another_weight_is_not() -> None:
    some, _, _ = health()
    some.failed(EXIT, is_check=True)
    heavier = Upstream("a", UpstreamType.HTTP, "192.0.2.1", 1, weight=5)
    elsewhere = Upstream("a", UpstreamType.HTTP, "192.0.2.1", 2)
    assert not some.is_well(heavier)
    assert some.is_well(elsewhere)
    some.keep([heavier])
    assert not some.is_well(EXIT)
    some.keep([elsewhere])
    assert some.is_well(EXIT)


def exits(*upstreams: Upstream, told: list[object]) -> Exits:
    some = Exits(
        GatewaySettings(),
        names=Names(lambda _name: ()),
        environment={},
        random=lambda: 0.5,
        watch=Watch(moved=lambda *what: told.append(what), failed=lambda *what: told.append(what)),
    )
    some.update(Catalog("USD", upstreams=upstreams))
    return some


async def is_served(some: Exits) -> bool:
    """Whether an exit is tried for a target that none of them reaches."""
    try:
        await some.dial(Target("far.example", 9), Wish(), order_id=1, plan="p", fixed_country=None, now_seconds=0)
    except NoExit:
        return False
    except TargetRefused:
        return True
    raise AssertionError("nobody is there")


async def test_every_check_is_told_also_of_an_upstream_that_was_always_well() -> None:
    told: list[object] = []
    watch = Watch(checked=lambda *what: told.append(what))
    some = Exits(GatewaySettings(), names=Names(lambda _name: ()), environment={}, watch=watch)
    async with http_proxy() as through:
        some.update(Catalog("USD", upstreams=(through.upstream(),)))
        await some.check_all()
    await some.check_all()
    assert told == [("exit", True), ("exit", False)]


def test_the_log_hears_of_a_failing_upstream_once_a_minute() -> None:
    now = 0.0
    told = UpstreamLog(lambda: now)
    with capture_logs() as lines:
        for name in ("a", "a", "b", "a"):
            told.failed(name, "it is away")
        now = 60.0
        told.failed("a", "it is away")
        told.moved("a", is_well=True)
    assert [(line["upstream"], line.get("failures")) for line in lines] == [("a", 1), ("b", 1), ("a", 3), ("a", None)]


@pytest.mark.parametrize("proxy", [http_proxy, socks5_proxy])
async def test_an_upstream_goes_down_and_comes_up_by_the_checks_alone(proxy: MakeProxy) -> None:
    told: list[object] = []
    refusal = 502 if proxy is http_proxy else 5
    async with proxy(fault=refusal) as through:
        some = exits(through.upstream(), told=told)
        await some.check_all()
        assert await is_served(some)
        assert told == []
        some.update(Catalog("USD", upstreams=(through.upstream(password="wrong"),)))
        await some.check_all()
        assert told == [("exit", "it refused its username and password"), ("exit", False)]
        assert not await is_served(some)
    async with proxy(fault=refusal) as through:
        some.update(Catalog("USD", upstreams=(through.upstream(),)))
        assert await is_served(some)


async def test_an_upstream_that_comes_back_is_well_at_its_next_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaproxy.gateway.exits.exits.CHECK_SECONDS", 0.05)
    monkeypatch.setattr("novaproxy.gateway.exits.dialling.REACH_SECONDS", 0.2)
    told: list[object] = []
    async with socks5_proxy(fault="silent") as through:
        some = exits(through.upstream(), told=told)
        end = asyncio.Event()
        checking = asyncio.create_task(some.keep_checked(end))
        await until(lambda: ("exit", False) in told)
        assert not await is_served(some)
        through.fault = 5
        await until(lambda: told[-1] == ("exit", True))
        assert await is_served(some)
        end.set()
        await asyncio.wait_for(checking, 1)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 -- what is waited for happens in sockets
            await asyncio.sleep(0.01)


async def test_an_http_proxy_that_hangs_is_found_and_one_that_just_closes_is_left_to_the_tunnels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("novaproxy.gateway.exits.dialling.REACH_SECONDS", 0.1)
    told: list[object] = []
    async with http_proxy(fault="silent") as through:
        some = exits(through.upstream(), told=told)
        await some.check_all()
        assert told == [("exit", "it takes connections and does not answer"), ("exit", False)]
    told.clear()
    async with http_proxy(fault="closed") as through:
        some = exits(through.upstream(), told=told)
        await some.check_all()
        assert told == [("exit", "it closed the connection without an answer")]


@pytest.mark.parametrize(
    ("proxy", "fault"),
    [(http_proxy, 502), (http_proxy, 429), (http_proxy, "closed"), (socks5_proxy, 1), (socks5_proxy, "late")],
)
async def test_no_target_that_a_customer_names_takes_an_exit_from_the_others(
    proxy: MakeProxy, fault: int | str
) -> None:
    told: list[object] = []
    async with proxy(fault=fault) as through:
        some = exits(through.upstream(), told=told)
        for _ in range(5):
            await is_served(some)
        assert ("exit", False) not in told
        through.fault = 502 if through.type is UpstreamType.HTTP else 5
        assert await is_served(some)


async def test_an_upstream_that_takes_no_connection_rests_after_two_tunnels() -> None:
    told: list[object] = []
    async with http_proxy() as through:
        gone = through.upstream()
    some = exits(gone, told=told)
    for _ in range(3):
        assert not await is_served(some)
    assert told == [
        ("exit", "it took no connection: Connection refused"),
        ("exit", "it took no connection: Connection refused"),
        ("exit", False),
    ]


async def test_no_word_that_is_told_holds_a_password_or_a_target() -> None:
    told: list[object] = []

    async def garbage(_reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"s3cret-of-the-exit far.example\r\n\r\n")

    async with listening(garbage) as port:
        for kind in (UpstreamType.HTTP, UpstreamType.SOCKS5):
            upstream = Proxy(kind, port).upstream()
            some = exits(upstream, told=told)
            await some.check_all()
            await is_served(some)
            assert "s3cret" not in repr((upstream, Catalog("USD", upstreams=(upstream,))))
    assert told
    assert "s3cret" not in repr(told)
    assert "far.example" not in repr(told)


async def test_a_gateway_without_sockets_blames_no_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    async with http_proxy(fault=502) as through:
        some = exits(through.upstream(), told=told)
        with monkeypatch.context() as full:

            def no_socket(*_arguments: object) -> None:
                raise OSError(errno.EMFILE, "Too many open files")

            full.setattr("novaproxy.gateway.exits.connecting.socket.socket", no_socket)
            await some.check_all()
            for _ in range(3):
                with pytest.raises(GatewayUnavailable):
                    await is_served(some)
        assert told == []
        assert await is_served(some)
