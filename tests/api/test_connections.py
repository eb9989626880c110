"""What clients do with a connection: offers of HTTP/2, endless heads, half requests, half-closed sockets."""

import json
import socket
import time
from itertools import pairwise

import pytest

from novaproxy.http.protocol import HEAD_LIMIT_BYTES, BoundedHttp
from shop import Buyer, Shop

BODY = b'{"plan": "residential", "bandwidth": 2}'
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n"


def connected(shop: Shop) -> socket.socket:
    host, _, port = shop.address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def order_head(buyer: Buyer, extra: bytes = b"") -> bytes:
    return (
        b"POST /orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\n%s"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (buyer.token.encode(), extra, len(BODY))
    )


def answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("cuts", [(), (30,), (200, 260), (-1,)])
def test_an_offer_of_http2_is_left_aside_and_the_order_placed(common_shop: Shop, cuts: tuple[int, ...]) -> None:
    buyer = common_shop.buyer(balance_cents=20_00)
    request = order_head(buyer, H2C) + BODY
    places = sorted({0, len(request), *(cut % len(request) for cut in cuts)})
    with connected(common_shop) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin, end in pairwise(places):
            connection.sendall(request[begin:end])
            time.sleep(0.02)
        assert answer(connection)[0] == 201
        connection.sendall(request)
        assert answer(connection)[0] == 201

    assert common_shop.balance_cents(buyer) == 0


def test_two_requests_in_one_packet_are_both_answered(common_shop: Shop) -> None:
    buyer = common_shop.buyer(balance_cents=20_00)
    with connected(common_shop) as connection:
        connection.sendall((order_head(buyer) + BODY) * 2)
        first, second = answer(connection), answer(connection)

    assert (first[0], second[0]) == (201, 201)
    assert common_shop.order_count(buyer) == 2


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"])
def test_a_head_without_end_is_cut(common_shop: Shop, before: bytes) -> None:
    with connected(common_shop) as connection:
        connection.sendall(before + b"GET /plans HTTP/1.1\r\nHost: shop\r\nX-Long: ")
        received, sent = b"", 0
        try:
            while sent < 40 * HEAD_LIMIT_BYTES:
                connection.sendall(b"a" * 8_192)
                sent += 8_192
                time.sleep(0.001)
        except OSError:
            pass
        try:
            while more := connection.recv(65_536):
                received += more
        except OSError:
            pass

    assert sent < 40 * HEAD_LIMIT_BYTES
    assert b" 431 " in received or received == b""


def test_a_head_that_is_too_long_is_told_so(common_shop: Shop) -> None:
    with connected(common_shop) as connection:
        connection.sendall(b"GET /plans HTTP/1.1\r\nHost: shop\r\nX-Long: " + b"a" * HEAD_LIMIT_BYTES + b"\r\n\r\n")

        assert answer(connection) == (431, {"error": "The request head must be at most 32768 bytes."})


@pytest.mark.parametrize(
    ("sent", "limit"),
    [(b"", "head_seconds"), (b"GET /pl", "head_seconds"), (b"half a body", "body_seconds")],
)
def test_a_half_request_is_not_waited_for_without_end(
    common_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    sent: bytes,
    limit: str,
) -> None:
    monkeypatch.setattr(BoundedHttp, limit, 0.2)
    buyer = common_shop.buyer(balance_cents=0)
    with connected(common_shop) as connection:
        connection.sendall(order_head(buyer) + BODY[:5] if limit == "body_seconds" else sent)

        assert connection.recv(100) == b""


def test_an_answer_may_take_longer_than_the_request_may(common_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "head_seconds", 0.2)
    monkeypatch.setattr(BoundedHttp, "body_seconds", 0.2)
    with connected(common_shop) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n")
            assert answer(connection)[0] == 200
            time.sleep(0.4)


def test_a_client_that_closes_its_side_after_the_order_gets_its_answer(common_shop: Shop) -> None:
    buyer = common_shop.buyer(balance_cents=10_00)
    with connected(common_shop) as connection:
        connection.sendall(order_head(buyer) + BODY)
        connection.shutdown(socket.SHUT_WR)

        assert answer(connection)[0] == 201
    assert common_shop.balance_cents(buyer) == 0


def test_a_key_sent_twice_is_refused(common_shop: Shop) -> None:
    buyer = common_shop.buyer(balance_cents=10_00)
    with connected(common_shop) as connection:
        connection.sendall(order_head(buyer, b"Idempotency-Key: a\r\nIdempotency-Key: a\r\n") + BODY)

        assert answer(connection) == (
            422,
            {"error": "The Idempotency-Key header must be 1 to 255 printable ASCII characters."},
        )
    assert common_shop.order_count(buyer) == 0
