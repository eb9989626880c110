"""Each way to break the books is found, by the invariant that it breaks: by both forms of the audit.

The guards of the database (CHECK, UNIQUE, foreign keys, triggers) are taken away first, in a database of its own.
Each breach is planted inside a transaction that is rolled back, on an order or account that came after the mark.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from metering import pass_bytes_of
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.ledger.audit import Finding, audit
from novaproxy.ledger.audit_new import Mark, audit_new, settled_mark
from novaproxy.orders import moving
from shop import CATALOG, SEALING_KEY, Buyer, Shop, on_connection, serving

_NO_GUARDS = """
DO $$
DECLARE guard record;
BEGIN
    FOR guard IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
                 WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'c', 'u') ORDER BY contype = 'f' DESC
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', guard.place, guard.conname); END LOOP;
    FOR guard IN SELECT indexrelid::regclass AS place FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
                 WHERE relnamespace = 'public'::regnamespace AND indisunique AND NOT indisprimary
    LOOP EXECUTE format('DROP INDEX %s', guard.place); END LOOP;
    FOR guard IN SELECT tgrelid::regclass AS place, tgname FROM pg_trigger WHERE NOT tgisinternal
    LOOP EXECUTE format('DROP TRIGGER %I ON %s', guard.tgname, guard.place); END LOOP;
END
$$;
ALTER TABLE account ALTER ledger_version DROP NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Unguarded:
    """A shop without guards: its database, and the mark between what is old and what is new."""

    target: Target
    mark: Mark


@pytest.fixture(scope="module")
def unguarded(module_database: Target) -> Iterator[Unguarded]:
    """Give a shop with orders of each kind, before the mark and behind it, of the same accounts."""
    with serving(module_database) as address:
        shop = Shop(module_database, address)
        shop.apply_catalog(CATALOG.read_text())
        buyers = [shop.buyer(1_000_00) for _ in range(3)]
        _trade(shop, buyers)
        mark = shop.run(settled_mark)
        assert mark is not None
        _trade(shop, buyers)
        shop.assert_books_hold()
        asyncio.run(on_connection(module_database, lambda connection: connection.execute(_NO_GUARDS)))
        shop.http.close()
        yield Unguarded(module_database, mark)


def _trade(shop: Shop, buyers: list[Buyer]) -> None:
    """Place orders that stay, are delivered, fail, rest; with codes, keys and limits."""
    one, other, third = buyers
    shop.order(one, plan="mobile", bandwidth=1, discount_code="TEN", key=f"key-{shop.order_count(one)}")
    shop.order(one, plan="limited", bandwidth=1)
    shop.order(other, plan="mobile", bandwidth=1, discount_code="TRIO" if shop.order_count(other) else "ONCE")
    used = shop.order(other, plan="free", bandwidth=1).json()["uuid"]
    lost = shop.order(third, plan="free", bandwidth=1).json()["uuid"]
    pass_bytes_of(shop, lost, 1_000, leased=500)
    shop.sql("SELECT lose_gateway(max(id)) FROM gateway")
    pass_bytes_of(shop, used, 1_000, leased=500)
    by_hand = [UUID(shop.order(third, plan="by-hand", bandwidth=1).json()["uuid"]) for _ in range(3)]
    resting = UUID(shop.order(third, plan="mobile", bandwidth=1).json()["uuid"])

    async def move(connection: SoleConnection) -> None:
        sealer = await registered_sealer(connection, SEALING_KEY)
        await moving.deliver(connection, by_hand[0], sealer, None, "test")
        await moving.fail(connection, by_hand[1], "no stock", "test")
        await moving.deactivate(connection, resting, "test")

    shop.run(move)


def found(shop: Unguarded, planted: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return what both audits find of *planted*, by invariant; the transaction is rolled back."""

    async def plant() -> tuple[dict[str, int], dict[str, int]]:
        connection = await opened_connection(shop.target)
        try:
            transaction = connection.transaction(isolation="repeatable_read")
            await transaction.start()
            await connection.execute(planted)
            whole = await audit(connection)
            new, _ = await audit_new(connection, shop.mark)
            await transaction.rollback()
        finally:
            await connection.close()
        return _broken(whole), _broken(new)

    return asyncio.run(plant())


def _broken(findings: list[Finding]) -> dict[str, int]:
    return {finding.invariant: finding.breaches for finding in findings if finding.breaches}


NEWEST = "(SELECT max(id) FROM orders WHERE status = 'active' AND net_cents > 0)"
FAILED = "(SELECT max(id) FROM orders WHERE status = 'failed')"
PENDING = "(SELECT max(id) FROM orders WHERE status = 'pending')"
DELIVERED = "(SELECT max(order_id) FROM order_move WHERE to_status = 'active')"
RESTING = "(SELECT max(id) FROM orders WHERE status = 'inactive')"
USED = "(SELECT max(order_id) FROM lease)"
LOST = "(SELECT max(order_id) FROM lost_lease)"
CHARGE = f"(SELECT id FROM transfer WHERE order_id = {NEWEST} AND kind = 'charge')"
OWNER = f"(SELECT account_id FROM orders WHERE id = {NEWEST})"
COUPON = "(SELECT max(id) FROM orders WHERE discount_code_id IS NOT NULL)"
ENTRY = (
    "INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor, version, "
    "balance_after_cents, created_at) "
)
COPIED = (
    "INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents, "
    "bandwidth_gb, term, options, idempotency_key, request_hash, username, password_sealed, sealing_key_id, expires_at, "
    "created_at, updated_at) SELECT gen_random_uuid(), account_id, plan_id, catalog_revision, status, 0, 0, 0, "
    "bandwidth_gb, term, options, {key}, {hash}, {username}, password_sealed, sealing_key_id, expires_at, created_at, "
    "updated_at FROM orders WHERE id = {order}; "
    "INSERT INTO meter (order_id, account_id, initial_bytes) SELECT id, account_id, bandwidth_gb * 1073741824::bigint "
    "FROM orders WHERE id = (SELECT max(id) FROM orders); "
    "UPDATE account_plan SET orders = account_plan.orders + 1 FROM orders WHERE orders.id = (SELECT max(id) FROM orders) "
    "AND account_plan.account_id = orders.account_id AND account_plan.plan_id = orders.plan_id"
)
FREE = "(SELECT max(id) FROM orders WHERE net_cents = 0 AND gross_cents = 0)"


def order_set(what: str, order: str = NEWEST) -> str:
    """Return a statement that rewrites an order."""
    return f"UPDATE orders SET {what} WHERE id = {order}"


def entry_set(what: str, entry: str = CHARGE) -> str:
    """Return a statement that rewrites an entry."""
    return f"UPDATE transfer SET {what} WHERE id = {entry}"


def moved(order: str, before: str, after: str, extra: str = "account_id") -> str:
    """Return a statement that writes a move down, and nothing else."""
    return (
        "INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at) "
        f"SELECT {extra}, id, '{before}', '{after}', 'x', 'x', updated_at FROM orders WHERE id = {order}"
    )


BREACHES: dict[str, tuple[str, set[str], set[str]]] = {
    "a balance that was raised": (
        f"UPDATE account SET balance_cents = balance_cents + 1 WHERE id = {OWNER}",
        {"M1"},
        {"M1"},
    ),
    "a balance that is lost": (f"UPDATE account SET balance_cents = NULL WHERE id = {OWNER}", {"M1"}, {"M1"}),
    "money that came from nowhere": (entry_set("amount_cents = amount_cents + 1"), {"M1", "M3", "M6"}, {"M3", "M6"}),
    "a charge that went to the wrong account of the house": (entry_set("credit_account_id = 3"), {"M1"}, {"M1"}),
    "a charge that went to another customer": (
        entry_set("credit_account_id = (SELECT min(id) FROM account WHERE id > 1000)"),
        {"M1"},
        {"M1"},
    ),
    "an entry of no known kind": (entry_set("kind = 'gift'"), {"M1", "M3"}, {"M1", "M3"}),
    "an entry of nothing": (
        ENTRY
        + f"SELECT id, 2, id, 0, 'credit', NULL, 'x', ledger_version + 1, balance_cents, now() FROM account WHERE id = {OWNER}; "
        f"UPDATE account SET ledger_version = ledger_version + 1 WHERE id = {OWNER}",
        {"M1"},
        {"M1"},
    ),
    "an entry of the house's own": (ENTRY + "VALUES (1, 2, 1, 5, 'credit', NULL, 'x', 1, 5, now())", {"M1"}, {"M1"}),
    "a debt": (
        ENTRY + "SELECT id, id, 3, balance_cents + 5, 'debit', NULL, 'x', ledger_version + 1, -5, now() "
        f"FROM account WHERE id = {OWNER}; "
        f"UPDATE account SET balance_cents = -5, ledger_version = ledger_version + 1 WHERE id = {OWNER}",
        {"M2"},
        {"M2"},
    ),
    "a debt that was paid since": (
        ENTRY + "SELECT id, id, 3, balance_cents + 5, 'debit', NULL, 'x', ledger_version + 1, -5, now() "
        f"FROM account WHERE id = {OWNER}; "
        + ENTRY
        + f"SELECT id, 2, id, 5, 'credit', NULL, 'x', ledger_version + 2, 0, now() FROM account WHERE id = {OWNER}; "
        f"UPDATE account SET balance_cents = 0, ledger_version = ledger_version + 2 WHERE id = {OWNER}",
        {"M2"},
        {"M2"},
    ),
    "an order that was never charged": (f"DELETE FROM transfer WHERE id = {CHARGE}", {"M1", "M3", "M6"}, {"M3", "M6"}),
    "an order that was charged twice": (
        ENTRY + "SELECT account.id, account.id, 1, net_cents, 'charge', orders.id, 'x', ledger_version + 1, "
        f"balance_cents - net_cents, now() FROM orders JOIN account ON account.id = account_id WHERE orders.id = {NEWEST}; "
        "UPDATE account SET balance_cents = balance_cents - net_cents, ledger_version = ledger_version + 1 "
        f"FROM orders WHERE orders.id = {NEWEST} AND account.id = account_id",
        {"M3"},
        {"M3"},
    ),
    "a charge of no order": (entry_set("order_id = NULL"), {"M3"}, {"M3"}),
    "a charge of an order that is not there": (entry_set("order_id = 999999"), {"M3"}, {"M3"}),
    "a credit of an order": (
        ENTRY + "SELECT account.id, 2, account.id, 5, 'credit', orders.id, 'x', ledger_version + 1, balance_cents + 5, "
        f"now() FROM orders JOIN account ON account.id = account_id WHERE orders.id = {NEWEST}; "
        "UPDATE account SET balance_cents = balance_cents + 5, ledger_version = ledger_version + 1 "
        f"WHERE id = {OWNER}",
        {"M3"},
        {"M3"},
    ),
    "another customer's order on an account": (
        order_set("account_id = (SELECT min(id) FROM account WHERE id > 1000)", RESTING),
        {"M3", "L2", "S1", "S3"},
        {"M3", "L2", "S1", "S3"},
    ),
    "a net that is not gross less discount": (
        order_set("gross_cents = gross_cents + 1"),
        {"M3", "M8"},
        {"M3", "M8"},
    ),
    "a key with two orders": (
        COPIED.format(key="'key-0'", hash="sha256('x')", username="'twin'", order=FREE)
        + "; UPDATE orders SET account_id = (SELECT account_id FROM orders WHERE idempotency_key = 'key-0' "
        "AND net_cents > 0) WHERE username = 'twin'",
        {"M4", "L2", "S3"},
        {"M4", "L2", "S3"},
    ),
    "a key without its request": (order_set("idempotency_key = 'lonely', request_hash = NULL"), {"M4"}, {"M4"}),
    "a reference on two entries": (
        f"UPDATE transfer SET reference = 'bank-1' WHERE account_id = {OWNER}",
        {"M4"},
        {"M4"},
    ),
    "a gap in the entries": (
        (
            f"UPDATE transfer SET version = version + 1 WHERE id = {CHARGE}; "
            f"UPDATE account SET ledger_version = (SELECT max(version) FROM transfer WHERE account_id = account.id) "
            f"WHERE id = {OWNER}"
        ),
        {"M6"},
        {"M6"},
    ),
    "a balance that does not follow": (entry_set("balance_after_cents = balance_after_cents + 1"), {"M6"}, {"M6"}),
    "an account that counts its entries wrong": (
        f"UPDATE account SET ledger_version = ledger_version + 1 WHERE id = {OWNER}",
        {"M6"},
        {"M6"},
    ),
    "a failed order that was not refunded": (
        (
            f"UPDATE transfer SET kind = 'credit', debit_account_id = 2, order_id = NULL WHERE order_id = {FAILED} "
            "AND kind = 'refund'"
        ),
        {"M7"},
        {"M7"},
    ),
    "a refund of an order that did not fail": (
        ENTRY + "SELECT account.id, 1, account.id, net_cents, 'refund', orders.id, 'x', ledger_version + 1, "
        f"balance_cents + net_cents, now() FROM orders JOIN account ON account.id = account_id WHERE orders.id = {NEWEST}; "
        "UPDATE account SET balance_cents = balance_cents + net_cents, ledger_version = ledger_version + 1 "
        f"FROM orders WHERE orders.id = {NEWEST} AND account.id = account_id",
        {"M7"},
        {"M7"},
    ),
    "a refund that came twice": (
        ENTRY + "SELECT account.id, 1, account.id, net_cents, 'refund', orders.id, 'x', ledger_version + 1, "
        f"balance_cents + net_cents, now() FROM orders JOIN account ON account.id = account_id WHERE orders.id = {FAILED}; "
        "UPDATE account SET balance_cents = balance_cents + net_cents, ledger_version = ledger_version + 1 "
        f"FROM orders WHERE orders.id = {FAILED} AND account.id = account_id",
        {"M7"},
        {"M7"},
    ),
    "a refund of no order": (
        f"UPDATE transfer SET order_id = NULL WHERE order_id = {FAILED} AND kind = 'refund'",
        {"M7"},
        {"M7"},
    ),
    "a price that the catalog does not give": (
        order_set("gross_cents = gross_cents - 1, discount_cents = discount_cents - 1", COUPON),
        {"M8"},
        {"M8"},
    ),
    "a discount without a code": (
        order_set("discount_code_id = NULL", COUPON),
        {"M8", "L1"},
        {"M8", "L1"},
    ),
    "a revision that never was": (order_set("catalog_revision = 99", FREE), {"M8"}, {"M8"}),
    "a code that counts too little": (
        f"UPDATE discount_code SET uses = uses - 1 WHERE id = (SELECT discount_code_id FROM orders WHERE id = {COUPON})",
        {"L1"},
        {"L1"},
    ),
    "an account's uses of a code that are not counted": (
        (
            f"DELETE FROM account_code WHERE (account_id, code_id) IN (SELECT account_id, discount_code_id FROM orders "
            f"WHERE id = {COUPON})"
        ),
        {"L1"},
        {"L1"},
    ),
    "a code beyond its uses": (
        (
            "UPDATE catalog_revision SET document = jsonb_set(document, '{discount_codes}', (SELECT jsonb_agg(CASE WHEN "
            "code ->> 'max_uses' IS NULL THEN code ELSE code || '{\"max_uses\": 0}' END) "
            "FROM jsonb_array_elements(document -> 'discount_codes') AS code))"
        ),
        {"L1"},
        {"L1"},
    ),
    "a code that is not in the catalog of its order": (
        "UPDATE catalog_revision SET document = jsonb_set(document, '{discount_codes}', '[]')",
        {"L1", "M8"},
        {"L1", "M8"},
    ),
    "a code beyond its uses by an account": (
        (
            "UPDATE catalog_revision SET document = jsonb_set(document, '{discount_codes}', (SELECT jsonb_agg("
            "code || '{\"max_uses_per_account\": 0}') FROM jsonb_array_elements(document -> 'discount_codes') AS code))"
        ),
        {"L1"},
        {"L1"},
    ),
    "a code beyond its ceiling": (
        (
            "UPDATE discount_code SET use_ceiling = 0 WHERE id = "
            f"(SELECT discount_code_id FROM orders WHERE id = {COUPON})"
        ),
        {"L1"},
        {"L1"},
    ),
    "a place in a limit that is not counted": (
        f"UPDATE account_plan SET orders = orders - 1 WHERE account_id = {OWNER}",
        {"L2"},
        {"L2"},
    ),
    "a limit that was passed": (
        (
            "UPDATE catalog_revision SET document = jsonb_set(document, '{plans}', (SELECT jsonb_agg("
            "plan || '{\"max_orders_per_account\": 1}') FROM jsonb_array_elements(document -> 'plans') AS plan))"
        ),
        {"L2"},
        {"L2"},
    ),
    "a status without its move": (order_set("status = 'inactive'"), {"S1"}, {"S1"}),
    "a delivery without its move": (f"DELETE FROM order_move WHERE order_id = {DELIVERED}", {"S1"}, {"S1"}),
    "a move that goes on from elsewhere": (
        moved(RESTING, "active", "inactive"),
        {"S1"},
        {"S1"},
    ),
    "a first move from nowhere": (
        f"UPDATE order_move SET from_status = 'exhausted' WHERE order_id = {DELIVERED}",
        {"S1"},
        {"S1"},
    ),
    "a move out of a final status": (
        moved(FAILED, "failed", "pending") + "; " + order_set("status = 'pending'", FAILED),
        {"M7", "L2", "S1"},
        {"M7", "L2", "S1"},
    ),
    "a move of another customer's": (
        f"UPDATE order_move SET account_id = (SELECT min(id) FROM account WHERE id > 1000) WHERE order_id = {DELIVERED}",
        {"S1"},
        {"S1"},
    ),
    "a move of no order": (moved(RESTING, "inactive", "active").replace(", id,", ", 999999,"), {"S1"}, {"S1"}),
    "an order that expired before its time": (
        moved(NEWEST, "active", "expired") + "; " + order_set("status = 'expired'"),
        {"S1"},
        {"S1"},
    ),
    "an order whose time has no end": (
        order_set("expires_at = NULL", "(SELECT max(id) FROM orders WHERE term IS NOT NULL AND status = 'active')"),
        {"S1"},
        {"S1"},
    ),
    "an account that was suspended without its move": (
        f"UPDATE account SET status = 'suspended' WHERE id = {OWNER}",
        {"S1"},
        {"S1"},
    ),
    "a move of an account to where it was": (
        (
            "INSERT INTO account_move (account_id, from_status, to_status, cause, actor, created_at) "
            f"VALUES ({OWNER}, 'active', 'active', 'x', 'x', now())"
        ),
        {"S1"},
        {"S1"},
    ),
    "a move of an account from where it was not": (
        (
            "INSERT INTO account_move (account_id, from_status, to_status, cause, actor, created_at) "
            f"VALUES ({OWNER}, 'suspended', 'active', 'x', 'x', now())"
        ),
        {"S1"},
        {"S1"},
    ),
    "an active order without a password": (order_set("password_sealed = NULL"), {"S2"}, {"S2"}),
    "an active order without its password's key": (order_set("sealing_key_id = NULL"), {"S2"}, {"S2"}),
    "a pending order with a username": (order_set("username = 'early'", PENDING), {"S2"}, {"S2"}),
    "a failed order with half of its credentials": (order_set("username = 'half'", FAILED), {"S2"}, {"S2"}),
    "a username that was given twice": (
        COPIED.format(key="NULL", hash="NULL", username="username", order=FREE),
        {"S2"},
        {"S2"},
    ),
    "an order without its meter": (f"DELETE FROM meter WHERE order_id = {NEWEST}", {"S3"}, {"S3"}),
    "a meter that holds more than was bought": (
        f"UPDATE meter SET initial_bytes = initial_bytes + 1 WHERE order_id = {NEWEST}",
        {"S3"},
        {"S3"},
    ),
    "more used than was bought": (
        f"UPDATE meter SET consumed_bytes = initial_bytes, leased_bytes = 1 WHERE order_id = {NEWEST}",
        {"S3", "S4", "S5"},
        {"S3", "S4", "S5"},
    ),
    "a lease below zero": (
        f"UPDATE meter SET leased_bytes = -1 WHERE order_id = {NEWEST}",
        {"S3", "S5"},
        {"S3", "S5"},
    ),
    "another customer's meter": (f"UPDATE meter SET account_id = 1 WHERE order_id = {NEWEST}", {"S3"}, {"S3"}),
    "bytes that are charged and in no hour": (
        f"UPDATE meter SET consumed_bytes = consumed_bytes + 1 WHERE order_id = {USED}",
        {"S4"},
        {"S4"},
    ),
    "bytes that passed and are not charged": (
        f"UPDATE usage_hour SET up_bytes = up_bytes + 1 WHERE order_id = {USED}",
        {"S4"},
        {"S4"},
    ),
    "usage on another account": (f"UPDATE usage_hour SET account_id = 1 WHERE order_id = {USED}", {"S4"}, {"S4"}),
    "usage below zero": (
        f"UPDATE usage_hour SET up_bytes = -5, down_bytes = up_bytes + down_bytes + 5 WHERE order_id = {USED}",
        {"S4"},
        {"S4"},
    ),
    "usage of no order": (
        "INSERT INTO usage_hour (order_id, hour, account_id, up_bytes) VALUES (999999, '2026-01-01Z', 1001, 1)",
        {"S4"},
        set(),
    ),
    "a lease that nobody holds": (f"DELETE FROM lease WHERE order_id = {USED}", {"S5"}, {"S5"}),
    "a lease larger than what is reserved": (
        f"UPDATE lease SET leased_bytes = leased_bytes + 1 WHERE order_id = {USED}",
        {"S5"},
        {"S5"},
    ),
    "a lease of a gateway that has ended": (
        f"UPDATE gateway SET ended_at = now() WHERE id = (SELECT gateway_id FROM lease WHERE order_id = {USED})",
        {"S5"},
        {"S5"},
    ),
    "an empty lease of a gateway that is not there": (
        f"INSERT INTO lease (gateway_id, order_id, account_id) SELECT 999999, order_id, account_id FROM meter WHERE order_id = {USED}",
        {"S5"},
        {"S5"},
    ),
    "a lease on another account": (f"UPDATE lease SET account_id = 1 WHERE order_id = {USED}", {"S5"}, {"S5"}),
    "a lost lease that no hour tells": (
        f"UPDATE usage_hour SET up_bytes = up_bytes + lost_bytes, lost_bytes = 0 WHERE order_id = {LOST}",
        {"S6"},
        {"S6"},
    ),
    "a lost byte that no gateway lost": (f"DELETE FROM lost_lease WHERE order_id = {LOST}", {"S6"}, {"S6"}),
    "a charge for a gateway that is not lost": (
        f"UPDATE gateway SET is_lost = false WHERE id = (SELECT gateway_id FROM lost_lease WHERE order_id = {LOST})",
        {"S6"},
        {"S6"},
    ),
    "a lost lease on another account": (
        f"UPDATE lost_lease SET account_id = 1 WHERE order_id = {LOST}",
        {"S6"},
        {"S6"},
    ),
    # Nothing that is new leads there: for the whole audit alone.
    "a meter of no order": ("INSERT INTO meter (order_id, account_id) VALUES (999999, 1001)", {"S3"}, set()),
}


@pytest.mark.parametrize("planted", BREACHES)
def test_a_breach_is_found_by_the_invariants_that_it_breaks(unguarded: Unguarded, planted: str) -> None:
    statements, by_whole, by_new = BREACHES[planted]
    whole, new = found(unguarded, statements)
    assert (set(whole), set(new)) == (by_whole, by_new)


def test_without_a_breach_nothing_is_found(unguarded: Unguarded) -> None:
    assert found(unguarded, "SELECT 1") == ({}, {})


def test_each_audited_invariant_is_broken_in_some_way() -> None:
    audited = {*("M1", "M2", "M3", "M4", "M6", "M7", "M8", "L1", "L2"), *("S1", "S2", "S3", "S4", "S5", "S6")}
    for form in (1, 2):
        assert {invariant for breach in BREACHES.values() for invariant in breach[form]} == audited
