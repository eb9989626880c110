"""Rounds of a race: many who want the same thing at the same moment, of whom exactly as many as have room get it.

Each round is given a market and how many take part, and asserts all that must hold at its end but the audit.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from contract import catalog_with
from market import GIGABYTE, Market, assert_sold
from meetings import Work, at_once, deactivating, delivering, failing, refused
from novaproxy.accounts.store import AccountStatus, move_account, revoke_token
from novaproxy.database.pool import SoleConnection
from novaproxy.orders import moving
from services import within
from shop import Buyer

if TYPE_CHECKING:
    from volleys import Answer

NO_MONEY = "Insufficient balance."
NO_PLACE = "You have reached the maximum number of orders for this plan."
USED_UP = "The discount code has been used up."
USED_BEFORE = "You have already used this discount code."
OTHER_REQUEST = "The Idempotency-Key was already used with another request."
BY_HAND = {"plan": "by-hand", "bandwidth": 1}
"""An order that is delivered by hand; it costs 2.00."""

SHORT = {"plan": "unlimited", "duration": "1_day"}

Racing = Callable[[Market, int], None]


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[Future[object]]:
    """Do *work* in another thread for the length of the block; its errors are the block's."""
    with ThreadPoolExecutor(1) as thread:
        doing = thread.submit(work)
        yield doing
        doing.result(60)


def one_balance(market: Market, many: int) -> None:
    """A balance pays for exactly as many orders as it can."""
    affordable = market.random.randrange(1, many)
    (buyer,) = market.buyers(1, affordable * 8_00 + market.random.randrange(8_00))

    answers = market.at_once([(buyer, GIGABYTE, None)] * many)

    assert_sold(answers, affordable, NO_MONEY)
    assert market.shop.balance_cents(buyer) < 8_00
    assert market.shop.order_count(buyer) == affordable


def order_limit(market: Market, many: int) -> None:
    """A plan's limit for each account is reached and never passed."""
    (buyer,) = market.buyers(1, 1_000_00)

    answers = market.at_once([(buyer, {"plan": "limited", "bandwidth": 1}, None)] * many)

    assert_sold(answers, 2, NO_PLACE)
    assert market.shop.balance_cents(buyer) == 998_00


def last_uses(market: Market, many: int) -> None:
    """The last uses of a code go to exactly as many buyers."""
    limit = market.random.randrange(1, many)
    code = market.new_code(max_uses=limit)
    buyers = market.buyers(many, 8_00)

    answers = market.at_once([(buyer, {**GIGABYTE, "discount_code": code}, None) for buyer in buyers])

    placed = assert_sold(answers, limit, USED_UP)
    assert {answer.body["price"]["net"] for answer in placed} == {7.2}
    assert market.shop.value("SELECT uses FROM discount_code WHERE code = $1", code) == limit


def uses_per_account(market: Market, many: int) -> None:
    """A code is used as often as each account may."""
    limit = market.random.randrange(1, 4)
    code = market.new_code(max_uses_per_account=limit)
    number = max(2, many // 16)
    buyers = market.buyers(number, 1_000_00)
    asked = [(buyer, {**GIGABYTE, "discount_code": code.lower()}, None) for buyer in buyers]

    answers = market.at_once(asked * max(limit + 1, many // number))

    for place in range(number):
        assert_sold(answers[place::number], limit, USED_BEFORE)


def first_order_code(market: Market, many: int) -> None:
    """A code for a first order opens one order of an account."""
    code = market.new_code(first_order_only="true")
    (buyer,) = market.buyers(1, 1_000_00)

    answers = market.at_once([(buyer, {**GIGABYTE, "discount_code": code}, None)] * many)

    assert_sold(answers, 1, "The discount code is for a first order only.")


def one_key(market: Market, many: int) -> None:
    """One key makes one order, and everybody gets it."""
    (buyer,) = market.buyers(1, 1_000_00)

    answers = market.at_once([(buyer, GIGABYTE, "the key")] * many)

    assert {answer.status for answer in answers} == {201}
    assert len({(answer.uuid, answer.body["password"]) for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert market.shop.order_count(buyer) == 1
    assert market.shop.balance_cents(buyer) == 992_00


def one_key_for_many_requests(market: Market, many: int) -> None:
    """Of different requests under one key one wins."""
    (buyer,) = market.buyers(1, 100_000_00)
    asked = [{"plan": "mobile", "bandwidth": bandwidth} for bandwidth in range(1, many + 1)]

    answers = market.at_once([(buyer, fields, "the key") for fields in asked])

    assert_sold(answers, 1, OTHER_REQUEST)
    assert market.shop.order_count(buyer) == 1


def keys_of_accounts(market: Market, many: int) -> None:
    """A key belongs to its account, and a refused order frees it."""
    poor, *rich = market.buyers(max(2, many // 8), 0)
    market.credit(rich, 8_00)

    answers = market.at_once([(buyer, GIGABYTE, "the key") for buyer in [poor, *rich] for _ in range(8)])

    assert_sold(answers[:8], 0, NO_MONEY)
    assert len({answer.uuid for answer in answers[8:]}) == len(rich)
    market.credit([poor], 8_00)
    assert market.shop.order(poor, "the key", **GIGABYTE).status_code == 201


def one_code_for_everybody(market: Market, many: int) -> None:
    """All of many accounts are served with one code without limits."""
    code = market.new_code()
    buyers = market.buyers(many // 2, 2 * 7_20)

    answers = market.at_once([(buyer, {**GIGABYTE, "discount_code": code}, None) for buyer in buyers * 2])

    assert_sold(answers, len(buyers) * 2, "")
    assert market.shop.value("SELECT uses FROM discount_code WHERE code = $1", code) == len(buyers) * 2


def top_ups(market: Market, many: int) -> None:
    """Each top-up in the middle of the orders pays for exactly one more."""
    times = min(20, many)
    (buyer,) = market.buyers(1, 0)

    with meanwhile(lambda: market.credit([buyer], 8_00, times=times)):
        first = market.at_once([(buyer, GIGABYTE, None)] * many)
    sold = sum(answer.status == 201 for answer in first)
    assert_sold(first, sold, NO_MONEY)

    assert sold <= times
    assert_sold(market.at_once([(buyer, GIGABYTE, None)] * max(many, times)), times - sold, NO_MONEY)
    assert market.shop.balance_cents(buyer) == 0


def fail_or_deliver(market: Market, many: int) -> None:
    """Of deliveries and failures of one order exactly one happens, and money goes back only for a failure."""
    buyer, uuid = _by_hand(market)
    works = [delivering(uuid), failing(uuid)] * (many // 2)
    market.random.shuffle(works)

    (outcomes,) = at_once(market.shop.target, [works])

    now = _status(market, uuid)
    told = {
        f"The order is {now}: only a pending order can be delivered.",
        f"The order is {now}: only a pending order can be failed.",
    }
    assert len(refused(outcomes)) == len(works) - 1
    assert set(refused(outcomes)) <= told
    assert market.shop.balance_cents(buyer) == (100_00 if now == "failed" else 98_00)


def refunds(market: Market, many: int) -> None:
    """An order that many fail at once is refunded once, and its place and its use of a code come free once."""
    code = market.new_code(max_uses_per_account=1)
    buyer, uuid = _by_hand(market, discount_code=code)

    (outcomes,) = at_once(market.shop.target, [[failing(uuid)] * many])

    assert refused(outcomes) == ["The order is failed: only a pending order can be failed."] * (many - 1)
    assert market.shop.balance_cents(buyer) == 100_00
    assert market.shop.value("SELECT uses FROM discount_code WHERE code = $1", code) == 0
    asked = (buyer, {**BY_HAND, "discount_code": code}, None)
    assert_sold(market.at_once([asked] * min(many, 8)), 1, USED_BEFORE)


def end_or_switch_off(market: Market, many: int) -> None:
    """An order whose time is over while it is switched off ends once, and makes no move after its end."""
    (buyer,) = market.buyers(1, 100_00)
    (answer,) = market.at_once([(buyer, SHORT, None)])
    uuid = UUID(answer.uuid)
    market.shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", uuid)
    works: list[Work] = [deactivating(answer.uuid), moving.expire_orders] * (many // 2)
    market.random.shuffle(works)

    at_once(market.shop.target, [works])
    # A service's duty may hold it at this moment, and then it is passed over.
    within(
        5, lambda: market.shop.run(moving.expire_orders) == 0 and _status(market, answer.uuid) == "expired", "its end"
    )

    moves = market.shop.sql(
        "SELECT from_status, to_status FROM order_move JOIN orders ON orders.id = order_id WHERE uuid = $1", uuid
    )
    assert moves == [{"from_status": "active", "to_status": "expired"}]
    assert market.shop.balance_cents(buyer) == 97_00


def suspension(market: Market, many: int) -> None:
    """No order appears once a suspension returned."""
    _shut_out(market, many, _suspended)


def revocation(market: Market, many: int) -> None:
    """No order appears once the token's revocation returned."""
    _shut_out(market, many, _revoked)


def new_price(market: Market, many: int) -> None:
    """Each order costs the old price or the new one, and after the change all cost the new one."""
    old_cents, new_cents = market.random.sample(range(1_00, 20_00), 2)
    market.shop.apply_catalog(_catalog_at(old_cents))
    buyers = market.buyers(max(1, many // 4), 100_000_00)
    asked = [(buyers[number % len(buyers)], GIGABYTE, None) for number in range(many)]
    answers: list[Answer] = []

    with meanwhile(lambda: answers.extend(market.at_once(asked))):
        market.shop.apply_catalog(_catalog_at(new_cents))
        after = market.at_once([(buyers[0], GIGABYTE, None)] * 2)

    assert [answer.body["price"]["net"] for answer in after] == [new_cents / 100] * 2
    assert {answer.status for answer in answers} == {201}
    assert {answer.body["price"]["net"] for answer in answers} <= {old_cents / 100, new_cents / 100}
    market.shop.apply_catalog(catalog_with(codes="".join(market.codes)))


RACES: Mapping[str, Racing] = MappingProxyType(
    {
        "one balance": one_balance,
        "order limit": order_limit,
        "last uses of a code": last_uses,
        "uses per account": uses_per_account,
        "first order code": first_order_code,
        "one key": one_key,
        "one key for many requests": one_key_for_many_requests,
        "keys of accounts": keys_of_accounts,
        "one code for everybody": one_code_for_everybody,
        "top-up x order": top_ups,
        "fail x deliver": fail_or_deliver,
        "refund x refund": refunds,
        "expire x deactivate": end_or_switch_off,
        "suspend x order": suspension,
        "revoke x order": revocation,
        "apply x order": new_price,
    }
)


def _by_hand(market: Market, **fields: object) -> tuple[Buyer, str]:
    (buyer,) = market.buyers(1, 100_00)
    (answer,) = market.at_once([(buyer, {**BY_HAND, **fields}, None)])
    return buyer, answer.uuid


def _status(market: Market, uuid: str) -> str:
    return str(market.shop.value("SELECT status FROM orders WHERE uuid = $1", UUID(uuid)))


def _catalog_at(price_cents: int) -> str:
    return catalog_with().replace("price_per_gb: 8.00", f"price_per_gb: {price_cents / 100:.2f}")


def _shut_out(market: Market, many: int, shutting: Callable[[SoleConnection, Buyer], Awaitable[None]]) -> None:
    (buyer,) = market.buyers(1, 100_000_00)
    answers: list[Answer] = []

    with meanwhile(lambda: answers.extend(market.at_once([(buyer, GIGABYTE, None)] * many))):
        market.shop.run(lambda connection: shutting(connection, buyer))
        placed = market.shop.order_count(buyer)

    assert market.shop.order_count(buyer) == placed == sum(answer.status == 201 for answer in answers)
    assert {answer.error for answer in answers if answer.status != 201} <= {"Unauthenticated."}
    assert {answer.status for answer in market.at_once([(buyer, GIGABYTE, None)] * 2)} == {401}


async def _suspended(connection: SoleConnection, buyer: Buyer) -> None:
    async with connection.transaction():
        await move_account(connection, buyer.account_id, AccountStatus.SUSPENDED, "race", "operator")


async def _revoked(connection: SoleConnection, buyer: Buyer) -> None:
    async with connection.transaction():
        await revoke_token(connection, buyer.account_id, "default")
