"""A shop that delivers: orders that are placed over HTTP, and gateways of real processes that serve what they sold."""

import base64
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

from novaproxy.database.pool import Target
from origins import Origin, origin
from services import SEALING_KEY_TEXT, Gateway, on_database, within
from shop import Buyer, Shop, open_shop

CATALOG = """\
currency: USD
plans:
  - slug: traffic
    name: Traffic
    type: bandwidth
    has_ip_whitelist: true
    has_geo_targeting: true
    rotations: [{{code: rotating, name: Rotating}}, {{code: sticky, name: Sticky}}]
    protocols: &entrances
      - {{code: http, host: 127.0.0.1, port: {http}}}
      - {{code: socks5, host: 127.0.0.1, port: {socks}}}
    bandwidths: [{{bandwidth: 1, price_per_gb: 1.00}}]
  - slug: time
    name: Time
    type: duration
    protocols: *entrances
    durations:
      - slug: 1_day
        name: 1 day
        price: 1.00
        options:
          - {{name: speed, label: Speed, type: number, min: 1, max: 10000, step: 1}}
          - {{name: threads, label: Threads, type: number, min: 1, max: 10000, step: 1}}
"""
_LOWEST_PORT = 10_000
_USUAL_FIRST_HANDED_OUT = 32_768

SEEN_SECONDS = 2.0
"""Within which what passed is seen in GET /orders/{uuid}."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An order's proxy: its entrances, and what opens them; *host* is the machine whose gateway is asked."""

    uuid: str
    username: str
    password: str
    http_port: int
    socks_port: int
    host: str = "127.0.0.1"

    @property
    def basic(self) -> str:
        """The value of Proxy-Authorization."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def url(self, scheme: str = "http") -> str:
        """Return the proxy as clients take it; *scheme* may be http, socks5 or socks5h."""
        port = self.http_port if scheme == "http" else self.socks_port
        return f"{scheme}://{self.username}:{self.password}@{self.host}:{port}"

    def connected(self, host: str, port: int) -> socket.socket:
        """Return a tunnel by CONNECT; a refusal is an AssertionError that holds the answer."""
        line = socket.create_connection((self.host, self.http_port), timeout=30)
        request = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Authorization: {self.basic}\r\n\r\n"
        line.sendall(request.encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            more = line.recv(1)
            assert more, answer
            answer += more
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return line

    def socks_connected(self, host: str, port: int) -> socket.socket:
        """Return a tunnel by SOCKS5, the target as a name."""
        line = socket.create_connection((self.host, self.socks_port), timeout=30)
        line.sendall(b"\x05\x01\x02")
        assert _exactly(line, 2) == b"\x05\x02"
        name, password = self.username.encode(), self.password.encode()
        line.sendall(b"\x01" + bytes([len(name)]) + name + bytes([len(password)]) + password)
        assert _exactly(line, 2) == b"\x01\x00"
        line.sendall(b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + struct.pack(">H", port))
        reply = _exactly(line, 10)
        assert reply[1] == 0, reply
        return line


def _exactly(line: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = line.recv(count - len(got))
        assert more, got
        got += more
    return got


def drained(line: socket.socket) -> int:
    """Return how many bytes come until the end of *line*, however it ends."""
    got = 0
    buffer = bytearray(1_048_576)
    with line, suppress(ConnectionResetError):
        while count := line.recv_into(buffer):
            got += count
    return got


class DeliveryShop:
    """A shop, its origin, and how its gateways are started. *http_port* and *socks_port* are the catalog's."""

    def __init__(self, shop: Shop, served: Origin, directory: Path, http_port: int, socks_port: int) -> None:
        self.shop = shop
        self.origin = served
        self.directory = directory
        self.http_port = http_port
        self.socks_port = socks_port
        self.buyer: Buyer = shop.buyer()

    def environment(self, name: str = "first", **settings: str) -> dict[str, str]:
        """Return the environment of a gateway, which may reach the origin and nothing else of this machine.

        *name* tells machines apart: each has a data directory of its own.
        """
        return {
            **on_database(self.shop.target),
            "NOVAPROXY_SEALING_KEY": SEALING_KEY_TEXT,
            "NOVAPROXY_DATA_DIR": str(self.directory / name),
            "NOVAPROXY_GATEWAY_ALLOW": f"127.0.0.1:{self.origin.port}",
            **settings,
        }

    def gateway(self, name: str = "first", *, processes: int = 1, **settings: str) -> Gateway:
        """Return a gateway that is yet to be started."""
        return Gateway(self.environment(name, **settings), processes=processes)

    def bought(self, buyer: Buyer | None = None, **fields: Any) -> Proxy:  # noqa: ANN401 -- any JSON
        """Return the proxy of a new order of *buyer*, or of the usual one, of 1 GB where nothing else is said."""
        answer = self.shop.order(buyer or self.buyer, **(fields or {"plan": "traffic", "bandwidth": 1}))
        assert answer.status_code == 201, answer.text
        order = answer.json()
        return Proxy(order["uuid"], order["username"], order["password"], self.http_port, self.socks_port)

    def order(self, proxy: Proxy) -> dict[str, Any]:
        """Return an order as its buyer sees it."""
        answer = self.shop.http.get(f"/orders/{proxy.uuid}", headers=self.buyer.headers)
        order: dict[str, Any] = answer.json()
        return order

    def consumed(self, proxy: Proxy) -> int:
        """Return the bytes that an order has consumed, as its buyer sees them."""
        return int(self.order(proxy)["consumed_bandwidth_in_bytes"])

    def leased(self, proxy: Proxy) -> int:
        """Return how many bytes of an order gateways hold."""
        return int(
            self.shop.value(
                "SELECT leased_bytes FROM meter JOIN orders ON orders.id = order_id WHERE orders.uuid = $1", proxy.uuid
            )
        )

    def use_up(self, proxy: Proxy, left_bytes: int) -> None:
        """Consume all of an order but *left_bytes*, without a byte that passes."""
        self.shop.sql(
            """
            WITH used AS (
                UPDATE meter SET consumed_bytes = initial_bytes - $2 FROM orders
                WHERE orders.id = order_id AND orders.uuid = $1
                RETURNING order_id, meter.account_id, consumed_bytes
            )
            INSERT INTO usage_hour (order_id, hour, account_id, up_bytes)
            SELECT order_id, date_trunc('hour', now(), 'UTC'), account_id, consumed_bytes FROM used
            """,
            proxy.uuid,
            left_bytes,
        )

    def assert_consumed(self, proxy: Proxy, count: int) -> None:
        """Assert that an order comes to have consumed exactly *count* bytes in the time that is promised, and stays."""
        within(SEEN_SECONDS, lambda: self.consumed(proxy) >= count, f"{count} bytes: {self.consumed(proxy)}")
        consumed = self.consumed(proxy)
        assert consumed == count, (consumed, count)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has at this moment, and that no outgoing connection gets meanwhile.

    Ports that the system hands out would be taken by one now and then, until whoever asked listens there.
    """
    chosen = SystemRandom()
    ports: set[int] = set()
    while len(ports) < count:
        port = chosen.randrange(_LOWEST_PORT, _first_handed_out())
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return sorted(ports)


def _first_handed_out() -> int:
    with suppress(OSError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if first > 2 * _LOWEST_PORT:
            return first
    return _USUAL_FIRST_HANDED_OUT


@contextmanager
def delivery_shop(database: Target) -> Iterator[DeliveryShop]:
    """Give a shop that delivers; its books are audited at the end."""
    http_port, socks_port = free_ports(2)
    catalog = CATALOG.format(http=http_port, socks=socks_port)
    with (
        tempfile.TemporaryDirectory() as directory,
        origin() as served,
        open_shop(database, catalog=catalog) as shop,
    ):
        yield DeliveryShop(shop, served, Path(directory), http_port, socks_port)
        shop.assert_books_hold()
