"""More orders than can be placed: nobody waits long, who is refused may come again, and nothing of him is left."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from novaproxy.orders.desk import STALE_SECONDS
from shop import Shop
from volleys import ANSWER_SECONDS, Answer, Asked, opened, read_answer, volley

BATCH_SECONDS = 0.4
ORDER = {"plan": "mobile", "bandwidth": 1}


@contextmanager
def slow_database(shop: Shop) -> Iterator[None]:
    """Make each batch take BATCH_SECONDS longer."""
    shop.sql(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN PERFORM pg_sleep({BATCH_SECONDS}); RETURN NULL; END $$"
    )
    shop.sql("CREATE TRIGGER dawdle BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION dawdle()")
    try:
        yield
    finally:
        shop.sql("DROP FUNCTION dawdle CASCADE")


def test_on_a_slow_database_nobody_waits_much_longer_than_a_second(shop: Shop) -> None:
    buyer = shop.buyer(balance_cents=10_000_00)
    asked = [Asked(shop.address, buyer, ORDER)] * 400
    with slow_database(shop):
        answers = volley(asked)
        placed = [answer for answer in answers if answer.status == 201]
        refused = [answer for answer in answers if answer.status != 201]
        for answer in refused:
            answer.assert_asks_for_patience()
        assert len(placed) >= 64
        assert refused
        assert max(answer.seconds for answer in answers) < STALE_SECONDS + 3 * BATCH_SECONDS
    assert shop.order_count(buyer) == len(placed)
    assert shop.balance_cents(buyer) == 10_000_00 - 8_00 * len(placed)
    assert [answer.status for answer in volley(asked[:64])] == [201] * 64, "it is over as soon as the database is fast"


@contextmanager
def full_desk(shop: Shop, one: Asked) -> Iterator[list[Answer]]:
    """Keep more orders waiting than the desk takes; what became of them is there when the block is over."""
    answers: list[Answer] = []
    with slow_database(shop), ThreadPoolExecutor(1) as threads:
        volleys = [threads.submit(volley, [one] * 400) for _ in range(2)]
        yield answers
        answers += [answer for done in volleys for answer in done.result()]


def refused_line(stack: ExitStack, one: Asked, cut: int, answers: list[Answer]) -> tuple[socket.socket, Answer]:
    """Send *one* in two parts until it is refused at once, and return its line; the others' answers join *answers*."""
    waiting = []
    for _ in range(60):
        line = stack.enter_context(opened(one.address))
        line.sendall(one.wire()[:-cut])
        time.sleep(0.03)
        begun_at = time.monotonic()
        line.sendall(one.wire()[-cut:])
        line.settimeout(0.1)
        try:
            refused = read_answer(line, begun_at)
        except TimeoutError:
            waiting.append(line)
            continue
        finally:
            line.settimeout(ANSWER_SECONDS)
        answers += [read_answer(each, begun_at) for each in waiting]
        return line, refused
    raise AssertionError("no order was refused at once")


def test_behind_a_full_queue_an_order_is_refused_at_once_though_its_body_comes_late_and_the_line_goes_on(
    shop: Shop,
) -> None:
    buyer = shop.buyer(balance_cents=20_000_00)
    one, probes = Asked(shop.address, buyer, ORDER), list[Answer]()
    chunked = one.wire().split(b"\r\n\r\n")[0].replace(b"Content-Length", b"X-Length")
    with full_desk(shop, one) as crowd, ExitStack() as stack:
        line, answer = refused_line(stack, one, 60, probes)
        answer.assert_asks_for_patience()
        assert answer.headers["x-error-code"] == "busy"
        assert len(answer.headers["x-request-id"]) == 16
        line.sendall(b"GET /balance HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\n\r\n" % buyer.token.encode())
        assert read_answer(line, 0).body.keys() == {"balance", "currency"}
        line.sendall(chunked + b'\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"pla\r\nnonsense\r\n')
        assert json.loads(all_of(line).rpartition(b"\r\n\r\n")[2]) == {"error": "The request is not valid HTTP."}
    assert shop.order_count(buyer) == sum(answer.status == 201 for answer in [*crowd, *probes])


def all_of(line: socket.socket) -> bytes:
    received = b""
    while more := line.recv(65_536):
        received += more
    return received
