"""An account that is suspended in the middle of its orders, by the real command (T1)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from commands import Operator
from market import GIGABYTE, Market, assert_sold, opened_market
from novaproxy.database.pool import Target
from services import EFFORT, within
from shop import Buyer
from volleys import Answer

ROUNDS = 2 * EFFORT


@pytest.fixture(scope="module")
def market(module_database: Target) -> Iterator[Market]:
    with opened_market(module_database, "suspensions") as opened:
        yield opened
        opened.shop.assert_books_hold()


def test_no_order_appears_after_a_suspension_returned(market: Market, common_operator: Operator) -> None:
    for _ in range(ROUNDS):
        (buyer,) = market.buyers(1, 100_000_00)
        is_over = threading.Event()
        answers: list[Answer] = []

        def rush(by: Buyer = buyer, over: threading.Event = is_over, into: list[Answer] = answers) -> None:
            while not over.is_set():
                into += market.at_once([(by, GIGABYTE, None)] * 16)

        with ThreadPoolExecutor(1) as thread:
            rushing = thread.submit(rush)
            try:
                within(5, lambda by=buyer: market.shop.order_count(by) > 0, "a first order")  # type: ignore[misc]  # mypy: cannot infer a lambda's default
                assert common_operator("account", "suspend", buyer.email).said.startswith("Suspended")
                placed, asked = market.shop.order_count(buyer), len(answers)
                within(5, lambda into=answers, so_far=asked: len(into) >= so_far + 48, "orders that come after it")  # type: ignore[misc]  # as above
            finally:
                is_over.set()
            rushing.result(60)

        assert market.shop.order_count(buyer) == placed == sum(answer.status == 201 for answer in answers)
        assert {(answer.status, answer.error) for answer in answers if answer.status != 201} == {
            (401, "Unauthenticated.")
        }
        assert common_operator("account", "resume", buyer.email).said.startswith("Resumed")
        assert_sold(market.at_once([(buyer, GIGABYTE, None)] * 2), 2, "")


def test_a_suspension_waits_for_the_order_under_way(market: Market, common_operator: Operator) -> None:
    (buyer,) = market.buyers(1, 100_00)
    market.shop.sql(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.account_id = {buyer.account_id} THEN PERFORM pg_sleep(1.5); END IF; RETURN NEW; END $$",
    )
    market.shop.sql("CREATE TRIGGER dawdling BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION dawdle()")
    with ThreadPoolExecutor(1) as thread:
        ordering = thread.submit(lambda: assert_sold(market.at_once([(buyer, GIGABYTE, None)]), 1, ""))
        sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        within(5, lambda: bool(market.shop.sql(sleeping)), "an order in the middle of its transaction")
        assert common_operator("account", "suspend", buyer.email).said.startswith("Suspended")
        assert market.shop.order_count(buyer) == 1
        ordering.result(10)
    market.shop.sql("DROP TRIGGER dawdling ON orders")
    assert {answer.status for answer in market.at_once([(buyer, GIGABYTE, None)] * 2)} == {401}


def test_of_suspensions_at_once_one_leaves_a_row(market: Market, common_operator: Operator) -> None:
    (buyer,) = market.buyers(1, 0)
    said = [ran.said for ran in common_operator.all(*[("account", "suspend", buyer.email)] * 4)]
    assert sum(line.startswith("Suspended") for line in said) == 1
    assert market.shop.value("SELECT count(*) FROM account_move WHERE account_id = $1", buyer.account_id) == 1
