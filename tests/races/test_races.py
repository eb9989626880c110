"""Orders that want the same thing at the same moment, from two services on one database (T1, T8).

Exactly the right number succeed, the others hear the documented sentence, and the books hold after each round.
"""

from collections.abc import Iterator

import pytest

from market import GIGABYTE, Market, assert_sold, opened_market
from novaproxy.database.pool import Target
from services import EFFORT

AT_ONCE = 64
ROUNDS = 2 * EFFORT
NO_MONEY = "Insufficient balance."
NO_PLACE = "You have reached the maximum number of orders for this plan."
USED_UP = "The discount code has been used up."
USED_BEFORE = "You have already used this discount code."
OTHER_REQUEST = "The Idempotency-Key was already used with another request."


@pytest.fixture(scope="module")
def two_services(module_database: Target) -> Iterator[Market]:
    with opened_market(module_database, "races") as opened:
        yield opened


@pytest.fixture
def market(two_services: Market) -> Iterator[Market]:
    yield two_services
    two_services.shop.assert_books_hold()


@pytest.mark.parametrize("at_once", [2, 8, AT_ONCE, 200])
def test_a_balance_is_spent_exactly_once(market: Market, at_once: int) -> None:
    for _ in range(ROUNDS):
        affordable = market.random.randrange(1, at_once)
        (buyer,) = market.buyers(1, affordable * 8_00 + market.random.randrange(8_00))

        answers = market.at_once([(buyer, GIGABYTE, None)] * at_once)

        assert_sold(answers, affordable, NO_MONEY)
        assert market.shop.balance_cents(buyer) < 8_00
        assert market.shop.order_count(buyer) == affordable


def test_an_order_limit_is_reached_and_never_passed(market: Market) -> None:
    for _ in range(ROUNDS):
        (buyer,) = market.buyers(1, 1_000_00)

        answers = market.at_once([(buyer, {"plan": "limited", "bandwidth": 1}, None)] * AT_ONCE)

        assert_sold(answers, 2, NO_PLACE)
        assert market.shop.balance_cents(buyer) == 998_00


def test_the_last_uses_of_a_code_go_to_exactly_as_many_buyers(market: Market) -> None:
    for _ in range(ROUNDS):
        limit = market.random.randrange(1, AT_ONCE)
        code = market.new_code(max_uses=limit)
        buyers = market.buyers(AT_ONCE, 8_00)

        answers = market.at_once([(buyer, {**GIGABYTE, "discount_code": code}, None) for buyer in buyers])

        placed = assert_sold(answers, limit, USED_UP)
        assert {answer.body["price"]["net"] for answer in placed} == {7.2}
        assert market.shop.value("SELECT uses FROM discount_code WHERE code = $1", code) == limit


def test_a_code_is_used_as_often_as_each_account_may(market: Market) -> None:
    for _ in range(ROUNDS):
        code = market.new_code(max_uses_per_account=3)
        buyers = market.buyers(4, 1_000_00)
        asked = [(buyer, {**GIGABYTE, "discount_code": code.lower()}, None) for buyer in buyers] * (AT_ONCE // 4)

        answers = market.at_once(asked)

        for place in range(4):
            assert_sold(answers[place::4], 3, USED_BEFORE)


def test_a_first_order_code_opens_one_order_of_an_account(market: Market) -> None:
    for _ in range(ROUNDS):
        code = market.new_code(first_order_only="true")
        (buyer,) = market.buyers(1, 1_000_00)

        answers = market.at_once([(buyer, {**GIGABYTE, "discount_code": code}, None)] * AT_ONCE)

        assert_sold(answers, 1, "The discount code is for a first order only.")


def test_one_key_makes_one_order_and_everybody_gets_it(market: Market) -> None:
    for _ in range(ROUNDS):
        (buyer,) = market.buyers(1, 1_000_00)

        answers = market.at_once([(buyer, GIGABYTE, "the key")] * AT_ONCE)

        assert {answer.status for answer in answers} == {201}
        assert len({(answer.uuid, answer.body["password"]) for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        assert market.shop.order_count(buyer) == 1
        assert market.shop.balance_cents(buyer) == 992_00


def test_of_different_requests_under_one_key_one_wins(market: Market) -> None:
    for _ in range(ROUNDS):
        (buyer,) = market.buyers(1, 1_000_00)
        asked = [{"plan": "mobile", "bandwidth": bandwidth} for bandwidth in range(1, AT_ONCE + 1)]

        answers = market.at_once([(buyer, fields, "the key") for fields in asked])

        assert_sold(answers, 1, OTHER_REQUEST)
        assert market.shop.order_count(buyer) == 1


def test_a_key_belongs_to_its_account_and_a_refused_order_frees_it(market: Market) -> None:
    for _ in range(ROUNDS):
        poor, *rich = market.buyers(8, 0)
        market.credit(rich, 8_00)

        answers = market.at_once([(buyer, GIGABYTE, "the key") for buyer in [poor, *rich] for _ in range(8)])

        assert_sold(answers[:8], 0, NO_MONEY)
        assert len({answer.uuid for answer in answers[8:]}) == len(rich)
        market.credit([poor], 8_00)
        assert market.shop.order(poor, "the key", **GIGABYTE).status_code == 201


def test_many_accounts_with_one_unlimited_code_are_all_served(market: Market) -> None:
    for _ in range(ROUNDS):
        code = market.new_code()
        buyers = market.buyers(AT_ONCE, 2 * 7_20)

        answers = market.at_once([(buyer, {**GIGABYTE, "discount_code": code}, None) for buyer in buyers * 2])

        assert_sold(answers, 2 * AT_ONCE, "")
        assert market.shop.value("SELECT uses FROM discount_code WHERE code = $1", code) == 2 * AT_ONCE
