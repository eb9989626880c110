"""What an operator does in the middle of the rush: top-ups, revocations, new prices, forgotten locks (T1, T13)."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from uuid import UUID

import pytest

from commands import Operator, database_url
from market import GIGABYTE, Market, assert_sold, opened_market
from novaproxy.accounts.store import revoke_token
from novaproxy.database.pool import SoleConnection, Target
from roles import as_service
from services import EFFORT, held, within
from shop import CATALOG, Buyer, on_connection
from volleys import Answer

ROUNDS = 3 * EFFORT
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
LOCK_ACCOUNT = "SELECT FROM account WHERE id = $1 FOR UPDATE"


@pytest.fixture(scope="module")
def two_services(module_database: Target) -> Iterator[Market]:
    with asyncio.Runner() as runner:
        # A circle of waits is to be seen as one, before a lock's time limit ends it.
        runner.run(on_connection(module_database, quick_to_see_deadlocks))
    with opened_market(module_database, "operators") as opened:
        yield opened


async def quick_to_see_deadlocks(connection: SoleConnection) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")


@pytest.fixture
def market(two_services: Market) -> Iterator[Market]:
    two_services.shop.apply_catalog(CATALOG.read_text())
    yield two_services
    two_services.shop.assert_books_hold()


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[Future[object]]:
    """Do *work* in another thread for the length of the block; its errors are the test's."""
    with ThreadPoolExecutor(1) as thread:
        doing = thread.submit(work)
        yield doing
        doing.result(60)


def test_each_top_up_pays_for_exactly_one_more_order(market: Market) -> None:
    for _ in range(ROUNDS):
        (buyer,) = market.buyers(1, 0)

        with meanwhile(lambda to=buyer: market.credit([to], 8_00, times=20)):  # type: ignore[misc]  # mypy: cannot infer a lambda's default
            first = market.at_once([(buyer, GIGABYTE, None)] * 64)
        sold = sum(answer.status == 201 for answer in first)
        assert_sold(first, sold, "Insufficient balance.")

        assert sold <= 20
        assert_sold(market.at_once([(buyer, GIGABYTE, None)] * 64), 20 - sold, "Insufficient balance.")
        assert market.shop.balance_cents(buyer) == 0


def test_no_order_appears_after_a_revocation_returned(market: Market) -> None:
    seen_both = 0
    for _ in range(ROUNDS):
        (buyer,) = market.buyers(1, 100_000_00)
        answers: list[Answer] = []

        def rush(by: Buyer = buyer, into: list[Answer] = answers) -> None:
            for _ in range(8):
                into += market.at_once([(by, GIGABYTE, None)] * 16)

        with meanwhile(rush):
            within(5, lambda by=buyer: market.shop.order_count(by) > 0, "a first order")  # type: ignore[misc]  # as above
            market.shop.run(lambda connection, by=buyer: revoked(connection, by))  # type: ignore[misc]  # as above
            placed = market.shop.order_count(buyer)

        assert market.shop.order_count(buyer) == placed == sum(answer.status == 201 for answer in answers)
        assert {answer.error for answer in answers if answer.status != 201} <= {"Unauthenticated."}
        assert {answer.status for answer in market.at_once([(buyer, GIGABYTE, None)] * 2)} == {401}
        seen_both += 0 < placed < 8 * 16
    assert seen_both, "no revocation came in the middle of the orders"


def test_a_revocation_waits_for_the_order_under_way(market: Market) -> None:
    (buyer,) = market.buyers(1, 100_00)
    market.shop.sql(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.account_id = {buyer.account_id} THEN PERFORM pg_sleep(0.5); END IF; RETURN NEW; END $$",
    )
    market.shop.sql("CREATE TRIGGER dawdling BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION dawdle()")

    with meanwhile(lambda: assert_sold(market.at_once([(buyer, GIGABYTE, None)]), 1, "")):
        sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        within(5, lambda: bool(market.shop.sql(sleeping)), "an order in the middle of its transaction")
        market.shop.run(lambda connection: revoked(connection, buyer))
        assert market.shop.order_count(buyer) == 1

    market.shop.sql("DROP TRIGGER dawdling ON orders")
    assert {answer.status for answer in market.at_once([(buyer, GIGABYTE, None)] * 2)} == {401}


async def revoked(connection: SoleConnection, buyer: Buyer) -> None:
    async with connection.transaction():
        await revoke_token(connection, buyer.account_id, "default")


def test_a_new_price_holds_for_every_order_that_follows_it(market: Market) -> None:
    buyers = market.buyers(16, 100_000_00)
    catalog = CATALOG.read_text()
    charged: set[float] = set()
    is_over = threading.Event()

    def rush() -> None:
        while not is_over.is_set():
            answers = market.at_once([(buyer, GIGABYTE, None) for buyer in buyers])
            charged.update(answer.body["price"]["net"] for answer in answers if answer.status == 201)
            assert {answer.error for answer in answers if answer.status != 201} <= {"The selected plan is not active."}

    with meanwhile(rush):
        try:
            for cents in range(801, 801 + 10 * EFFORT):
                market.shop.apply_catalog(catalog.replace("price_per_gb: 8.00", f"price_per_gb: {cents / 100}"))
                after = market.at_once([(buyers[0], GIGABYTE, None)] * 2)
                assert [answer.body["price"]["net"] for answer in after] == [cents / 100] * 2
            market.shop.apply_catalog(catalog.replace("slug: mobile\n", "slug: mobile\n    active: false\n"))
            assert_sold(market.at_once([(buyers[0], GIGABYTE, None)] * 8), 0, "The selected plan is not active.")
            market.shop.apply_catalog(catalog)
        finally:
            is_over.set()

    assert len(charged) > 2
    assert charged <= {cents / 100 for cents in range(800, 801 + 10 * EFFORT)}


def test_opposite_ways_through_accounts_and_codes_never_meet_in_a_circle(market: Market) -> None:
    # The last code in the alphabet is the oldest, so whoever locked by name would go the other way.
    names = [f"LOOP{number}" for number in range(199, 139, -1)]
    market.shop.sql("INSERT INTO discount_code (code) SELECT unnest($1::text[])", names)
    catalog = CATALOG.read_text()
    codes = "".join(f"  - {{code: {name}, percent: 10}}\n" for name in names)
    market.shop.apply_catalog(catalog + codes)
    buyers = market.buyers(32, 1_000_000_00)
    is_over = threading.Event()

    def operate() -> None:
        price = 800
        while not is_over.is_set():
            price += 1
            market.shop.apply_catalog(catalog.replace("price_per_gb: 8.00", f"price_per_gb: {price / 100}") + codes)
            market.credit(market.random.sample(buyers, 4), 1)

    with meanwhile(operate) as operator:
        try:
            deadline = time.monotonic() + 3 * EFFORT
            while time.monotonic() < deadline and not operator.done():
                asked = [
                    (buyer, {**GIGABYTE, "discount_code": market.random.choice(names)}, None)
                    for buyer in market.random.sample(buyers, len(buyers))
                ]
                assert {answer.status for answer in market.at_once(asked)} == {201}
        finally:
            is_over.set()

    assert market.shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def test_a_locked_account_does_not_stop_the_others(market: Market) -> None:
    locked, *others = market.buyers(17, 1_000_00)

    with held(market.shop.target, LOCK_ACCOUNT, locked.account_id):
        answers = market.at_once([(buyer, GIGABYTE, None) for buyer in [*[locked] * 16, *others, *others]])
        for answer in answers[:16]:
            answer.assert_asks_for_patience()
        assert max(answer.seconds for answer in answers[:16]) < 8
        assert {answer.status for answer in answers[16:]} == {201}
        assert max(answer.seconds for answer in answers[16:]) < 3

    assert_sold(market.at_once([(locked, GIGABYTE, None)] * 8), 8, "")


def test_orders_of_an_account_that_is_released_in_time_succeed(market: Market) -> None:
    (locked,) = market.buyers(1, 80_00)

    def hold_for_a_moment() -> None:
        with held(market.shop.target, LOCK_ACCOUNT, locked.account_id):
            holding.set()
            time.sleep(1.5)

    holding = threading.Event()
    with meanwhile(hold_for_a_moment):
        assert holding.wait(5)
        answers = market.at_once([(locked, GIGABYTE, None)] * 16)

    assert_sold(answers, 10, "Insufficient balance.")


def test_many_locked_accounts_leave_room_for_reading(market: Market) -> None:
    locked = market.buyers(10, 1_000_00)
    (other,) = market.buyers(1, 1_000_00)

    def rush() -> None:
        for answer in market.at_once([(buyer, GIGABYTE, None) for buyer in locked], spread=1):
            answer.assert_asks_for_patience()
            assert answer.seconds < 10

    with (
        held(
            market.shop.target, "SELECT FROM account WHERE id = ANY ($1) FOR UPDATE", [by.account_id for by in locked]
        ),
        meanwhile(rush),
    ):
        # By now the common batches, of one order and of the others, have given up and all wait on their own.
        time.sleep(2.5)
        begun_at = time.monotonic()
        assert market.shop.http.get("/balance", headers=other.headers).status_code == 200
        assert time.monotonic() - begun_at < 1
        assert_sold(market.at_once([(other, GIGABYTE, None)]), 1, "")
        assert time.monotonic() - begun_at < 3


def test_a_locked_code_does_not_stop_orders_without_it(market: Market) -> None:
    code = market.new_code()
    buyers = market.buyers(16, 1_000_00)

    with held(market.shop.target, "SELECT FROM discount_code WHERE code = $1 FOR UPDATE", code):
        asked = [{**GIGABYTE, "discount_code": code}, GIGABYTE] * 8
        answers = market.at_once([(buyer, fields, None) for buyer, fields in zip(buyers, asked, strict=True)], spread=1)
        for answer in answers[::2]:
            answer.assert_asks_for_patience()
        assert max(answer.seconds for answer in answers) < 10
        assert {answer.status for answer in answers[1::2]} == {201}


def test_a_crowd_that_wants_a_locked_code_holds_nobody_else_up(market: Market) -> None:
    code = market.new_code()
    buyers = market.buyers(120, 1_000_00)

    with held(market.shop.target, "SELECT FROM discount_code WHERE code = $1 FOR UPDATE", code):
        asked = [{**GIGABYTE, "discount_code": code}, GIGABYTE] * 60
        answers = market.at_once([(buyer, fields, None) for buyer, fields in zip(buyers, asked, strict=True)], spread=1)
        for answer in answers[::2]:
            answer.assert_asks_for_patience()
        assert {answer.status for answer in answers[1::2]} == {201}
        assert max(answer.seconds for answer in answers[1::2]) < 5
        assert max(answer.seconds for answer in answers) < 15


def test_an_operators_command_that_waits_lets_orders_pass(market: Market, tmp_path: Path) -> None:
    (buyer,) = market.buyers(1, 100_00)
    uuid = UUID(market.shop.order(buyer, plan="by-hand", bandwidth=1).json()["uuid"])
    operator = Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": database_url(as_service(market.shop.target))})

    with held(market.shop.target, "SELECT FROM orders WHERE uuid = $1 FOR UPDATE", uuid):
        failing = operator.start("order", "fail", str(uuid), "--reason", "r", stdout=DEVNULL, stderr=DEVNULL)
        within(20, lambda: bool(market.shop.value(WAITS)), "the command waits")
        placed = [market.at_once([(buyer, GIGABYTE, None)]) for _ in range(6)]
        assert failing.poll() is None, "the command did not wait"
    assert failing.wait(20) == 0

    assert {answer.status for (answer,) in placed} == {201}
    assert max(answer.seconds for (answer,) in placed) < 2
    assert market.shop.balance_cents(buyer) == 100_00 - 6 * 8_00
