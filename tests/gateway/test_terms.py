"""What was sold beyond bytes, held by two machines' gateways together: real processes, real sockets."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from deliveries import CATALOG, DeliveryShop, Proxy, delivery_shop, free_ports
from exactness import ENDLESS
from novaproxy.accounts.store import AccountStatus, move_account
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.orders import moving
from services import Gateway, within
from shop import SEALING_KEY
from speeds import HOSTS, SHAPES, part_of_speed
from usages import usage_of

CUT_SECONDS = 2.0
RACERS = 100
THREADS = 7
PAUSE_SECONDS = 0.005

Act = Callable[[DeliveryShop, Proxy], object]


@pytest.fixture(scope="module")
def delivery(module_database: Target) -> Iterator[DeliveryShop]:
    with delivery_shop(module_database) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _sold_without_end(delivery: DeliveryShop) -> Iterator[None]:
    """Give orders back the end that they were sold with: none; the books are audited."""
    yield
    delivery.shop.sql("UPDATE orders SET expires_at = NULL FROM plan WHERE plan.id = plan_id AND slug = 'traffic'")


@pytest.fixture(scope="module")
def machines(delivery: DeliveryShop) -> Iterator[tuple[Gateway, Gateway]]:
    one, other = (delivery.gateway(f"at-{host}", NOVAPROXY_GATEWAY_HOST=host) for host in HOSTS)
    with one, other:
        yield one, other


@dataclass(slots=True)
class Answer:
    """What a gateway said to a CONNECT, and the line."""

    status: int
    code: str
    line: socket.socket = field(repr=False)

    def closed(self) -> tuple[int, str]:
        """Hang up; return what was said."""
        self.line.close()
        return self.status, self.code


def asked(delivery: DeliveryShop, proxy: Proxy, *, with_password: bool = True) -> Answer:
    """Ask for a tunnel to the origin."""
    line = socket.create_connection((proxy.host, proxy.http_port), timeout=10)
    login = f"Proxy-Authorization: {proxy.basic}\r\n" if with_password else ""
    line.sendall(f"CONNECT 127.0.0.1:{delivery.origin.port} HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = line.recv(1)
        assert more, head
        head += more
    words = head.decode().split("\r\n")
    codes = [word.partition(": ")[2] for word in words if word.lower().startswith("x-error-code:")]
    return Answer(int(words[0].split(" ")[1]), "".join(codes), line)


class Watched:
    """A tunnel and when it ended, as its client sees it."""

    def __init__(self, line: socket.socket, *, downloads: bool) -> None:
        self.ended_at: float | None = None
        self._line = line
        line.settimeout(30)
        if downloads:
            line.sendall(ENDLESS)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        buffer = bytearray(65_536)
        with self._line, suppress(ConnectionResetError):
            while self._line.recv_into(buffer):
                # An order of 1 GB would else be used up before anything else ends it.
                time.sleep(PAUSE_SECONDS)
        self.ended_at = time.monotonic()

    def hang_up(self) -> None:
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._reading.join(5)


def opened(delivery: DeliveryShop, proxy: Proxy, *, with_password: bool = True) -> list[Watched]:
    """Return a download and an idle tunnel at each machine."""
    watched = []
    for host in HOSTS:
        for downloads in (True, False):
            answer = asked(delivery, replace(proxy, host=host), with_password=with_password)
            assert (answer.status, answer.code) == (200, "")
            watched.append(Watched(answer.line, downloads=downloads))
    return watched


def deactivated(delivery: DeliveryShop, proxy: Proxy) -> None:
    delivery.shop.run(lambda connection: moving.deactivate(connection, UUID(proxy.uuid), "operator"))


def suspended(delivery: DeliveryShop, proxy: Proxy) -> None:
    account_id = delivery.shop.value("SELECT account_id FROM orders WHERE uuid = $1", proxy.uuid)

    async def suspend(connection: SoleConnection) -> None:
        async with connection.transaction():
            await move_account(connection, account_id, AccountStatus.SUSPENDED, "test", "operator")

    delivery.shop.run(suspend)


def reissued(delivery: DeliveryShop, proxy: Proxy) -> None:
    async def reissue(connection: SoleConnection) -> None:
        await moving.reissue(connection, UUID(proxy.uuid), await registered_sealer(connection, SEALING_KEY))

    delivery.shop.run(reissue)


def expired(delivery: DeliveryShop, proxy: Proxy) -> None:
    delivery.shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", proxy.uuid)


def unlisted(delivery: DeliveryShop, proxy: Proxy) -> None:
    answer = delivery.shop.http.delete(
        f"/orders/{proxy.uuid}/whitelist", params={"address": "127.0.0.1"}, headers=delivery.buyer.headers
    )
    assert answer.status_code == 204, answer.text


def used_up(delivery: DeliveryShop, proxy: Proxy) -> None:
    """Do nothing: the downloads themselves use it up."""


ENDS: dict[str, tuple[Act, int, str]] = {
    "switched off": (deactivated, 403, "order_inactive"),
    "suspended": (suspended, 403, "account_suspended"),
    "a new password": (reissued, 407, "proxy_unauthenticated"),
    "over": (expired, 403, "order_expired"),
    "used up": (used_up, 403, "order_exhausted"),
    "off the list": (unlisted, 407, "address_not_listed"),
}


def listed(delivery: DeliveryShop, proxy: Proxy) -> None:
    answer = delivery.shop.http.post(
        f"/orders/{proxy.uuid}/whitelist", json={"address": "127.0.0.1"}, headers=delivery.buyer.headers
    )
    assert answer.status_code == 201, answer.text
    within(CUT_SECONDS, lambda: asked(delivery, proxy, with_password=False).closed()[0] == 200, "a listed address")


def brought(delivery: DeliveryShop, end: str) -> Proxy:
    """Return an order that can come to *end*, of a buyer of its own where his account is concerned."""
    buyer = delivery.buyer
    if end == "suspended":
        delivery.buyer = delivery.shop.buyer()
    proxy = delivery.bought()
    delivery.buyer = buyer
    if end == "used up":
        delivery.use_up(proxy, 3_000_000)
    if end == "off the list":
        listed(delivery, proxy)
    return proxy


@pytest.mark.usefixtures("machines")
def test_what_may_no_longer_pass_is_cut_at_every_gateway_within_two_seconds(delivery: DeliveryShop) -> None:
    proxies = {end: brought(delivery, end) for end in ENDS}
    bystander = opened(delivery, delivery.bought())
    lines = {end: opened(delivery, proxies[end], with_password=end != "off the list") for end in ENDS}
    done_at = {}
    for end, (act, _, _) in ENDS.items():
        act(delivery, proxies[end])
        done_at[end] = time.monotonic()

    for end, (_, status, code) in ENDS.items():
        within(10, lambda end=end: all(one.ended_at for one in lines[end]), f"the end of what is {end}")  # type: ignore[misc]  # mypy: cannot infer a lambda's default
        for one in lines[end]:
            assert one.ended_at is not None
            assert one.ended_at - done_at[end] < CUT_SECONDS, end
        for host in HOSTS:
            at_host = replace(proxies[end], host=host)
            answer = asked(delivery, at_host, with_password=end != "off the list").closed()
            assert answer == (status, code), (end, host)

    assert all(one.ended_at is None for one in bystander)
    for one in bystander:
        one.hang_up()
    for end, proxy in proxies.items():
        if end != "suspended":
            assert_usage_is_whole(delivery, proxy, connections=5 if end == "off the list" else 4)


def assert_usage_is_whole(delivery: DeliveryShop, proxy: Proxy, connections: int) -> None:
    """Assert that the usage of an order is what it consumed, to the byte, and how many of its connections stood."""
    within(5, lambda: delivery.leased(proxy) == 0, "leases that went back")
    totals = usage_of(delivery.shop, delivery.buyer, proxy.uuid).json()["totals"]
    assert totals["bytes"] == totals["bytes_up"] + totals["bytes_down"]
    assert totals["bytes"] == delivery.consumed(proxy)
    assert totals["connections"] == connections


def test_an_order_ends_at_its_time_and_not_before(delivery: DeliveryShop, machines: tuple[Gateway, Gateway]) -> None:
    assert machines
    proxy = delivery.bought()
    lines = opened(delivery, proxy)
    left_seconds = float(
        delivery.shop.value(
            "UPDATE orders SET expires_at = date_trunc('second', now()) + interval '3 seconds' WHERE uuid = $1 "
            "RETURNING extract(epoch FROM expires_at - clock_timestamp())",
            proxy.uuid,
        )
    )
    ends_at = time.monotonic() + left_seconds
    within(10, lambda: all(one.ended_at for one in lines), "the end")
    late = [one.ended_at - ends_at for one in lines if one.ended_at is not None]
    assert min(late) > -0.2, late
    assert max(late) < 1, late


@pytest.mark.usefixtures("machines")
def test_of_many_tunnels_that_are_asked_for_at_once_exactly_those_that_were_bought_open(delivery: DeliveryShop) -> None:
    proxy = delivery.bought(plan="time", duration="1_day", config={"speed": 100, "threads": THREADS})
    barrier = threading.Barrier(RACERS)

    def race(number: int) -> Answer:
        barrier.wait(30)
        return asked(delivery, replace(proxy, host=HOSTS[number % 2]))

    with ThreadPoolExecutor(RACERS) as racers:
        answers = list(racers.map(race, range(RACERS)))
    held = [answer.line for answer in answers if answer.status == 200]
    said = Counter((answer.status, answer.code) for answer in answers)
    assert said == {(200, ""): THREADS, (429, "too_many_tunnels"): RACERS - THREADS}
    for answer in answers:
        if answer.status != 200:
            answer.line.close()

    for host in HOSTS:
        assert asked(delivery, replace(proxy, host=host)).closed() == (429, "too_many_tunnels")
        held.pop(0).close()
        held.append(opened_within(delivery, replace(proxy, host=host), 1.0))
    for line in held:
        line.close()
    refused = usage_of(delivery.shop, delivery.buyer, proxy.uuid).json()["totals"]
    within(
        CUT_SECONDS, lambda: refusals(delivery, proxy).get("too_many_tunnels", 0) >= RACERS - THREADS + 2, "refusals"
    )
    assert refused["connections"] <= THREADS + 2


def refusals(delivery: DeliveryShop, proxy: Proxy) -> dict[str, int]:
    """Return how many connections of an order were refused, by the reason."""
    told: dict[str, int] = usage_of(delivery.shop, delivery.buyer, proxy.uuid).json()["totals"]["refusals"]
    return told


def opened_within(delivery: DeliveryShop, proxy: Proxy, seconds: float) -> socket.socket:
    """Return a tunnel that opens in this time; until then too many were open."""
    until = time.monotonic() + seconds
    while True:
        answer = asked(delivery, proxy)
        if answer.status == 200:
            return answer.line
        assert answer.closed() == (429, "too_many_tunnels")
        assert time.monotonic() < until, "a place that was given back is not to be had"
        time.sleep(0.02)


def test_the_places_of_a_gateway_that_was_killed_are_free_again(
    delivery: DeliveryShop, machines: tuple[Gateway, Gateway]
) -> None:
    proxy = delivery.bought(plan="time", duration="1_day", config={"speed": 100, "threads": 2})
    lines = [asked(delivery, proxy).line for _ in range(2)]
    other = replace(proxy, host=HOSTS[1])
    assert asked(delivery, other).closed() == (429, "too_many_tunnels")

    machines[0].kill_gateways()

    lines += [opened_within(delivery, other, 10.0) for _ in range(2)]
    assert asked(delivery, other).closed() == (429, "too_many_tunnels")
    for line in lines:
        line.close()
    within(10, lambda: len(machines[0].gateway_pids()) == 1, "a gateway in its place")


@pytest.mark.usefixtures("machines")
def test_two_machines_share_the_speed_that_was_sold(delivery: DeliveryShop) -> None:
    begin, _, _ = SHAPES["two machines"]
    # Wide, as this machine may be busy: ``make torture ONLY=speed`` measures it.
    assert 0.5 <= part_of_speed(delivery, begin, 3.0) <= 1.25


def moved(delivery: DeliveryShop, **ports: int) -> None:
    """Serve the plan that is sold by time elsewhere; the other one has no whitelist any more."""
    http, socks = ports["http"], ports["socks"]
    catalog = CATALOG.format(http=delivery.http_port, socks=delivery.socks_port).replace("has_ip_whitelist: true", "")
    own = f"[{{code: http, host: h, port: {http}}}, {{code: socks5, host: h, port: {socks}}}]"
    delivery.shop.apply_catalog(catalog.replace("protocols: *entrances", f"protocols: {own}"))


def listens(host: str, port: int) -> bool:
    """Return whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.usefixtures("machines")
def test_a_new_catalog_is_in_force_within_two_seconds(delivery: DeliveryShop) -> None:
    by_time = delivery.bought(plan="time", duration="1_day", config={"speed": 100, "threads": 100})
    by_traffic = delivery.bought()
    listed(delivery, by_traffic)
    cut = opened(delivery, by_time) + opened(delivery, by_traffic, with_password=False)
    stays = opened(delivery, by_traffic)
    http, socks = free_ports(2)

    moved(delivery, http=http, socks=socks)
    began_at = time.monotonic()

    within(10, lambda: all(one.ended_at for one in cut), "the end of what is not sold there any more")
    assert all(one.ended_at is not None and one.ended_at - began_at < CUT_SECONDS for one in cut)
    assert all(one.ended_at is None for one in stays)
    for host in HOSTS:
        assert asked(delivery, replace(by_time, host=host)).closed() == (403, "wrong_port")
        at_host = replace(by_traffic, host=host)
        assert asked(delivery, at_host, with_password=False).closed() == (407, "address_not_listed")
        within(max(0, began_at + CUT_SECONDS - time.monotonic()), lambda h=host: listens(h, http), "a new port")  # type: ignore[misc]  # mypy: cannot infer a lambda's default
        assert asked(delivery, replace(by_time, host=host, http_port=http)).closed() == (200, "")

    delivery.shop.apply_catalog(CATALOG.format(http=delivery.http_port, socks=delivery.socks_port))
    began_at = time.monotonic()
    within(
        CUT_SECONDS, lambda: not any(listens(host, port) for host in HOSTS for port in (http, socks)), "closed ports"
    )
    assert all(one.ended_at is None for one in stays)
    for one in stays:
        one.hang_up()
