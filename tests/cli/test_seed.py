"""``novaproxy seed``: accounts and past orders by the thousand, with clean books."""

import re
import signal
import stat
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import httpx
import pytest

from commands import Operator, database_url
from novaproxy.catalog.file import parsed
from novaproxy.catalog.listing import listing
from novaproxy.cli import main
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.errors import OperatorError
from novaproxy.money import AMOUNT_CEILING_CENTS
from novaproxy.orders.model import OrderStatus
from novaproxy.seeding.accounts import seed_accounts
from novaproxy.seeding.orders import Past, seed_orders
from novaproxy.seeding.tokens import TokenFile
from roles import as_service
from services import SEALING_KEY_TEXT, within
from shop import CATALOG, SEALING_KEY, Shop, serving

ACCOUNTS = 50
ORDERS = 2_000
LINE = re.compile(r"(seed-[0-9]+@example\.com) (nova_[A-Za-z0-9_-]{34})")

SOLD = """
    SELECT account.email, plan.slug, orders.status, orders.gross_cents, orders.bandwidth_gb, orders.term,
           orders.options::text, orders.created_at - (SELECT max(created_at) FROM orders) AS ago
    FROM orders JOIN account ON account.id = orders.account_id JOIN plan ON plan.id = orders.plan_id
    ORDER BY orders.id
"""

SMALL_CATALOG = """
plans:
  - slug: mobile
    name: Mobile
    type: bandwidth
    bandwidths: [{bandwidth: 1, price_per_gb: 8.00}, {bandwidth: 10, price_per_gb: 7.00}]
"""


@pytest.fixture(scope="module")
def seeded(module_database: Target, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """The operator of a shop with the test catalog, 50 seeded accounts and 2,000 past orders."""
    operator = opened(module_database, tmp_path_factory.mktemp("seeded"))
    operator("seed", "accounts", str(ACCOUNTS), "--credit", "25.50", "--tokens", "tokens.txt")
    ran = operator("seed", "orders", str(ORDERS), "--days", "60")
    assert ran.said == f"Loaded {ORDERS} past orders of {ACCOUNTS} accounts.\n"
    return operator


@pytest.fixture(scope="module")
def seeded_shop(module_database: Target, seeded: Operator) -> Iterator[Shop]:
    """The service on what was seeded."""
    with serving(module_database) as address:
        shop = Shop(module_database, address)
        yield shop
        shop.http.close()
    assert "0 breaches" in seeded("audit").said


def opened(database: Target, directory: Path, catalog: str = CATALOG.read_text()) -> Operator:
    """Return an operator in *directory*, with *catalog* applied."""
    Shop(database, "").apply_catalog(catalog)
    return Operator(
        directory,
        {"NOVAPROXY_DATABASE_URL": database_url(as_service(database)), "NOVAPROXY_SEALING_KEY": SEALING_KEY_TEXT},
    )


def make(shop: Shop, accounts: int, path: Path, credit_cents: int = 25_00) -> None:
    """Make accounts in this process."""

    async def made(connection: SoleConnection) -> None:
        with TokenFile(path, pytest.fail) as file:
            await seed_accounts(connection, accounts, credit_cents, file, lambda _: None)

    shop.run(made)


def load(shop: Shop, orders: int, *, days: int = 90, seed: int = 1) -> None:
    """Load past orders in this process."""

    async def loaded(connection: SoleConnection) -> None:
        sealer = await registered_sealer(connection, SEALING_KEY)
        await seed_orders(connection, Past(orders, days, seed), sealer, lambda _: None)

    shop.run(loaded)


def tokens(operator: Operator, name: str = "tokens.txt") -> dict[str, str]:
    """Return the token of each e-mail in a file."""
    found = [LINE.fullmatch(line) for line in (operator.directory / name).read_text().splitlines()]
    assert all(found)
    return {match[1]: match[2] for match in found if match}


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_every_account_has_its_credit_and_a_token_in_the_file(seeded: Operator, seeded_shop: Shop) -> None:
    given = tokens(seeded)
    assert len(given) == len(set(given.values())) == ACCOUNTS
    for token in given.values():
        headers = {"Authorization": f"Bearer {token}"}
        oldest = seeded_shop.http.get("/balance/entries", headers=headers).json()[-1]
        assert (oldest["kind"], oldest["amount"], oldest["balance_after"]) == ("credit", 25.5, 25.5)


def test_the_tokens_are_for_their_owners_eyes_alone(seeded: Operator) -> None:
    path = seeded.directory / "tokens.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(seeded.directory.glob("*.part"))


def test_a_file_that_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    told = rf"^The file of tokens {path} cannot be written: File exists; all of it is in {path}.part.$"
    file = TokenFile(path, pytest.fail)
    file.__enter__()
    file.add(["mine"])
    path.write_text("theirs")
    with pytest.raises(OperatorError, match=told):
        file.__exit__(None, None, None)
    assert (path.read_text(), path.with_name("tokens.part").read_text()) == ("theirs", "mine\n")


def test_a_file_that_is_there_is_never_overwritten(seeded: Operator, seeded_shop: Shop) -> None:
    (seeded.directory / "kept.txt").write_text("kept")
    (seeded.directory / "broken.txt.part").write_text("kept")
    for name, taken in (("kept.txt", "kept.txt"), ("broken.txt", "broken.txt.part")):
        refused = seeded("seed", "accounts", "1", "--tokens", name)
        assert refused.fault == f"{taken} exists already; it may hold tokens that nobody else has."
        assert (seeded.directory / taken).read_text() == "kept"
    nowhere = seeded("seed", "accounts", "1", "--tokens", "no/such/file")
    assert nowhere.fault == "The file of tokens no/such/file cannot be written: No such file or directory."
    assert seeded_shop.value("SELECT count(*) FROM account WHERE kind = 'customer'") == ACCOUNTS


# --- orders -----------------------------------------------------------------------------------------------------------


def test_the_books_of_what_was_seeded_hold(seeded_shop: Shop) -> None:
    assert seeded_shop.value("SELECT count(*) FROM orders") == ORDERS
    seeded_shop.assert_books_hold()


def test_past_orders_leave_every_balance_as_it_was_but_for_refunds(seeded_shop: Shop) -> None:
    balances = seeded_shop.sql("""
        SELECT account.balance_cents, COALESCE(sum(transfer.amount_cents), 0)::bigint AS refunded_cents
        FROM account LEFT JOIN transfer ON transfer.account_id = account.id AND transfer.kind = 'refund'
        WHERE account.kind = 'customer' GROUP BY account.id
    """)
    assert len(balances) == ACCOUNTS
    assert all(row["balance_cents"] == 25_50 + row["refunded_cents"] for row in balances)
    assert any(row["refunded_cents"] for row in balances)


def test_entries_stand_in_the_order_of_their_times(seeded_shop: Shop) -> None:
    assert not seeded_shop.value("""
        SELECT count(*) FROM transfer AS earlier
        JOIN transfer AS later ON later.account_id = earlier.account_id AND later.version = earlier.version + 1
        WHERE later.created_at < earlier.created_at
    """)
    assert not seeded_shop.value("SELECT count(*) FROM transfer WHERE created_at > now()")
    oldest = seeded_shop.value("SELECT now() - min(created_at) FROM orders")
    assert timedelta(days=58) < oldest <= timedelta(days=60, minutes=5)


def test_every_status_that_a_past_order_can_have_is_there(seeded_shop: Shop) -> None:
    statuses = Counter(row["status"] for row in seeded_shop.sql("SELECT status FROM orders"))
    assert set(statuses) == set(OrderStatus) - {OrderStatus.AWAITING_PAYMENT, OrderStatus.INVOICE_EXPIRED}
    assert not seeded_shop.value(
        "SELECT count(*) FROM orders WHERE status IN ('active', 'inactive') AND expires_at <= now()"
    )
    by_hand = {row["status"] for row in seeded_shop.sql(SOLD) if row["slug"] == "by-hand"}
    assert {"pending", "failed", "active"} <= by_hand


def test_what_was_used_fits_the_status(seeded_shop: Shop) -> None:
    rows = seeded_shop.sql(
        "SELECT status, initial_bytes, consumed_bytes FROM orders JOIN meter ON order_id = orders.id"
    )
    for row in rows:
        assert (row["consumed_bytes"] == row["initial_bytes"]) == (row["status"] == "exhausted")
        if row["initial_bytes"] is None or row["status"] in {"pending", "failed"}:
            assert row["consumed_bytes"] == 0


def test_moves_come_after_their_order_and_not_in_the_future(seeded_shop: Shop) -> None:
    moves = seeded_shop.sql("""
        SELECT order_id, orders.created_at AS ordered_at, orders.updated_at, order_move.created_at
        FROM order_move JOIN orders ON orders.id = order_id ORDER BY order_id, order_move.id
    """)
    assert moves
    for move in moves:
        assert move["ordered_at"] <= move["created_at"] <= move["updated_at"] <= datetime.now(UTC)
    for earlier, later in pairwise(moves):
        if earlier["order_id"] == later["order_id"]:
            assert earlier["created_at"] <= later["created_at"]


def test_only_what_is_on_sale_is_sold_and_within_its_limit(seeded_shop: Shop) -> None:
    plans = {row["slug"] for row in seeded_shop.sql(SOLD)}
    active = {plan.slug for plan in listing(1, parsed(CATALOG.read_bytes())).active_plans}
    assert plans == active
    limited = seeded_shop.sql("""
        SELECT count(*) AS orders FROM orders JOIN plan ON plan.id = plan_id
        WHERE slug = 'limited' GROUP BY account_id
    """)
    assert {row["orders"] for row in limited} <= {1, 2}


def test_the_buyers_list_and_read_what_was_seeded(seeded: Operator, seeded_shop: Shop) -> None:
    seen = 0
    for token in list(tokens(seeded).values())[:10]:
        headers = {"Authorization": f"Bearer {token}"}
        orders = seeded_shop.http.get("/orders", headers=headers).json()
        seen += len(orders)
        times = [order["created_at"] for order in orders]
        assert times == sorted(times, reverse=True)
        for order in orders:
            has_credentials = order["status"] not in {"pending", "failed"}
            assert bool(order["username"]) == bool(order["password"]) == has_credentials
        assert seeded_shop.http.get(f"/orders/{orders[0]['uuid']}", headers=headers).json() == orders[0]
        placed = seeded_shop.http.post("/orders", json={"plan": "mobile", "bandwidth": 1}, headers=headers)
        assert placed.status_code == 201
    assert seen > ORDERS / ACCOUNTS * 5
    seeded_shop.assert_books_hold()


def test_the_same_seed_draws_the_same_orders(database: Target, tmp_path: Path) -> None:
    shop = Shop(database, "")
    shop.apply_catalog(SMALL_CATALOG)
    make(shop, 5, tmp_path / "tokens")
    for seed in (7, 7, 8):
        load(shop, 40, seed=seed)
    rows = [(row["email"], row["bandwidth_gb"], row["gross_cents"]) for row in shop.sql(SOLD)]
    assert rows[:40] == rows[40:80] != rows[80:]


def test_orders_are_loaded_beside_those_that_are_there(database: Target, tmp_path: Path) -> None:
    shop = Shop(database, "")
    shop.apply_catalog(CATALOG.read_text())
    make(shop, 3, tmp_path / "first", credit_cents=0)
    load(shop, 100)
    make(shop, 3, tmp_path / "second")
    load(shop, 200, days=1)
    assert shop.value("SELECT count(*) FROM orders") == 300
    assert shop.value("SELECT count(DISTINCT account_id) FROM orders") == 6
    shop.assert_books_hold()


def test_every_account_has_its_turn(database: Target, tmp_path: Path) -> None:
    shop = Shop(database, "")
    shop.apply_catalog(SMALL_CATALOG)
    make(shop, 2_001, tmp_path / "tokens")
    load(shop, 15_000)
    orders = [row["orders"] for row in shop.sql("SELECT count(*) AS orders FROM orders GROUP BY account_id")]
    assert len(orders) > 1_950
    assert max(orders) < 30
    shop.assert_books_hold()


def test_accounts_that_can_take_no_more_orders_are_told_of(database: Target, tmp_path: Path) -> None:
    shop = Shop(database, "")
    shop.apply_catalog(SMALL_CATALOG.replace("type", "max_orders_per_account: 3\n    type"))
    make(shop, 2, tmp_path / "tokens")
    with pytest.raises(OperatorError, match=r"^Loaded 6 orders, and the seeded accounts can take no more of what "):
        load(shop, 7)
    shop.assert_books_hold()


def test_prices_beyond_every_balance_are_credited_in_parts(database: Target, tmp_path: Path) -> None:
    shop = Shop(database, "")
    shop.apply_catalog(SMALL_CATALOG.replace("8.00", "9999999.99"))
    make(shop, 1, tmp_path / "tokens", credit_cents=AMOUNT_CEILING_CENTS)
    load(shop, 3_000)
    assert shop.value("SELECT count(*) FROM transfer WHERE kind = 'credit'") > 2
    shop.assert_books_hold()


# --- beside others ----------------------------------------------------------------------------------------------------


def test_a_shop_with_customers_of_its_own_is_left_alone(database: Target, tmp_path: Path) -> None:
    operator = opened(database, tmp_path)
    shop = Shop(database, "")
    operator("account", "create", "ada@example.com")
    refused = (
        "This shop has customers that were not seeded, and what is seeded can never be taken out again. "
        "Where it may stand beside them, add --beside-customers."
    )
    assert operator("seed", "accounts", "3", "--tokens", "tokens.txt").fault == refused
    assert operator("seed", "orders", "3").fault == refused
    assert shop.value("SELECT count(*) FROM account WHERE kind = 'customer'") == 1
    assert not list(tmp_path.iterdir())

    assert operator("seed", "accounts", "3", "--tokens", "tokens.txt", "--beside-customers").status == 0
    assert operator("seed", "orders", "30", "--beside-customers").status == 0
    assert shop.value("SELECT count(*) FROM orders") == 30
    stranger = "SELECT count(*) FROM orders JOIN account ON account.id = account_id WHERE email = 'ada@example.com'"
    assert shop.value(stranger) == 0


def test_orders_are_loaded_while_the_same_accounts_order(database: Target, tmp_path: Path) -> None:
    operator = opened(database, tmp_path, SMALL_CATALOG)
    operator("seed", "accounts", "4", "--tokens", "tokens.txt")
    headers = [{"Authorization": f"Bearer {token}"} for token in tokens(operator).values()]
    with serving(database) as address, ThreadPoolExecutor(5) as pool:
        shop = Shop(database, address)
        loading = pool.submit(operator, "seed", "orders", "12000")

        def placed(header: dict[str, str]) -> Counter[int]:
            answers = Counter[int]()
            with httpx.Client(base_url=address, timeout=30) as client:
                while not loading.done():
                    order = {"plan": "mobile", "bandwidth": 1}
                    answers[client.post("/orders", json=order, headers=header).status_code] += 1
            return answers

        answers = sum(pool.map(placed, headers), Counter[int]())
        assert loading.result().said == "Loaded 12000 past orders of 4 accounts.\n"
        # 422: the balance is spent. 503: another try is asked for.
        assert set(answers) <= {201, 422, 503}
        assert answers[201]
        assert shop.value("SELECT count(*) FROM orders") == 12_000 + answers[201]
        assert shop.value("SELECT count(*) FROM transfer WHERE actor = 'api'") == answers[201]
        shop.assert_books_hold()
        shop.http.close()


# --- interrupted ------------------------------------------------------------------------------------------------------


def test_orders_that_are_interrupted_leave_clean_books(database: Target, tmp_path: Path) -> None:
    operator = opened(database, tmp_path)
    shop = Shop(database, "")
    operator("seed", "accounts", "20", "--tokens", "tokens.txt")
    for number in (signal.SIGINT, signal.SIGKILL):
        before = shop.value("SELECT count(*) FROM orders")
        with (tmp_path / "errors").open("wb") as errors:
            loading = operator.start("seed", "orders", "1000000", stderr=errors)
        within(30, lambda: shop.value("SELECT count(*) FROM orders") > before + 5_000, "some chunks")  # noqa: B023
        time.sleep(Random().uniform(0, 0.3))
        loading.send_signal(number)
        assert loading.wait(20) == (130 if number == signal.SIGINT else -signal.SIGKILL)
        if number == signal.SIGINT:
            assert (tmp_path / "errors").read_text() == "novaproxy: Interrupted.\n"
        assert shop.value("SELECT count(*) FROM orders") < 1_000_000
        shop.assert_books_hold()


def test_accounts_that_are_interrupted_leave_their_tokens(database: Target, tmp_path: Path) -> None:
    operator = opened(database, tmp_path)
    shop = Shop(database, "")
    with (tmp_path / "errors").open("wb") as errors:
        making = operator.start("seed", "accounts", "1000000", "--tokens", "tokens.txt", stderr=errors)
    within(30, lambda: bool(shop.value("SELECT count(*) FROM api_token")), "some accounts")
    making.send_signal(signal.SIGINT)
    assert making.wait(20) == 130
    told = "The tokens of the accounts that were made are in tokens.txt.part."
    assert (tmp_path / "errors").read_text() == f"novaproxy: {told}\nnovaproxy: Interrupted.\n"
    assert not (tmp_path / "tokens.txt").exists()
    emails = {row["email"] for row in shop.sql("SELECT email FROM account WHERE kind = 'customer'")}
    assert emails <= set(tokens(operator, "tokens.txt.part"))
    shop.assert_books_hold()


# --- wrong questions --------------------------------------------------------------------------------------------------


# In this process: none of them reaches the database.
@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("orders", "0"), 2, "Invalid value for 'N': "),
        (("orders", "10000001"), 2, "Invalid value for 'N': "),
        (("orders", "5", "--days", "366"), 2, "Invalid value for '--days': "),
        (("accounts", "0", "--tokens", "t"), 2, "Invalid value for 'N': "),
        (("accounts", "5"), 2, "Missing option '--tokens'. See 'novaproxy seed accounts --help'."),
        (("accounts", "5", "--tokens", "/"), 1, "'/' is no name of a file."),
        (("accounts", "5", "--tokens", ""), 1, "'.' is no name of a file."),
        (("accounts", "5", "--tokens", "t", "--credit", "-1"), 1, "'-1' is no credit: it must be 0 to 9999999999.99"),
    ],
    ids=repr,
)
def test_a_wrong_number_is_one_sentence(
    words: tuple[str, ...], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["seed", *words])
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (status, "")
    assert shown.err.startswith(f"novaproxy: {told}")
    assert len(shown.err.splitlines()) == 1


def test_what_is_missing_is_one_sentence(database: Target, tmp_path: Path) -> None:
    operator = Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": database_url(as_service(database))})
    assert operator("seed", "orders", "5").fault == (
        "There is no catalog yet: apply one with 'novaproxy catalog apply FILE'."
    )
    Shop(database, "").apply_catalog(CATALOG.read_text())
    assert operator("seed", "orders", "5").fault == (
        "There are no seeded accounts yet: make some with 'novaproxy seed accounts N --tokens FILE'."
    )
