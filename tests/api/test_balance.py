"""``GET /balance`` and ``GET /balance/entries`` (contract, section 6)."""

import json
import re
from decimal import Decimal
from typing import Any

import httpx
import pytest

from contract import Caller
from novaproxy.database.pool import SoleConnection
from novaproxy.ledger.store import Adjustment, adjust
from shop import Shop

MEMBERS = {"amount", "balance_after", "kind", "order_uuid", "reason", "created_at"}


@pytest.fixture
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer(balance_cents=100_00))


def get(caller: Caller, path: str) -> httpx.Response:
    response = caller.shop.http.get(path, headers=caller.buyer.headers)
    assert response.status_code == 200, response.text
    return response


def entries(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(get(caller, f"/balance/entries{query}").text, parse_float=Decimal)
    return found


def adjusted(caller: Caller, kind: Adjustment, amount_cents: int, reason: str) -> None:
    async def done(connection: SoleConnection) -> None:
        async with connection.transaction():
            account_id = caller.buyer.account_id
            await adjust(connection, account_id, kind, amount_cents, reason=reason, reference=None, actor="test")

    caller.shop.run(done)


@pytest.mark.parametrize(
    ("balance_cents", "written"),
    [(0, "0"), (1, "0.01"), (10, "0.1"), (93_20, "93.2"), (19_99, "19.99"), (500_00, "500")],
)
def test_the_balance_is_a_number_in_the_currency(common_shop: Shop, balance_cents: int, written: str) -> None:
    text = get(Caller(common_shop, common_shop.buyer(balance_cents)), "/balance").text

    assert json.loads(text, parse_float=Decimal) == {"balance": Decimal(written), "currency": "USD"}
    assert re.search(r'"balance":\s*[0-9]+(\.[0-9]{1,2})?,', text)


def test_the_greatest_balance_is_exact(common_shop: Shop) -> None:
    text = get(Caller(common_shop, common_shop.buyer(999_999_999_999)), "/balance").text

    assert '"balance":9999999999.99,' in text


def test_a_new_account_has_no_entries(common_shop: Shop) -> None:
    assert entries(Caller(common_shop, common_shop.buyer(balance_cents=0))) == []


def test_entries_tell_every_movement_newest_first_and_sum_to_the_balance(caller: Caller) -> None:
    order = caller.places({"plan": "residential", "bandwidth": 10, "discount_code": "ODD"})
    caller.places({"plan": "free", "bandwidth": 1})
    adjusted(caller, Adjustment.DEBIT, 7_01, "fee")
    adjusted(caller, Adjustment.CREDIT, 5, "gift")

    found = entries(caller)

    assert all(set(entry) == MEMBERS for entry in found)
    assert [(entry["kind"], entry["amount"], entry["balance_after"]) for entry in found] == [
        ("credit", Decimal("0.05"), Decimal("62.99")),
        ("debit", Decimal("-7.01"), Decimal("62.94")),
        ("charge", Decimal("-30.05"), Decimal("69.95")),
        ("credit", 100, 100),
    ]
    assert [entry["order_uuid"] for entry in found] == [None, None, order["uuid"], None]
    assert [entry["reason"] for entry in found] == ["gift", "fee", None, "test"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["created_at"]) for entry in found)
    assert found[2]["created_at"] == order["created_at"]
    balance = json.loads(get(caller, "/balance").text, parse_float=Decimal)["balance"]
    assert sum(entry["amount"] for entry in found) == balance == Decimal("62.99")


def test_entries_are_the_callers_own(caller: Caller) -> None:
    other = Caller(caller.shop, caller.shop.buyer(balance_cents=1_00))

    assert [entry["amount"] for entry in entries(other)] == [1]


def test_a_walk_through_the_entries_sees_each_once_while_new_ones_arrive(caller: Caller) -> None:
    for plan in ["limited"] * 2 + ["mobile"] * 6:
        caller.places({"plan": plan, "bandwidth": 1})
    before = entries(caller)
    walked: list[dict[str, Any]] = []
    path = "/balance/entries?limit=2"
    while path:
        response = get(caller, path)
        walked += json.loads(response.text, parse_float=Decimal)
        path = response.links["next"]["url"] if "next" in response.links else ""
        caller.places({"plan": "by-hand", "bandwidth": 1})

    assert walked == before
    assert "Link" not in get(caller, "/balance/entries").headers


def test_a_list_of_entries_longer_than_a_page_is_whole(caller: Caller) -> None:
    async def many(connection: SoleConnection) -> None:
        async with connection.transaction():
            for number in range(520):
                await adjust(
                    connection,
                    caller.buyer.account_id,
                    Adjustment.CREDIT,
                    1 + number,
                    reason=str(number),
                    reference=None,
                    actor="test",
                )

    caller.shop.run(many)
    found = entries(caller)

    assert [entry["reason"] for entry in found] == [*map(str, reversed(range(520))), "test"]
    assert sum(entry["amount"] for entry in found) == found[0]["balance_after"]
    assert entries(caller, "?limit=1000") == found
