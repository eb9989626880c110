"""Many connections, slow ones, and ones that never end: others are served all the same."""

import socket
import time

from novaproxy.database.pool import Target
from novaproxy.http.crowd import Crowd
from services import seeded
from shop import Shop, open_shop
from torture.fault_crowds import crowded
from volleys import Asked, opened, read_answer

ORDER = {"plan": "mobile", "bandwidth": 1}


def is_closed(line: socket.socket) -> bool:
    line.settimeout(5)
    try:
        return line.recv(100) == b""
    except ConnectionError:
        return True


def test_a_crowd_that_holds_on_stops_nobody(shop: Shop) -> None:
    figures = crowded(shop, seeded("crowd"), count=300, seconds=1.5, listed=200)
    assert figures["orders placed beside them"] >= 10


def test_when_all_places_are_taken_the_longest_idle_connection_goes(database: Target) -> None:
    with open_shop(database, Crowd(3)) as shop:
        first, second, third, fourth = (opened(shop.address) for _ in range(4))
        assert is_closed(first)
        second.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert read_answer(second, 0).status == 200
        with opened(shop.address) as fifth:
            assert is_closed(third), "the second was used after it"
            fifth.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n")
            assert read_answer(fifth, 0).status == 200
        for line in (first, second, third, fourth):
            line.close()


def test_when_everybody_is_being_answered_one_more_is_told_to_come_again(database: Target) -> None:
    with open_shop(database, Crowd(2)) as shop:
        buyer = shop.buyer()
        shop.sql(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END $$"
        )
        shop.sql("CREATE TRIGGER dawdle BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION dawdle()")
        with opened(shop.address) as one, opened(shop.address) as other:
            for line in (one, other):
                line.sendall(Asked(shop.address, buyer, ORDER).wire())
            time.sleep(0.2)
            with opened(shop.address) as third:
                answer = read_answer(third, 0)
                answer.assert_asks_for_patience()
                assert answer.headers["connection"] == "close"
            assert [read_answer(line, 0).status for line in (one, other)] == [201, 201]
        with opened(shop.address) as again:
            again.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n")
            assert read_answer(again, 0).status == 200
