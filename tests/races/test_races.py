"""Orders that want the same thing at the same moment, from two services on one database (T1, T8).

Exactly the right number succeed, the others hear the documented sentence, and the books hold after each round. What a
round does and asserts stands in ``rounds.py``; ``make torture`` runs the same for longer, against more workers.
"""

from collections.abc import Iterator

import pytest

import rounds
from market import Market, opened_market
from novaproxy.database.pool import Target
from services import EFFORT

AT_ONCE = 64
ROUNDS = 2 * EFFORT


@pytest.fixture(scope="module")
def two_services(module_database: Target) -> Iterator[Market]:
    with opened_market(module_database, "races") as opened:
        yield opened


@pytest.fixture
def market(two_services: Market) -> Iterator[Market]:
    yield two_services
    two_services.shop.assert_books_hold()


def repeated(race: rounds.Racing, market: Market, many: int = AT_ONCE) -> None:
    for _ in range(ROUNDS):
        race(market, many)


@pytest.mark.parametrize("at_once", [2, 8, AT_ONCE, 200])
def test_a_balance_is_spent_exactly_once(market: Market, at_once: int) -> None:
    repeated(rounds.one_balance, market, at_once)


def test_an_order_limit_is_reached_and_never_passed(market: Market) -> None:
    repeated(rounds.order_limit, market)


def test_the_last_uses_of_a_code_go_to_exactly_as_many_buyers(market: Market) -> None:
    repeated(rounds.last_uses, market)


def test_a_code_is_used_as_often_as_each_account_may(market: Market) -> None:
    repeated(rounds.uses_per_account, market)


def test_a_first_order_code_opens_one_order_of_an_account(market: Market) -> None:
    repeated(rounds.first_order_code, market)


def test_one_key_makes_one_order_and_everybody_gets_it(market: Market) -> None:
    repeated(rounds.one_key, market)


def test_of_different_requests_under_one_key_one_wins(market: Market) -> None:
    repeated(rounds.one_key_for_many_requests, market)


def test_a_key_belongs_to_its_account_and_a_refused_order_frees_it(market: Market) -> None:
    repeated(rounds.keys_of_accounts, market)


def test_many_accounts_with_one_unlimited_code_are_all_served(market: Market) -> None:
    repeated(rounds.one_code_for_everybody, market, 2 * AT_ONCE)


@pytest.mark.parametrize(
    "race",
    ["fail x deliver", "refund x refund", "expire x deactivate", "suspend x order", "revoke x order", "apply x order"],
)
def test_what_operators_do_at_the_same_moment_happens_once(market: Market, race: str) -> None:
    for many in (2, 8, 32):
        rounds.RACES[race](market, many)
