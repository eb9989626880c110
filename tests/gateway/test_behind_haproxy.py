"""HAProxy in front of the gateway, configured as docs/gateway.md shows it."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deliveries import DeliveryShop, Proxy, delivery_shop, drained, free_ports
from novaproxy.database.pool import Target
from services import within

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
PAGE = Path(__file__).parents[2] / "docs" / "gateway.md"
LISTED, STRANGER = "127.0.0.5", "127.0.0.6"
FRONT = "127.0.0.1"

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed: apt-get install haproxy")


def shown_configuration() -> str:
    """Return the configuration that operators are told to use."""
    found = re.search(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, "docs/gateway.md shows no configuration"
    return found[1]


def is_open(port: int) -> bool:
    """Return whether somebody listens."""
    with socket.socket() as line:
        return line.connect_ex((FRONT, port)) == 0


@pytest.fixture(scope="module")
def delivery(module_database: Target) -> Iterator[DeliveryShop]:
    with (
        delivery_shop(module_database) as opened,
        opened.gateway(NOVAPROXY_GATEWAY_FRONTS=FRONT),
    ):
        yield opened


@pytest.fixture
def front_port(delivery: DeliveryShop, tmp_path: Path) -> Iterator[int]:
    """Give the port of an HAProxy whose only gateway is ours."""
    http_port, socks_port = free_ports(2)
    text = shown_configuration()
    for shown, real in (
        ("bind :12321", f"bind {FRONT}:{http_port}"),
        ("bind :12322", f"bind {FRONT}:{socks_port}"),
        ("10.0.0.11:12321", f"{FRONT}:{delivery.http_port}"),
        ("10.0.0.11:12322", f"{FRONT}:{delivery.socks_port}"),
        ("10.0.0.12:12321", f"{FRONT}:{delivery.http_port}"),
        ("10.0.0.12:12322", f"{FRONT}:{delivery.socks_port}"),
    ):
        assert shown in text, shown
        text = text.replace(shown, real)
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(text)
    assert HAPROXY is not None
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(configuration)])  # noqa: S603 -- Debian's
    try:
        within(10, lambda: is_open(http_port), "HAProxy")
        yield http_port
    finally:
        process.terminate()
        process.wait(10)


def answer(delivery: DeliveryShop, port: int, source: str, said: str = "") -> tuple[bytes, socket.socket]:
    """Return the status line of a CONNECT from *source*, and its connection."""
    line = socket.create_connection((FRONT, port), timeout=30, source_address=(source, 0))
    line.sendall(f"CONNECT 127.0.0.1:{delivery.origin.port} HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = line.recv(1)
        assert more, head
        head += more
    return head.partition(b"\r\n")[0], line


def list_address(delivery: DeliveryShop, proxy: Proxy, address: str) -> None:
    """Put *address* on the order's whitelist, which the API takes for public addresses alone."""
    delivery.shop.sql(
        "INSERT INTO whitelist_address (order_id, account_id, address, created_at) "
        "SELECT id, account_id, $2::inet, now() FROM orders WHERE uuid = $1",
        proxy.uuid,
        address,
    )


def test_a_whitelist_sees_the_clients_address_through_haproxy_and_not_haproxys(
    delivery: DeliveryShop, front_port: int
) -> None:
    proxy = delivery.bought()
    list_address(delivery, proxy, LISTED)
    status, line = answer(delivery, front_port, LISTED)
    assert b" 200 " in status, status
    request = b"GET /bytes/100000 HTTP/1.1\r\nHost: x\r\n\r\n"
    line.sendall(request)
    delivery.assert_consumed(proxy, len(request) + drained(line))
    status, line = answer(delivery, front_port, STRANGER)
    line.close()
    assert b" 407 " in status, status


def test_credentials_open_a_tunnel_through_haproxy(delivery: DeliveryShop, front_port: int) -> None:
    proxy = delivery.bought()
    status, line = answer(delivery, front_port, STRANGER, f"Proxy-Authorization: {proxy.basic}\r\n")
    line.close()
    assert b" 200 " in status, status
