"""What clients do with a connection: offers of HTTP/2, endless heads, half requests, half-closed sockets."""

import json
import socket
import time
from itertools import pairwise

import pytest

from novaproxy.http.protocol import HEAD_LIMIT_BYTES, MOST_AHEAD, BoundedHttp
from shop import Buyer, Shop
from volleys import Asked, volley

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
    # Byte by byte: what follows is the next answer's.
    head, body = b"", b""
    while not head.endswith(b"\r\n\r\n"):
        more = connection.recv(1)
        assert more, f"the connection ended after {head!r}"
        head += more
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(head.split()[1]), json.loads(body)


def read_all(connection: socket.socket) -> list[tuple[int, str, dict[str, object]]]:
    """Return the status, code and body of every answer until the service closes the connection."""
    received = b""
    while more := connection.recv(65_536):
        received += more
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        code = fields.get(b"x-error-code", b"").decode()
        answers.append((int(head.split()[1]), code, json.loads(rest[:length])))
        received = rest[length:]
    return answers


def is_whole(connection: socket.socket, answers: int) -> bool:
    """Read what comes, and return whether so many whole lists are in it."""
    received = b""
    try:
        while received.count(b"0\r\n\r\n") < answers and (more := connection.recv(1_000_000)):
            received += more
    except OSError:
        return False
    return received.count(b"0\r\n\r\n") == answers


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


@pytest.mark.parametrize(
    "garbage", [b"\x00\x01\x02\r\n\r\n", b"NO SUCH THING\r\n\r\n", b"GET / HTTP/1.1\r\nA B\r\n\r\n"]
)
def test_an_order_with_garbage_behind_it_gets_its_own_answer_first(common_shop: Shop, garbage: bytes) -> None:
    buyer = common_shop.buyer(balance_cents=20_00)
    with connected(common_shop) as connection:
        connection.sendall(order_head(buyer) + BODY + garbage)
        first, second = read_all(connection)

    assert first[0] == 201
    assert second == (400, "not_http", {"error": "The request is not valid HTTP."})
    assert common_shop.order_count(buyer) == 1


def test_an_order_that_breaks_in_its_middle_is_not_placed_and_the_one_before_it_is_answered(common_shop: Shop) -> None:
    buyer = common_shop.buyer(balance_cents=20_00)
    chunked = order_head(buyer).replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked")
    broken = chunked + b"%x\r\n%s\r\nno number\r\n" % (len(BODY), BODY)
    for sent, statuses in ((broken, [400]), (order_head(buyer) + BODY + broken, [201, 400])):
        with connected(common_shop) as connection:
            connection.sendall(sent)
            assert [status for status, _, _ in read_all(connection)] == statuses

    assert common_shop.order_count(buyer) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        (b"BREW", b"/orders", 405, "method_not_allowed"),
        (b"get", b"/plans", 405, "method_not_allowed"),
        (b"QUERY", b"/nowhere", 404, "not_found"),
        (b"BREW" * 9, b"/plans", 400, "not_http"),
        (b'B"EW', b"/plans", 400, "not_http"),
    ],
)
def test_a_method_that_nobody_knows_is_refused_as_any_other(
    common_shop: Shop, method: bytes, path: bytes, status: int, code: str
) -> None:
    with connected(common_shop) as connection:
        connection.sendall(b"%s %s HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n" % (method, path))
        ((told, told_code, body),) = read_all(connection)

    assert (told, told_code) == (status, code)
    assert list(body) == ["error"]


def test_many_requests_ahead_are_answered_and_more_are_refused(common_shop: Shop) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"
    with connected(common_shop) as connection:
        connection.sendall(request * 19 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert [status for status, _, _ in read_all(connection)] == [200] * 20
    with connected(common_shop) as connection:
        connection.sendall(request * 1_000)
        statuses = [status for status, _, _ in read_all(connection)]

    assert statuses == [200] * (MOST_AHEAD + 1) + [503]


def test_half_a_request_behind_a_whole_one_is_not_waited_for_without_end(
    common_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "body_seconds", 0.3)
    buyer = common_shop.buyer(balance_cents=20_00)
    with connected(common_shop) as connection:
        connection.sendall(order_head(buyer) + BODY + order_head(buyer) + BODY[:5])
        assert [status for status, _, _ in read_all(connection)] == [201]
    assert common_shop.order_count(buyer) == 1


@pytest.mark.parametrize("closes", [b"", b"Connection: close\r\n"])
def test_an_answer_that_nobody_reads_is_not_kept_without_end(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, closes: bytes
) -> None:
    monkeypatch.setattr(BoundedHttp, "unread_seconds", 0.3)
    buyer = shop.buyer(balance_cents=4_000_00)
    assert [answer.status for answer in volley([Asked(shop.address, buyer, json.loads(BODY))] * 200)] == [201] * 200
    asked = b"GET /orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\n%s\r\n" % (buyer.token.encode(), closes)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        host, _, port = shop.address.removeprefix("http://").partition(":")
        connection.settimeout(10)
        connection.connect((host, int(port)))
        connection.sendall(asked * 30)
        time.sleep(1.5)
        assert not is_whole(connection, answers=30)


@pytest.mark.parametrize("half_bytes", [1, 60, -3])
def test_an_order_is_answered_though_half_an_order_follows_and_the_client_closes_its_side(
    common_shop: Shop, half_bytes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    buyer = common_shop.buyer(balance_cents=20_00)
    order = order_head(buyer) + BODY
    with connected(common_shop) as connection:
        connection.sendall(order + order[:half_bytes])
        connection.shutdown(socket.SHUT_WR)

        assert answer(connection)[0] == 201
    assert common_shop.balance_cents(buyer) == 10_00
    assert "request failed" not in "".join(capfd.readouterr())


def test_a_key_sent_twice_is_refused(common_shop: Shop) -> None:
    buyer = common_shop.buyer(balance_cents=10_00)
    with connected(common_shop) as connection:
        connection.sendall(order_head(buyer, b"Idempotency-Key: a\r\nIdempotency-Key: a\r\n") + BODY)

        assert answer(connection) == (
            422,
            {"error": "The Idempotency-Key header must be 1 to 255 printable ASCII characters."},
        )
    assert common_shop.order_count(buyer) == 0
