"""Both ends of a proxied connection in a test's hands: ends, resets and slowness pass on, and each byte is counted."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from deliveries import DeliveryShop, Proxy, delivery_shop, drained
from novaproxy.database.pool import Target
from origin_sites import body
from programs import are_required
from services import EFFORT, Gateway, within

PATIENCE_SECONDS = 20
LARGE_BYTES = 50_000_000
IN_FULL = pytest.mark.skipif(not are_required() and EFFORT == 1, reason="50 MB both ways: make test-clients")
AT_ONCE = struct.pack("ii", 1, 0)
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Ends:
    """A connection through the proxy: what the client holds, what the origin holds, and what counted on its way."""

    client: socket.socket
    origin: socket.socket
    head_bytes: int = 0

    @property
    def both(self) -> tuple[tuple[socket.socket, socket.socket], ...]:
        """Each way, from whom to whom."""
        return (self.client, self.origin), (self.origin, self.client)


class Ground:
    """A gateway, and an origin that is a bare listener."""

    def __init__(self, delivery: DeliveryShop, listener: socket.socket) -> None:
        self.delivery = delivery
        self.listener = listener
        self.port: int = listener.getsockname()[1]
        self._held: list[socket.socket] = []

    def opened(self, proxy: Proxy, way: str) -> Ends:
        """Return both ends of a new connection by a tunnel or by a plain request, behind its heads.

        *way* is connect, socks5, upgrade (to a WebSocket; what is sent need be none), or chunks (a body in chunks).
        """
        if way == "upgrade":
            return self._plain(proxy, "GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
        if way == "chunks":
            return self._plain(proxy, "POST", "Transfer-Encoding: chunked\r\n")
        client = (proxy.connected if way == "connect" else proxy.socks_connected)("127.0.0.1", self.port)
        return self._kept(Ends(client, self._accepted()))

    def _plain(self, proxy: Proxy, method: str, fields: str) -> Ends:
        client = socket.create_connection(("127.0.0.1", proxy.http_port), timeout=PATIENCE_SECONDS)
        head = (
            f"{method} http://127.0.0.1:{self.port}/ HTTP/1.1\r\nHost: origin\r\n{fields}"
            f"Proxy-Authorization: {proxy.basic}\r\n\r\n"
        ).encode()
        client.sendall(head)
        origin = self._accepted()
        received(origin, until=HEAD_END)
        return self._kept(Ends(client, origin, len(head)))

    def _accepted(self) -> socket.socket:
        origin, _ = self.listener.accept()
        origin.settimeout(PATIENCE_SECONDS)
        return origin

    def _kept(self, ends: Ends) -> Ends:
        self._held += [ends.client, ends.origin]
        return ends

    def let_go(self) -> None:
        """Close what tests left open."""
        for one in self._held:
            one.close()
        self._held.clear()


@pytest.fixture(scope="module")
def gateway_and_ground(module_database: Target) -> Iterator[tuple[Gateway, Ground]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, delivery_shop(module_database) as delivery:
        listener.settimeout(PATIENCE_SECONDS)
        ground = Ground(delivery, listener)
        allowed = f"127.0.0.1:{ground.port},127.0.0.1:{delivery.origin.port}"
        with delivery.gateway(NOVAPROXY_GATEWAY_ALLOW=allowed) as gateway:
            yield gateway, ground


@pytest.fixture
def ground(gateway_and_ground: tuple[Gateway, Ground]) -> Iterator[Ground]:
    _, ground = gateway_and_ground
    yield ground
    ground.let_go()


@pytest.fixture
def proxy(ground: Ground) -> Proxy:
    return ground.delivery.bought()


WAYS = pytest.mark.parametrize("way", ["connect", "socks5", "upgrade"])
TUNNELS = pytest.mark.parametrize("way", ["connect", "socks5"])


def received(line: socket.socket, *, until: bytes = b"", count: int = 0) -> bytes:
    """Return what comes on *line* up to *until*, or *count* bytes of it, or all up to its end."""
    got = bytearray()
    while not (until and got.endswith(until)) and not (count and len(got) == count):
        # Byte by byte where nothing behind it is to be taken.
        most = 1 if until else count - len(got) if count else 1_048_576
        more = line.recv(most)
        if not more:
            assert not until, bytes(got)
            assert not count, len(got)
            break
        got += more
    return bytes(got)


def sent_and_ended(line: socket.socket, what: bytes) -> None:
    line.sendall(what)
    line.shutdown(socket.SHUT_WR)


def reset(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    line.close()


# Ends ----------------------------------------------------------------------------------------------------------------


@WAYS
def test_a_client_that_has_ended_its_side_still_gets_the_answer(ground: Ground, proxy: Proxy, way: str) -> None:
    ends = ground.opened(proxy, way)
    sent_and_ended(ends.client, body(70_000))
    assert received(ends.origin) == body(70_000)
    ends.origin.sendall(body(50_000))
    assert received(ends.client, count=50_000) == body(50_000)
    sent_and_ended(ends.origin, body(40_000))
    assert received(ends.client) == body(40_000)
    ground.delivery.assert_consumed(proxy, ends.head_bytes + 160_000)


@TUNNELS
def test_an_origin_that_has_ended_its_side_still_gets_the_rest(ground: Ground, proxy: Proxy, way: str) -> None:
    ends = ground.opened(proxy, way)
    sent_and_ended(ends.origin, body(70_000))
    assert received(ends.client) == body(70_000)
    ends.client.sendall(body(50_000))
    assert received(ends.origin, count=50_000) == body(50_000)
    sent_and_ended(ends.client, body(40_000))
    assert received(ends.origin) == body(40_000)
    ground.delivery.assert_consumed(proxy, 160_000)


def test_a_plain_request_is_over_with_the_origins_answer(ground: Ground, proxy: Proxy) -> None:
    ends = ground.opened(proxy, "chunks")
    begun = b"30d40\r\n" + body(10_000)
    ends.client.sendall(begun)
    assert received(ends.origin, count=len(begun)) == begun
    sent_and_ended(ends.origin, b"HTTP/1.1 413 Content Too Large\r\n\r\n")
    assert received(ends.client).startswith(b"HTTP/1.1 413 ")
    ends.client.close()
    assert received(ends.origin) == b""
    ground.delivery.assert_consumed(proxy, ends.head_bytes + len(begun) + 34)


@pytest.mark.parametrize("piece_bytes", [1, 7, 1_000_000])
def test_what_follows_a_request_in_chunks_reaches_no_origin(ground: Ground, proxy: Proxy, piece_bytes: int) -> None:
    """Where an origin does not close, a client sends its next request on the same connection, with its password."""
    ends = ground.opened(proxy, "chunks")
    chunks = b"5\r\nhello\r\n" + b"1000;a=b\r\n" + bytes(4_096) + b"\r\n0\r\nTrailer: x\r\n\r\n"
    following = b"GET http://elsewhere.example/ HTTP/1.1\r\nProxy-Authorization: Basic secret\r\n\r\n"
    whole = chunks + following
    for at in range(0, len(whole), piece_bytes):
        ends.client.sendall(whole[at : at + piece_bytes])
    ends.origin.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    received(ends.client, until=HEAD_END)
    assert received(ends.origin, count=len(chunks)) == chunks
    ends.origin.settimeout(0.1)
    with suppress(TimeoutError):
        assert ends.origin.recv(1) == b""
    ends.origin.close()
    assert received(ends.client) == b""
    ground.delivery.assert_consumed(proxy, ends.head_bytes + len(chunks) + 38)


def test_the_next_request_on_a_connection_that_an_origin_left_open_ends_it(ground: Ground, proxy: Proxy) -> None:
    """The client makes a new one then; otherwise it would wait until the connection idled for too long."""
    ends = ground.opened(proxy, "chunks")
    ends.client.sendall(b"0\r\n\r\n")
    assert received(ends.origin, until=HEAD_END) == b"0\r\n\r\n"
    ends.origin.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    received(ends.client, until=HEAD_END)
    ends.client.sendall(b"GET http://elsewhere.example/ HTTP/1.1\r\n\r\n")
    assert received(ends.origin) == b""
    ends.origin.close()
    assert received(ends.client) == b""
    ground.delivery.assert_consumed(proxy, ends.head_bytes + 5 + 38)


# Resets --------------------------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("who", ["client", "origin"])
def test_a_reset_of_one_side_is_a_reset_at_the_other(ground: Ground, proxy: Proxy, way: str, who: str) -> None:
    """Were it an end, half a page would look like a whole one."""
    ends = ground.opened(proxy, way)
    for giver, taker in ends.both:
        giver.sendall(body(30_000))
        assert received(taker, count=30_000) == body(30_000)
    lost, other = (ends.client, ends.origin) if who == "client" else (ends.origin, ends.client)
    reset(lost)
    with pytest.raises(ConnectionResetError):
        other.recv(1)
    ground.delivery.assert_consumed(proxy, ends.head_bytes + 60_000)


def test_a_client_that_resets_in_the_middle_stops_the_origin(ground: Ground, proxy: Proxy) -> None:
    ends = ground.opened(proxy, "connect")
    sent = [0]

    def send() -> None:
        with suppress(ConnectionError):
            while True:
                sent[0] += ends.origin.send(bytes(65_536))

    sending = threading.Thread(target=send)
    sending.start()
    got = len(received(ends.client, count=5_000_000))
    reset(ends.client)
    sending.join(PATIENCE_SECONDS)
    assert not sending.is_alive()
    within(2, lambda: ground.delivery.consumed(proxy) >= got, "what the client got")
    assert got <= ground.delivery.consumed(proxy) <= sent[0]


# Slowness ------------------------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("who", ["client", "origin"])
def test_a_slow_reader_gets_all_and_holds_up_nobody(ground: Ground, proxy: Proxy, way: str, who: str) -> None:
    ends = ground.opened(proxy, way)
    taker, giver = (ends.client, ends.origin) if who == "client" else (ends.origin, ends.client)
    whole = body(8_000_000)
    sending = threading.Thread(target=sent_and_ended, args=(giver, whole))
    sending.start()
    digest, count = sha256(), 0
    other = ground.delivery.bought()
    slow_until = time.monotonic() + 0.2
    while piece := taker.recv(100_000):
        digest.update(piece)
        count += len(piece)
        if time.monotonic() < slow_until:
            quick = other.connected("127.0.0.1", ground.delivery.origin.port)
            began_at = time.monotonic()
            quick.sendall(b"GET /bytes/1000 HTTP/1.1\r\nHost: origin\r\n\r\n")
            drained(quick)
            assert time.monotonic() - began_at < 1
    sending.join(PATIENCE_SECONDS)
    assert (count, digest.digest()) == (len(whole), sha256(whole).digest())
    taker.close()
    giver.close()
    ground.delivery.assert_consumed(proxy, ends.head_bytes + len(whole))


@pytest.mark.parametrize("who", ["client", "origin"])
def test_a_reader_that_stopped_holds_no_memory_of_the_gateway(
    gateway_and_ground: tuple[Gateway, Ground], ground: Ground, proxy: Proxy, who: str
) -> None:
    gateway, _ = gateway_and_ground
    before = resident_bytes(gateway)
    stopped = [ground.opened(proxy, "connect") for _ in range(4)]
    for ends in stopped:
        giver = ends.origin if who == "client" else ends.client
        giver.settimeout(0.1)
        with suppress(TimeoutError):
            while True:
                giver.send(bytes(65_536))
    assert resident_bytes(gateway) - before < 3_000_000
    for ends in stopped:
        ends.origin.close()
        ends.client.close()


def resident_bytes(gateway: Gateway) -> int:
    """Return the memory of a gateway's only process."""
    (pid,) = gateway.gateway_pids()
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4_096


# Much ----------------------------------------------------------------------------------------------------------------


@IN_FULL
@WAYS
def test_50_megabytes_pass_both_ways_at_once(ground: Ground, proxy: Proxy, way: str) -> None:
    ends = ground.opened(proxy, way)
    whole = body(LARGE_BYTES)
    upload = threading.Thread(target=sent_and_ended, args=(ends.client, whole))
    upload.start()
    arrived: list[bytes] = []
    taking = threading.Thread(target=lambda: arrived.append(received(ends.origin)))
    taking.start()
    download = threading.Thread(target=ends.origin.sendall, args=(whole,))
    download.start()
    got = received(ends.client, count=LARGE_BYTES)
    for one in (upload, taking, download):
        one.join(PATIENCE_SECONDS)
    ends.origin.shutdown(socket.SHUT_WR)
    assert received(ends.client) == b""
    assert got == whole
    assert arrived == [whole]
    ground.delivery.assert_consumed(proxy, ends.head_bytes + 2 * LARGE_BYTES)
