"""The peers of the order rate write what the service writes, and a difference is told."""

from collections import Counter

import asyncpg
import pytest
from benchmarks.rate.rows import Added, Standing, differences, standing
from benchmarks.rate.start import prepare
from benchmarks.wire import BODY

from shop import Shop

ACCOUNTS, ORDERS = 20, 60
PLAIN = "SELECT place_one(sha256('bench-7'), 'residential', 2)"
WITH_CODE = "SELECT place_one_with_code(sha256('bench-7'), 'residential', 2, 'TEN', true)"
COUNTED_LAST = "SELECT place_one_with_code(sha256('bench-7'), 'residential', 2, 'TEN', false)"
BATCH = f"SELECT place_batch(8, {ACCOUNTS})"


@pytest.fixture
def loaded(shop: Shop) -> Shop:
    """A shop with the accounts and past orders of a benchmark, and its peers."""
    shop.order(shop.buyer(), plan="residential", bandwidth=2)  # the first one brings the sealing key
    prepare(shop.target, ACCOUNTS, ORDERS, with_code=True)
    return shop


def added_by(shop: Shop, orders: int, *, statement: str | None = None, body: bytes = BODY) -> Added:
    """Return what *statement*, or as many requests as orders, added; its rows are bought by the account 'bench-7'."""
    before, added = standing(shop.target), Added()
    if statement is not None:
        shop.sql(statement)
    else:
        headers = {"Authorization": "Bearer bench-7", "Content-Type": "application/json"}
        answers = [shop.http.post("/orders", content=body, headers=headers) for _ in range(orders)]
        assert [answer.status_code for answer in answers] == [201] * orders
    added.note(orders, before, standing(shop.target))
    return added


def test_one_order_of_the_peer_and_of_its_batches_adds_what_an_order_over_http_adds(loaded: Shop) -> None:
    sides = {
        "HTTP": added_by(loaded, 2),
        "peer": added_by(loaded, 1, statement=PLAIN),
        "batches": added_by(loaded, 8, statement=BATCH),
    }

    assert differences(sides) == []
    assert sides["peer"].told() == {
        "meter": 1,
        "orders": 1,
        "transfer": 1,
        "account.ledger_version": 1,
        "account_plan.orders": 1,
    }
    sold = loaded.sql(
        "SELECT DISTINCT gross_cents, discount_cents, net_cents, bandwidth_gb, status, term, options::text, expires_at"
        " FROM orders"
    )
    assert len(sold) == 1


def test_one_order_of_the_peer_with_a_code_adds_what_such_an_order_over_http_adds(loaded: Shop) -> None:
    body = BODY.replace(b"}", b',"discount_code":"TEN"}')

    sides = {
        "HTTP": added_by(loaded, 2, body=body),
        "peer": added_by(loaded, 1, statement=WITH_CODE),
        "peer, counting last": added_by(loaded, 1, statement=COUNTED_LAST),
    }

    assert differences(sides) == []
    assert sides["peer"].told()["discount_code.uses"] == sides["peer"].told()["account_code.uses"] == 1
    charged = loaded.sql("SELECT DISTINCT gross_cents, discount_cents FROM orders WHERE discount_code_id IS NOT NULL")
    assert len(charged) == 1


@pytest.mark.parametrize("statement", [WITH_CODE, COUNTED_LAST])
def test_a_peer_keeps_the_limit_of_a_code(loaded: Shop, statement: str) -> None:
    limited = statement.replace("TEN", "TRIO")
    for _ in range(3):
        loaded.sql(limited)

    with pytest.raises(asyncpg.RaiseError, match="used up"):
        loaded.sql(limited)
    assert loaded.value("SELECT uses FROM discount_code WHERE code = 'TRIO'") == 3


def test_a_peer_that_leaves_a_row_out_or_moves_a_counter_twice_is_told() -> None:
    nothing = Standing(Counter(), Counter(), Counter())
    whole, lazy = Added(), Added()
    whole.note(2, nothing, Standing(Counter(orders=2, meter=2), Counter({"account.ledger_version": 2}), Counter()))
    lazy.note(4, nothing, Standing(Counter(orders=4, meter=3), Counter({"account.ledger_version": 8}), Counter()))

    assert differences({"HTTP": whole, "peer": lazy}) == [
        "account.ledger_version: 1 an order by HTTP, 2 by peer",
        "meter: 1 an order by HTTP, 0.75 by peer",
    ]
