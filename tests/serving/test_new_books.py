"""The audit of what is new: it finds what came, skips nothing, goes on where it was, and passes no breach."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from novaproxy.database.pool import Target, opened_connection
from novaproxy.duties.books import audit_books, audit_new_books
from novaproxy.duties.figures import read_figures
from novaproxy.ledger.audit_new import Mark, audit_new, read_mark, settled_mark
from novaproxy.metrics.figures import Metrics
from shop import Buyer, Shop


def newest_run(shop: Shop) -> dict[str, Any]:
    """Return what the newest audit wrote down."""
    (row,) = shop.sql("SELECT form, breaches, covered::text AS covered FROM audit_run ORDER BY id DESC LIMIT 1")
    return row


def bought(shop: Shop, buyer: Buyer) -> None:
    """Place an order of 8.00."""
    assert shop.order(buyer, plan="mobile", bandwidth=1).status_code == 201


def test_before_the_first_whole_audit_nothing_is_new(shop: Shop) -> None:
    bought(shop, shop.buyer())
    shop.run(audit_new_books)
    assert shop.value("SELECT count(*) FROM audit_run") == 0


def test_what_came_since_the_last_audit_is_looked_at_once(shop: Shop) -> None:
    buyer = shop.buyer()
    bought(shop, buyer)
    shop.run(audit_books)
    bought(shop, buyer)
    shop.run(audit_new_books)
    assert newest_run(shop) == {"form": "new", "breaches": 0, "covered": '{"orders": 1, "entries": 1, "accounts": 1}'}
    # The mark is in the database: another process goes on from it.
    shop.run(audit_new_books)
    assert newest_run(shop)["covered"] == '{"orders": 0, "entries": 0, "accounts": 0}'
    metrics = Metrics("0")
    shop.run(lambda connection: read_figures(connection, metrics))
    assert 'novaproxy_audit_covered{rows="orders"} 0.0' in metrics.exposed().decode()


def test_a_breach_is_told_again_until_it_is_mended(database: Target, shop: Shop) -> None:
    assert shop.target == database
    buyer = shop.buyer()
    shop.run(audit_books)
    bought(shop, buyer)
    shop.sql("UPDATE account SET balance_cents = balance_cents + 1 WHERE id = $1", buyer.account_id)
    with capture_logs() as lines:
        shop.run(audit_new_books)
        shop.run(audit_new_books)
    assert [(line["log_level"], line["form"], line["invariant"]) for line in lines] == [("critical", "new", "M1")] * 2
    shop.sql("UPDATE account SET balance_cents = balance_cents - 1 WHERE id = $1", buyer.account_id)
    shop.run(audit_new_books)
    assert newest_run(shop)["breaches"] == 0


def test_an_id_that_commits_after_a_higher_one_is_not_skipped(shop: Shop) -> None:
    early, late = shop.buyer(), shop.buyer()
    shop.run(audit_books)

    async def overtaken() -> tuple[Mark | None, Mark | None, int]:
        slow, auditor = [await opened_connection(shop.target) for _ in range(2)]
        try:
            transaction = slow.transaction()
            await transaction.start()
            # It draws its id, and waits; one that draws the next id commits at once.
            await slow.execute(CREDIT, late.account_id)
            await asyncio.to_thread(shop.sql, CREDIT, early.account_id)
            since = await read_mark(auditor)
            assert since is not None
            unsettled = await settled_mark(auditor, wait_seconds=0.2)
            waiting = asyncio.create_task(settled_mark(auditor))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await transaction.commit()
            settled = await waiting
            async with auditor.transaction(isolation="repeatable_read"):
                _, covered = await audit_new(auditor, since)
            return unsettled, settled, covered.entries
        finally:
            await slow.close()
            await auditor.close()

    unsettled, settled, entries = asyncio.run(overtaken())
    assert unsettled is None
    assert settled is not None
    assert settled.transfer_id == shop.value("SELECT max(id) FROM transfer")
    assert entries == 2


def test_who_only_reads_is_not_waited_for(shop: Shop) -> None:
    async def settled() -> Mark | None:
        reader, auditor = [await opened_connection(shop.target) for _ in range(2)]
        try:
            async with reader.transaction(isolation="repeatable_read"):
                await reader.fetch("SELECT count(*) FROM transfer")
                return await settled_mark(auditor, wait_seconds=0.2)
        finally:
            await reader.close()
            await auditor.close()

    assert asyncio.run(settled()) is not None


def test_while_a_writer_does_not_end_the_mark_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaproxy.ledger.audit_new.settled_mark.__defaults__", (0.1,))
    buyer, other = shop.buyer(), shop.buyer()
    shop.run(audit_books)
    before = shop.run(read_mark)
    bought(shop, buyer)

    async def audited() -> None:
        slow, auditor = [await opened_connection(shop.target) for _ in range(2)]
        try:
            async with slow.transaction():
                await slow.execute(CREDIT, other.account_id)
                await audit_new_books(auditor)
        finally:
            await slow.close()
            await auditor.close()

    asyncio.run(audited())
    assert newest_run(shop)["covered"] == '{"orders": 1, "entries": 1, "accounts": 1}'
    assert shop.run(read_mark) == before
    shop.run(audit_new_books)
    assert newest_run(shop)["covered"] == '{"orders": 1, "entries": 2, "accounts": 2}'


CREDIT = """
WITH raised AS (
    UPDATE account SET balance_cents = balance_cents + 5, ledger_version = ledger_version + 1 WHERE id = $1
    RETURNING id, ledger_version, balance_cents
)
INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, actor, version,
                      balance_after_cents, created_at)
SELECT id, 2, id, 5, 'credit', 'test', ledger_version, balance_cents, now() FROM raised
"""
