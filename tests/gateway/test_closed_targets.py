"""The operator's own network stays closed to those who bought a proxy, whatever they call it, on every way in."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deliveries import DeliveryShop, Proxy, delivery_shop
from novaproxy.database.pool import Target
from services import Gateway
from targets import INNER, INNER_IPV6, INNER_NAMES, WAYS, Asking, disguises, over_connect, over_socks_address

CLOSED = {"target_not_allowed", "target_not_valid", "target_not_found", "request_not_valid"}
"""What HTTP says of one."""

CLOSED_REPLIES = {"1", "2", "4"}
"""What SOCKS5 says of one: general failure, not allowed, unreachable."""


@pytest.fixture(scope="module")
def delivery(module_database: Target) -> Iterator[DeliveryShop]:
    with delivery_shop(module_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def gateway(delivery: DeliveryShop) -> Iterator[Gateway]:
    with delivery.gateway() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(delivery: DeliveryShop, gateway: Gateway) -> Proxy:
    assert gateway.gateway_pids()
    return delivery.bought()


class Listening:
    """A place that nobody may reach: it counts who does."""

    def __init__(self, host: str, port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        is_both = family == socket.AF_INET6 and host == "::"
        self._listener = socket.create_server((host, port), family=family, dualstack_ipv6=is_both)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]

    def visitors(self) -> int:
        """Return how many have come since this was last asked."""
        count = 0
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def closed_place() -> Iterator[Listening]:
    """Something that listens on every address of this machine, and is no target."""
    place = Listening("::")
    yield place
    place.close()


def assert_closed(told: dict[str, Asking]) -> None:
    opened = {what: answer for what, answer in told.items() if answer.is_open}
    assert not opened, opened
    unknown = {what: answer for what, answer in told.items() if answer.told not in CLOSED | CLOSED_REPLIES}
    assert not unknown, unknown


def asked(proxy: Proxy, hosts: list[str], port: int, ways: tuple[str, ...] = tuple(WAYS)) -> dict[str, Asking]:
    """Ask for each of *hosts* on each of the *ways*, several at once."""
    asks = [(way, host) for way in ways for host in hosts]
    with ThreadPoolExecutor(16) as clients:
        answers = clients.map(lambda one: WAYS[one[0]](proxy, one[1], port), asks)
        return {f"{way} {host}:{port}": answer for (way, host), answer in zip(asks, answers, strict=True)}


@pytest.mark.parametrize("address", INNER)
def test_no_disguise_of_an_inner_address_opens_it(proxy: Proxy, closed_place: Listening, address: str) -> None:
    hosts = disguises(address)
    assert_closed(asked(proxy, hosts, closed_place.port))
    assert closed_place.visitors() == 0


def test_no_inner_ipv6_address_and_no_inner_name_opens(proxy: Proxy, closed_place: Listening) -> None:
    own_name = socket.gethostname()
    assert_closed(asked(proxy, [*INNER_IPV6, *INNER_NAMES, own_name, f"{own_name}."], closed_place.port))
    assert closed_place.visitors() == 0


def test_socks5_addresses_in_bytes_are_judged_as_those_in_letters(proxy: Proxy, closed_place: Listening) -> None:
    mapped = [f"::ffff:{address}" for address in INNER] + [f"::{address}" for address in INNER]
    told = {
        address: over_socks_address(proxy, address, closed_place.port) for address in (*INNER, *INNER_IPV6, *mapped)
    }
    assert_closed(told)
    assert {answer.told for answer in told.values()} == {"2"}
    assert closed_place.visitors() == 0


def test_the_shops_own_api_which_trusts_this_machine_stays_closed(delivery: DeliveryShop, proxy: Proxy) -> None:
    port = urlsplit(str(delivery.shop.http.base_url)).port
    assert port is not None
    assert delivery.shop.http.get("/metrics").status_code == 200, "it trusts this machine"
    assert_closed(asked(proxy, [*disguises("127.0.0.1"), "localhost"], port))


def test_the_gateways_own_ports_are_no_target(proxy: Proxy) -> None:
    for port in (proxy.http_port, proxy.socks_port):
        assert_closed(asked(proxy, ["127.0.0.1", "localhost", "::1", "0"], port))


def test_mail_between_servers_is_closed_whoever_the_target_is(proxy: Proxy) -> None:
    assert_closed(asked(proxy, ["93.184.215.14", "example.com", "2606:4700::1111", "127.0.0.1"], 25))


def test_the_exception_opens_its_address_and_port_and_nothing_beside_it(delivery: DeliveryShop, proxy: Proxy) -> None:
    port = delivery.origin.port
    assert over_connect(proxy, "127.0.0.1", port).is_open
    assert over_socks_address(proxy, "::ffff:127.0.0.1", port).is_open, "it is the same place, and dialled as it"
    assert_closed({str(near): over_connect(proxy, "127.0.0.1", near) for near in (port - 1, port + 1, 1, 65_535)})
    beside = ["127.0.0.2", "127.1.1.1", "::1", "0.0.0.0", "0"]  # noqa: S104 -- targets
    assert_closed(asked(proxy, beside, port))


class NamedElsewhere(Gateway):
    """A gateway that reads *hosts* in place of the machine's own file of names, in a mount namespace of its own."""

    def __init__(self, hosts: Path, environment: dict[str, str]) -> None:
        super().__init__(environment)
        self._hosts = hosts

    def command(self) -> list[str]:
        script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
        return [*_APART, "sh", "-c", script, "sh", str(self._hosts), *super().command()]


# Root needs no other user for it, and as another one would not reach the database of the tests.
_APART = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*_APART, "true"], check=False, capture_output=True).returncode != 0,  # noqa: S603 -- words of ours
    reason="this account may not have a file of names of its own (unshare --user --mount)",
)
def test_a_name_that_changes_its_address_while_it_is_asked_leads_only_where_was_judged(
    database: Target, tmp_path: Path
) -> None:
    """DNS rebinding: the same name is the open place for one question, and this machine's own for the next."""
    names = [f"n{number}.rebound.example" for number in range(REBOUND)]
    texts = _hosts(names, "127.0.0.1"), _hosts(names, "127.0.0.2")
    hosts = tmp_path / "hosts"
    hosts.write_text(_hosts(["both.rebound.example"], "127.0.0.1", "127.0.0.2"))
    end = threading.Event()
    flipping = threading.Thread(target=_flip, args=(hosts, texts, end))
    with delivery_shop(database) as delivery, NamedElsewhere(hosts, delivery.environment()):
        port = delivery.origin.port
        closed = Listening("127.0.0.2", port)
        proxy = delivery.bought()
        assert over_connect(proxy, "both.rebound.example", port).told == "target_not_allowed"
        flipping.start()
        try:
            told = asked(proxy, names, port)
        finally:
            end.set()
            flipping.join()
        # Both happened, or nothing was tried.
        assert {answer.is_open for answer in told.values()} == {True, False}
        assert closed.visitors() == 0
        socket.create_connection(("127.0.0.2", port)).close()
        assert closed.visitors() == 1, "it would have been seen"
        closed.close()


REBOUND = 100


def _hosts(names: list[str], *addresses: str) -> str:
    return "".join(f"{address} {name}\n" for address in addresses for name in names)


def _flip(hosts: Path, texts: tuple[str, str], end: threading.Event) -> None:
    while not end.is_set():
        for text in texts:
            # In place: the file is mounted, and another one under its name would not be seen. Same length, one write.
            with hosts.open("r+") as file:
                file.write(text)
            end.wait(0.005)
