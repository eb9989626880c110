"""The line to PostgreSQL breaks at COMMIT, the one moment when nobody knows what became of an order (T6, T8)."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from database_line import DatabaseLine, Fate, database_line
from novaproxy.database.pool import Target
from services import EFFORT, seeded, within
from shop import CATALOG, Buyer, Shop, serving
from volleys import Answer, Asked, volley

GIGABYTE: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}
BROKEN = [Fate.LOST, Fate.ANSWER_LOST, Fate.DELAYED]


@dataclass(slots=True)
class Fragile:
    """A shop whose service reaches its database through a line that breaks; the test itself has a sound one."""

    shop: Shop
    line: DatabaseLine

    def volley(self, buyers: list[Buyer], key: str | None = None) -> list[Answer]:
        """Return the answers to one order of each."""
        return volley([Asked(self.shop.address, buyer, GIGABYTE, key) for buyer in buyers])

    def settled(self, buyer: Buyer, key: str) -> str:
        """Return the uuid of the order under *key*, asking again for at most five seconds."""
        deadline = time.monotonic() + 5
        while True:
            (answer,) = self.volley([buyer], key)
            if answer.status == 201:
                return answer.uuid
            answer.assert_asks_for_patience()
            assert time.monotonic() < deadline, "a key does not settle"

    def assert_sold_once(self, buyer: Buyer, uuids: set[str]) -> None:
        """Assert that *buyer*, who had 100.00, has exactly the orders *uuids* and paid for each once."""
        rows = self.shop.sql("SELECT uuid::text FROM orders WHERE account_id = $1", buyer.account_id)
        assert sorted(row["uuid"] for row in rows) == sorted(uuids)
        assert self.shop.balance_cents(buyer) == 100_00 - 8_00 * len(uuids)


@pytest.fixture
def fragile(database: Target) -> Iterator[Fragile]:
    with database_line(database) as line, serving(line.target) as address:
        shop = Shop(database, address)
        try:
            shop.apply_catalog(CATALOG.read_text())
            assert shop.order(shop.buyer(), plan="free", bandwidth=1).status_code == 201
            yield Fragile(shop, line)
            shop.assert_books_hold()
        finally:
            line.released.set()
            shop.http.close()


@pytest.mark.parametrize("fate", BROKEN)
def test_a_commit_without_an_answer_is_settled_before_the_client_hears_anything(fragile: Fragile, fate: Fate) -> None:
    buyer = fragile.shop.buyer(100_00)
    fragile.line.fates = [fate]

    placed = fragile.shop.order(buyer, **GIGABYTE)

    assert fragile.line.met == 1
    assert placed.status_code == 201
    fragile.assert_sold_once(buyer, {placed.json()["uuid"]})


@pytest.mark.parametrize("fate", BROKEN)
def test_a_whole_batch_is_settled_order_by_order(fragile: Fragile, fate: Fate) -> None:
    buyers = [fragile.shop.buyer(100_00) for _ in range(12)]
    fragile.line.fates = [fate] * 2

    answers = fragile.volley(buyers * 2)

    assert fragile.line.met == 2
    for place, buyer in enumerate(buyers):
        told = [answers[place], answers[place + 12]]
        for answer in told:
            if answer.status != 201:
                answer.assert_asks_for_patience()
        fragile.assert_sold_once(buyer, {answer.uuid for answer in told if answer.status == 201})


def test_the_questions_after_a_lost_commit_may_be_lost_too(fragile: Fragile) -> None:
    random = seeded("lost commits")
    for _ in range(3 * EFFORT):
        buyer = fragile.shop.buyer(100_00)
        fragile.line.fates += random.choices(BROKEN, k=4)
        fragile.line.delay_seconds = random.uniform(0.05, 0.3)

        answers = [fragile.shop.order(buyer, "the key", **GIGABYTE) for _ in range(3)]
        uuids = {answer.json()["uuid"] for answer in answers if answer.status_code == 201}
        assert {answer.status_code for answer in answers} <= {201, 503}
        assert len(uuids) <= 1
        fragile.line.fates = fragile.line.fates[: fragile.line.met]
        settled = fragile.shop.order(buyer, "the key", **GIGABYTE)
        assert settled.status_code == 201
        assert uuids <= {settled.json()["uuid"]}
        fragile.assert_sold_once(buyer, {settled.json()["uuid"]})


@pytest.mark.parametrize("fate", [Fate.DELAYED, Fate.HELD])
def test_retries_while_the_commit_is_held_back_make_no_second_order(fragile: Fragile, fate: Fate) -> None:
    buyer = fragile.shop.buyer(100_00)
    fragile.line.fates = [fate]
    fragile.line.delay_seconds = 2.5

    with ThreadPoolExecutor(1) as client:
        first = client.submit(fragile.volley, [buyer], "the key")
        within(5, lambda: fragile.line.met == 1, "a COMMIT")
        threading.Timer(2.5, fragile.line.released.set).start()
        answers = [*fragile.volley([buyer] * 8, "the key"), *first.result(30)]

    for answer in answers:
        if answer.status != 201:
            answer.assert_asks_for_patience()
    settled = fragile.shop.order(buyer, "the key", **GIGABYTE).json()["uuid"]
    assert {answer.uuid for answer in answers if answer.status == 201} <= {settled}
    fragile.assert_sold_once(buyer, {settled})


def test_a_commit_that_arrives_after_the_server_gave_up_is_no_order(fragile: Fragile) -> None:
    buyer, other = fragile.shop.buyer(100_00), fragile.shop.buyer(100_00)
    fragile.line.fates = [Fate.DELAYED]
    # Longer than a session may be idle in its transaction.
    fragile.line.delay_seconds = 7

    with ThreadPoolExecutor(1) as client:
        begun_at = time.monotonic()
        first = client.submit(fragile.volley, [buyer], "the key")
        within(5, lambda: fragile.line.met == 1, "a COMMIT")
        (fast,) = fragile.volley([other])
        assert time.monotonic() - begun_at < 3
        (placed,) = first.result(30)

    assert fast.status == 201
    assert fragile.shop.order(buyer, "the key", **GIGABYTE).json()["uuid"] == placed.uuid
    fragile.assert_sold_once(buyer, {placed.uuid})


@pytest.mark.skipif(EFFORT < 2, reason="takes as long as a statement may; for the long form")
def test_a_line_that_falls_silent_at_commit_is_given_up(fragile: Fragile) -> None:
    buyer, other = fragile.shop.buyer(100_00), fragile.shop.buyer(100_00)
    fragile.line.fates = [Fate.SWALLOWED]

    with ThreadPoolExecutor(1) as client:
        first = client.submit(fragile.volley, [buyer], "the key")
        within(5, lambda: fragile.line.met == 1, "a COMMIT")
        answers = [*fragile.volley([other]), *first.result(30)]

    for answer in answers:
        assert answer.seconds < 20
        if answer.status != 201:
            answer.assert_asks_for_patience()
    settled = fragile.shop.order(buyer, "the key", **GIGABYTE).json()["uuid"]
    fragile.assert_sold_once(buyer, {settled})


def test_a_line_cut_at_any_moment_loses_no_order(fragile: Fragile) -> None:
    random = seeded("cut lines")
    buyers = [fragile.shop.buyer(6 * EFFORT * 8_00) for _ in range(8)]
    for turn in range(6 * EFFORT):
        cutting = threading.Timer(random.uniform(0.03, 0.08), fragile.line.cut)
        cutting.start()

        answers = fragile.volley(buyers, f"key {turn}")

        for answer in answers:
            if answer.status != 201:
                answer.assert_asks_for_patience()
        # The cut may have come behind the answers, and then hits those who ask again.
        cutting.join()
        settled = {buyer.account_id: fragile.settled(buyer, f"key {turn}") for buyer in buyers}
        for buyer, answer in zip(buyers, answers, strict=True):
            assert answer.status == 503 or answer.uuid == settled[buyer.account_id]
    for buyer in buyers:
        assert fragile.shop.order_count(buyer) == 6 * EFFORT
        assert fragile.shop.balance_cents(buyer) == 0


def test_lines_that_broke_while_nothing_was_under_way_lose_nothing(fragile: Fragile) -> None:
    buyer = fragile.shop.buyer(100_00)
    assert fragile.shop.order(buyer, **GIGABYTE).status_code == 201
    assert fragile.shop.http.get("/balance", headers=buyer.headers).status_code == 200

    fragile.line.wear_out()
    placed = fragile.shop.order(buyer, **GIGABYTE)
    assert placed.status_code == 201
    fragile.line.wear_out()
    assert fragile.shop.http.get("/balance", headers=buyer.headers).status_code == 200
    assert fragile.shop.order_count(buyer) == 2


def test_a_service_whose_database_is_away_says_so_and_heals(fragile: Fragile) -> None:
    buyer = fragile.shop.buyer(100_00)
    fragile.line.is_down = True
    fragile.line.cut()

    for answer in fragile.volley([buyer] * 8, "the key"):
        answer.assert_asks_for_patience()
    refused = fragile.shop.http.get("/balance", headers=buyer.headers)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert fragile.shop.http.get("/health").status_code == 200
    assert fragile.shop.http.get("/ready").status_code == 503

    fragile.line.is_down = False
    placed = fragile.shop.order(buyer, "the key", **GIGABYTE)
    assert placed.status_code == 201
    fragile.assert_sold_once(buyer, {placed.json()["uuid"]})


def test_a_service_may_start_before_its_database(database: Target) -> None:
    with database_line(database) as line:
        line.is_down = True
        with serving(line.target) as address:
            shop = Shop(database, address)
            shop.apply_catalog(CATALOG.read_text())
            buyer = shop.buyer(8_00)
            away = shop.order(buyer, "the key", **GIGABYTE)
            assert (away.status_code, away.headers["retry-after"]) == (503, "1")

            line.is_down = False

            assert shop.order(buyer, "the key", **GIGABYTE).status_code == 201
            assert shop.http.get("/ready").status_code == 200
            shop.http.close()
