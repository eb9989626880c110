"""Moves of the same orders at the same moment, beside orders and top-ups of the same accounts (T1, T13).

A race is a round in which everybody starts together on a connection of his own; the order in which they come through
is the database's. Whatever it is, exactly one of two moves that exclude each other succeeds, money goes back once, and
the audit finds nothing.
"""

import base64
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from contract import catalog_with
from market import Market, opened_market
from meetings import activating, adjusting, at_once, deactivating, delivering, failing, refused
from novaproxy.database.pool import Target
from novaproxy.ledger.store import Adjustment
from novaproxy.orders import moving
from services import EFFORT, SEALING_KEY_TEXT, seeded
from shop import SEALING_KEY, Buyer

if TYPE_CHECKING:
    from volleys import Answer

ORDERS = 12 * EFFORT
PLAN = """
  - slug: short-by-hand
    name: Short by hand
    type: duration
    delivery: manual
    max_orders_per_account: 4
    durations: [{slug: 1_day, name: 1 day, price: 4.00}]
"""
BY_HAND = {"plan": "short-by-hand", "duration": "1_day"}
SHORT = {"plan": "unlimited", "duration": "1_day"}


@pytest.fixture(scope="module")
def two_services(module_database: Target) -> Iterator[Market]:
    with opened_market(module_database, "moves") as opened:
        name = module_database["database"]
        opened.shop.sql(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
        yield opened


@pytest.fixture
def market(two_services: Market) -> Iterator[Market]:
    codes = "  - {code: FOUR, percent: 50, max_uses: 4}\n"
    two_services.shop.apply_catalog(catalog_with(plans=PLAN, codes=codes))
    yield two_services
    two_services.shop.assert_books_hold()
    assert two_services.shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def orders_of(market: Market, buyer: Buyer, fields: Mapping[str, object], number: int) -> list[str]:
    answers = market.at_once([(buyer, {**fields}, None)] * number)
    return [answer.uuid for answer in answers if answer.status == 201]


def status(market: Market, uuid: str) -> str:
    return str(market.shop.value("SELECT status FROM orders WHERE uuid = $1", UUID(uuid)))


def manual_orders(market: Market, number: int) -> list[tuple[Buyer, str]]:
    buyers = market.buyers(number, 100_00)
    answers = market.at_once([(buyer, BY_HAND, None) for buyer in buyers])
    return [(buyer, answer.uuid) for buyer, answer in zip(buyers, answers, strict=True)]


def test_the_services_seal_with_the_key_of_these_tests() -> None:
    assert base64.b64decode(SEALING_KEY_TEXT) == SEALING_KEY


def test_of_a_delivery_and_a_failure_exactly_one_happens(market: Market) -> None:
    orders = manual_orders(market, ORDERS)
    races = [
        [delivering(uuid), failing(uuid)] if number % 2 else [failing(uuid), delivering(uuid)]
        for number, (_, uuid) in enumerate(orders)
    ]

    for (buyer, uuid), outcomes in zip(orders, at_once(market.shop.target, races), strict=True):
        (sentence,) = refused(outcomes)
        now = status(market, uuid)
        assert sentence.startswith(f"The order is {now}: only a pending order can be ")
        assert market.shop.balance_cents(buyer) == (100_00 if now == "failed" else 96_00)


def test_an_order_that_eight_fail_at_once_is_refunded_once(market: Market) -> None:
    orders = manual_orders(market, ORDERS)

    for (buyer, _), outcomes in zip(
        orders, at_once(market.shop.target, [[failing(uuid)] * 8 for _, uuid in orders]), strict=True
    ):
        assert refused(outcomes) == ["The order is failed: only a pending order can be failed."] * 7
        assert market.shop.balance_cents(buyer) == 100_00


def test_an_order_that_ends_while_it_is_switched_off_makes_legal_moves_alone(market: Market) -> None:
    buyers = market.buyers(ORDERS, 100_00)
    uuids = [answer.uuid for answer in market.at_once([(buyer, SHORT, None) for buyer in buyers])]
    market.shop.sql(
        "UPDATE orders SET expires_at = date_trunc('second', now()) + interval '1 second' "
        "WHERE status = 'active' AND uuid = ANY ($1)",
        [UUID(uuid) for uuid in uuids],
    )
    races = [[deactivating(uuid), moving.expire_orders, activating(uuid), moving.expire_orders] for uuid in uuids]
    is_over = False
    while not is_over:
        # The end comes in the middle of the rounds.
        is_over = market.shop.value(
            "SELECT now() > max(expires_at) FROM orders WHERE uuid = ANY ($1)", [UUID(uuid) for uuid in uuids]
        )
        at_once(market.shop.target, races)

    assert {status(market, uuid) for uuid in uuids} == {"expired"}
    ends = market.shop.sql(
        "SELECT order_id, count(*) AS moves FROM order_move JOIN orders ON orders.id = order_id "
        "WHERE uuid = ANY ($1) AND to_status = 'expired' GROUP BY order_id",
        [UUID(uuid) for uuid in uuids],
    )
    assert [row["moves"] for row in ends] == [1] * len(uuids)


def test_four_duties_expire_each_order_once(market: Market) -> None:
    buyers = market.buyers(64, 100_00)
    uuids = [UUID(answer.uuid) for answer in market.at_once([(buyer, SHORT, None) for buyer in buyers])]
    market.shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = ANY ($1)", uuids)

    # The services' own duties take part.
    at_once(market.shop.target, [[moving.expire_orders] * 4])

    assert {status(market, str(uuid)) for uuid in uuids} == {"expired"}
    assert market.shop.value(
        "SELECT count(*) FROM order_move WHERE to_status = 'expired' AND order_id IN "
        "(SELECT id FROM orders WHERE uuid = ANY ($1))",
        uuids,
    ) == len(uuids)


def test_what_failed_orders_give_back_is_sold_again_exactly(market: Market) -> None:
    """Places in a limit, uses of a code and money come free while others wait for them."""
    buyers = market.buyers(4, 100_00)
    fields = BY_HAND | {"discount_code": "FOUR"}
    taken = [(buyers[0], uuid) for uuid in orders_of(market, buyers[0], fields, 8)]
    assert len(taken) == 4
    is_over = threading.Event()
    answers: list[Answer] = []

    def rush() -> None:
        while not is_over.is_set():
            answers.extend(market.at_once([(buyer, fields, None) for buyer in [*buyers, *buyers]]))

    rushing = threading.Thread(target=rush)
    rushing.start()
    try:
        for _ in range(6 * EFFORT):
            pending = market.shop.sql("SELECT uuid FROM orders WHERE status = 'pending' AND discount_cents > 0")
            if not pending:
                continue
            market.random.shuffle(pending)
            outcomes = at_once(market.shop.target, [[failing(str(row["uuid"])) for row in pending for _ in range(2)]])
            assert len(refused(outcomes[0])) == len(pending)
    finally:
        is_over.set()
        rushing.join(60)

    assert {answer.status for answer in answers} <= {201, 422}
    assert any(answer.status == 201 for answer in answers)
    assert market.shop.value("SELECT uses FROM discount_code WHERE code = 'FOUR'") <= 4
    for buyer in buyers:
        held_cents = market.shop.value(
            "SELECT COALESCE(sum(net_cents), 0)::bigint FROM orders WHERE account_id = $1 AND status <> 'failed'",
            buyer.account_id,
        )
        assert market.shop.balance_cents(buyer) == 100_00 - held_cents


def test_refunds_and_adjustments_of_one_account_all_count(market: Market) -> None:
    random = seeded("refunds and adjustments")
    (buyer,) = market.buyers(1, 100_00)
    uuids = orders_of(market, buyer, BY_HAND, 4)
    works = [failing(uuid) for uuid in uuids] + [adjusting(buyer, Adjustment.CREDIT, 1_00)] * 6
    works += [adjusting(buyer, Adjustment.DEBIT, 2_00)] * 6
    random.shuffle(works)

    (outcomes,) = at_once(market.shop.target, [works])

    assert refused(outcomes) == []
    assert market.shop.balance_cents(buyer) == 100_00 + 6_00 - 12_00
