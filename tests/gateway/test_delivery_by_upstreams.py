"""What was sold leaves through the upstreams of the catalog: real gateway, real proxies, counted as ever."""

from collections.abc import Iterator

import httpx
import pytest

from deliveries import CATALOG, DeliveryShop, delivery_shop
from deliveries import Proxy as Sold
from novaproxy.database.pool import Target
from services import Gateway
from upstream_proxies import PASSWORD, Proxy, served_proxies

UPSTREAMS = """
upstreams:
  - {{name: web, type: http, host: 127.0.0.1, port: {web}, username: exit-user,
     password_env: EXIT_PASSWORD, country: us}}
  - {{name: socks, type: socks5, host: 127.0.0.1, port: {socks}, username: exit-user,
     password: {password}, country: de}}
"""


@pytest.fixture(scope="module")
def exits() -> Iterator[tuple[Proxy, Proxy]]:
    with served_proxies() as (http, socks5, _):
        yield http, socks5


@pytest.fixture(scope="module")
def delivery(module_database: Target, exits: tuple[Proxy, Proxy]) -> Iterator[DeliveryShop]:
    web, socks = exits
    with delivery_shop(module_database) as opened:
        catalog = CATALOG.format(http=opened.http_port, socks=opened.socks_port)
        upstreams = UPSTREAMS.format(web=web.port, socks=socks.port, password=PASSWORD)
        opened.shop.apply_catalog(catalog + upstreams)
        yield opened


@pytest.fixture(scope="module")
def gateway(delivery: DeliveryShop) -> Iterator[Gateway]:
    with delivery.gateway(EXIT_PASSWORD=PASSWORD) as running:
        yield running


@pytest.fixture
def sold(delivery: DeliveryShop, gateway: Gateway) -> Sold:
    assert gateway.gateway_pids()
    return delivery.bought()


def fetched(delivery: DeliveryShop, sold: Sold, wish: str) -> httpx.Response:
    """The answer to a plain request by a proxy whose username carries *wish*."""
    by = f"http://{sold.username}{wish}:{sold.password}@127.0.0.1:{sold.http_port}"
    return httpx.get(f"{delivery.origin.address}/bytes/1000", proxy=by, timeout=20)


def test_a_wish_for_a_country_takes_the_exit_there(
    delivery: DeliveryShop, sold: Sold, exits: tuple[Proxy, Proxy]
) -> None:
    web, socks = exits
    target = f"127.0.0.1:{delivery.origin.port}"
    before = len(web.asked), len(socks.asked)
    assert len(fetched(delivery, sold, "-country-us").content) == 1000
    assert (web.asked[before[0] :], socks.asked[before[1] :]) == ([target], [])
    assert len(fetched(delivery, sold, "-country-de").content) == 1000
    assert (web.asked[before[0] :], socks.asked[before[1] :]) == ([target], [target])
    refused = fetched(delivery, sold, "-country-fr")
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (502, "no_exit")


def test_a_session_keeps_its_exit(delivery: DeliveryShop, sold: Sold, exits: tuple[Proxy, Proxy]) -> None:
    web, socks = exits
    taken = []
    for session in range(4):
        before = len(web.asked), len(socks.asked)
        for _ in range(3):
            assert fetched(delivery, sold, f"-session-s{session}").status_code == 200
        taken.append((len(web.asked) - before[0], len(socks.asked) - before[1]))
    assert set(taken) <= {(3, 0), (0, 3)}


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1"])
def test_no_exit_leads_into_the_operators_network(delivery: DeliveryShop, sold: Sold, host: str) -> None:
    by = sold.url()
    refused = httpx.get(f"http://{host}:9/", proxy=by, timeout=20)
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "target_not_allowed")
    delivery.assert_consumed(sold, 0)
