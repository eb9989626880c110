"""What was sold opens a proxy: real gateway processes, real sockets, counted to the byte."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from deliveries import DeliveryShop, Proxy, delivery_shop, drained
from exactness import WAYS, assert_passes_exactly, downloads
from novaproxy.database.pool import Target
from novaproxy.metrics.delivery import GatewayFigures
from services import EFFORT, Gateway, within

KILLS = 2 * EFFORT


@pytest.fixture(scope="module")
def delivery(module_database: Target) -> Iterator[DeliveryShop]:
    with delivery_shop(module_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def gateway(delivery: DeliveryShop) -> Iterator[Gateway]:
    with delivery.gateway(processes=2) as running:
        yield running


@pytest.fixture
def proxy(delivery: DeliveryShop, gateway: Gateway) -> Proxy:
    assert gateway.gateway_pids()
    return delivery.bought()


def test_a_page_over_connect_socks5_and_plain_http_is_counted_as_the_client_saw_it(
    delivery: DeliveryShop, proxy: Proxy
) -> None:
    request = b"GET /bytes/100000 HTTP/1.1\r\nHost: origin\r\n\r\n"
    seen = 0
    for line in (
        proxy.connected("127.0.0.1", delivery.origin.port),
        proxy.socks_connected("127.0.0.1", delivery.origin.port),
    ):
        line.sendall(request)
        seen += len(request) + drained(line)
    delivery.assert_consumed(proxy, seen)

    plain = socket.create_connection(("127.0.0.1", proxy.http_port), timeout=30)
    head = (
        f"GET {delivery.origin.address}/bytes/100000 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {proxy.basic}\r\n\r\n"
    ).encode()
    plain.sendall(head)
    delivery.assert_consumed(proxy, seen + len(head) + drained(plain))


def test_an_order_passes_exactly_what_was_bought_and_is_exhausted_then(delivery: DeliveryShop, proxy: Proxy) -> None:
    delivery.use_up(proxy, 5_000_000)
    request = b"GET /endless HTTP/1.1\r\nHost: origin\r\n\r\n"
    lines = [proxy.connected("127.0.0.1", delivery.origin.port) for _ in range(8)]
    for line in lines:
        line.sendall(request)
    seen = sum(len(request) + drained(line) for line in lines)
    assert seen == 5_000_000
    delivery.assert_consumed(proxy, 2**30)
    assert delivery.order(proxy)["status"] == "exhausted"
    refused = httpx.get(delivery.origin.address, proxy=proxy.url())
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "order_exhausted")


def charged_after(delivery: DeliveryShop, gateway: Gateway, proxy: Proxy, killed: set[int]) -> int:
    """Return what was charged once others have taken the place of the *killed*."""
    within(20, lambda: len(set(gateway.gateway_pids()) - killed) == len(killed), f"new gateways: {gateway.log()}")
    within(10, lambda: delivery.leased(proxy) == 0, "leases that went back")
    return delivery.consumed(proxy)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("gateway")
def test_on_every_way_exactly_what_is_left_passes_through_two_processes(delivery: DeliveryShop, way: str) -> None:
    assert_passes_exactly(delivery, way, 30_000_000)


def test_a_gateway_that_is_killed_in_mid_download_has_charged_what_its_clients_saw(
    delivery: DeliveryShop, gateway: Gateway
) -> None:
    for _ in range(KILLS):
        proxy = delivery.bought()
        begun = downloads(delivery, proxy, 3)
        killed = set(gateway.kill_gateways())
        seen = sum(one.ended() for one in begun)
        assert charged_after(delivery, gateway, proxy, killed) == seen


def test_figures_tell_what_passes_while_a_tunnel_is_open() -> None:
    figures = GatewayFigures()
    figures.opened("http")
    figures.carried(10, 100)
    figures.carried(10, 250)
    figures.ended(12, 300)
    figures.opened("socks5")
    figures.carried(5, 7)
    told = figures.exposed().decode().splitlines()
    assert 'novaproxy_gateway_bytes_total{direction="up"} 17.0' in told
    assert 'novaproxy_gateway_bytes_total{direction="down"} 307.0' in told
    assert "novaproxy_gateway_tunnels 1.0" in told
