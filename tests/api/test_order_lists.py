"""``GET /orders`` and ``GET /orders/{uuid}`` (contract, section 4)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from contract import Caller, assert_refusal
from novaproxy.orders.model import OrderStatus
from shop import Shop

FREE = {"plan": "free", "bandwidth": 1}
MORE_THAN_A_PAGE = 510
"""The service reads its lists 500 rows at a time."""


@pytest.fixture
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer(balance_cents=100_00))


@pytest.fixture(scope="module")
def collector(common_shop: Shop) -> Caller:
    """A buyer of many orders."""
    buyer = Caller(common_shop, common_shop.buyer())
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(buyer.places, [FREE] * MORE_THAN_A_PAGE):
            pass
    return buyer


def get(caller: Caller, path: str) -> httpx.Response:
    return caller.shop.http.get(path, headers=caller.buyer.headers)


def uuids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    orders = response.json()
    assert isinstance(orders, list)
    return [order["uuid"] for order in orders]


def newest_first(caller: Caller) -> list[str]:
    """Return the uuids of the buyer's orders as the contract orders them."""
    rows = caller.shop.sql(
        "SELECT uuid FROM orders WHERE account_id = $1 ORDER BY created_at DESC, id DESC",
        caller.buyer.account_id,
    )
    return [str(row["uuid"]) for row in rows]


def pages(caller: Caller, path: str) -> Iterator[list[str]]:
    """Walk from page to page as the Link headers lead."""
    while True:
        response = get(caller, path)
        yield uuids(response)
        if "Link" not in response.headers:
            return
        assert set(response.links) == {"next"}
        path = response.links["next"]["url"]


# --- one order --------------------------------------------------------------------------------------------------------


def test_an_order_is_shown_to_its_buyer_alone(caller: Caller) -> None:
    uuid = caller.places(FREE)["uuid"]
    other = Caller(caller.shop, caller.shop.buyer())

    assert get(caller, f"/orders/{uuid}").json()["uuid"] == uuid
    assert_refusal(get(other, f"/orders/{uuid}"), 404, "Order not found.", "order_not_found")
    assert uuids(get(other, "/orders")) == []


@pytest.mark.parametrize(
    "written",
    [
        *("9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f", "00000000-0000-0000-0000-000000000000", "1", "0", "-1", "1001"),
        *("%00", "%C3%A9", "%F0%9F%98%80", "%FF", "%ED%A0%80", "null", "undefined", "%2e%2e%5c", "x" * 2000),
        *("9bdfe2d62c9a4f7e9e8c1a2b3c4d5e6f", "{9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f}", "urn:uuid:9bdfe2d6"),
        *("9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6", "9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6g", "%D9%A1", "1e400"),
        *("9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f%0A", "%209bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f", "'%20OR%201=1--"),
    ],
    ids=lambda written: written[:40],
)
def test_every_other_name_of_an_order_is_the_same_404(collector: Caller, written: str) -> None:
    assert_refusal(get(collector, f"/orders/{written}"), 404, "Order not found.", "order_not_found")


def test_an_order_is_not_found_by_its_number(caller: Caller) -> None:
    caller.places(FREE)
    number = caller.shop.value("SELECT max(id) FROM orders WHERE account_id = $1", caller.buyer.account_id)

    assert_refusal(get(caller, f"/orders/{number}"), 404, "Order not found.", "order_not_found")


# --- the whole list ---------------------------------------------------------------------------------------------------


def test_a_list_without_orders_is_an_empty_array(caller: Caller) -> None:
    response = get(caller, "/orders")

    assert (response.status_code, response.json()) == (200, [])
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Request-Id"]


def test_orders_are_listed_newest_first(caller: Caller) -> None:
    placed = [caller.places(FREE)["uuid"] for _ in range(5)]

    assert uuids(get(caller, "/orders")) == placed[::-1]


def test_orders_of_the_same_moment_are_listed_by_id(caller: Caller) -> None:
    placed = [caller.places(FREE)["uuid"] for _ in range(7)]
    caller.shop.sql(
        "UPDATE orders SET created_at = '2026-01-04 21:19:12.5+00' WHERE account_id = $1",
        caller.buyer.account_id,
    )

    assert uuids(get(caller, "/orders")) == placed[::-1]
    assert [uuid for page in pages(caller, "/orders?limit=2") for uuid in page] == placed[::-1]


def test_a_list_is_whole_without_a_limit(collector: Caller) -> None:
    response = get(collector, "/orders")

    assert len(uuids(response)) == MORE_THAN_A_PAGE
    assert uuids(response) == newest_first(collector)
    assert "Link" not in response.headers


@pytest.mark.parametrize(
    "query", ["page=2", "per_page=1", "offset=5", "sort=price", "plan=mobile", "limits=1", "%FF=1"]
)
def test_other_query_parameters_are_ignored(caller: Caller, query: str) -> None:
    placed = [caller.places(FREE)["uuid"] for _ in range(3)]

    assert uuids(get(caller, f"/orders?{query}")) == placed[::-1]


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "page_count"), [(100, 6), (255, 2), (509, 2), (510, 1), (1000, 1), (85, 6)])
def test_a_walk_sees_every_order_once(collector: Caller, limit: int, page_count: int) -> None:
    walked = list(pages(collector, f"/orders?limit={limit}"))

    assert [uuid for page in walked for uuid in page] == newest_first(collector)
    assert len(walked) == page_count
    assert all(len(page) == limit for page in walked[:-1])


def test_a_walk_sees_each_order_once_while_new_ones_arrive(caller: Caller) -> None:
    before = [caller.places(FREE)["uuid"] for _ in range(9)]
    walked: list[str] = []
    for page in pages(caller, "/orders?limit=2"):
        walked += page
        caller.places(FREE)
        caller.places(FREE)

    assert walked == before[::-1]


def test_a_page_shows_what_the_list_shows(caller: Caller) -> None:
    for _ in range(3):
        caller.places({"plan": "datacenter", "duration": "1_week", "config": {"speed": 1, "country": "us"}})

    assert get(caller, "/orders?limit=1000").json() == get(caller, "/orders").json()


@pytest.mark.parametrize(
    "limit",
    ["0", "1001", "abc", "-1", "1.5", "", "%2B5", "1e2", "%D9%A1", "9" * 5000, "5%00", "%20", "%C2%B2", "0x5", "null"],
    ids=lambda limit: limit[:10],
)
def test_a_limit_is_an_integer_from_1_to_1000(caller: Caller, limit: str) -> None:
    for path in ("/orders", "/balance/entries"):
        assert_refusal(
            get(caller, f"{path}?limit={limit}"),
            422,
            "The limit must be an integer from 1 to 1000.",
            "limit_not_valid",
        )


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "MA", "%00", "%FF", "LjE", "MC4x" + "A" * 3000, "OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE", "LTEuLTE", "4pyT"],
    ids=lambda cursor: cursor[:12],
)
def test_a_changed_address_of_the_next_page_is_no_fault_of_ours(caller: Caller, cursor: str) -> None:
    for path in ("/orders", "/balance/entries"):
        assert get(caller, f"{path}?limit=2&cursor={cursor}").status_code in {200, 422}


# --- by status --------------------------------------------------------------------------------------------------------


def test_a_list_may_be_of_one_status(caller: Caller) -> None:
    active = [caller.places(FREE)["uuid"] for _ in range(3)]
    pending = [caller.places({"plan": "by-hand", "bandwidth": 1})["uuid"] for _ in range(3)]
    found: dict[str, list[str]] = {"active": active[::-1], "pending": pending[::-1]}

    for status in OrderStatus:
        assert uuids(get(caller, f"/orders?status={status}")) == found.get(status, [])


def test_a_walk_keeps_its_status(caller: Caller) -> None:
    kinds: list[dict[str, Any]] = [FREE, {"plan": "by-hand", "bandwidth": 1}] * 5
    placed = [caller.places(fields) for fields in kinds]

    walked = [uuid for page in pages(caller, "/orders?status=pending&limit=2") for uuid in page]

    assert walked == [order["uuid"] for order in placed[::-1] if order["status"] == "pending"]


def test_every_documented_status_can_be_asked_for(caller: Caller) -> None:
    documented = "awaiting_payment active inactive expired exhausted pending failed invoice_expired"

    assert {status.value for status in OrderStatus} == set(documented.split())
    for status in documented.split():
        assert get(caller, f"/orders?status={status}").status_code == 200


@pytest.mark.parametrize(
    "status", ["unknown", "ACTIVE", "active%00", "activ%C3%A9", "%20active", "active,pending", "1"]
)
def test_an_unknown_status_is_refused(caller: Caller, status: str) -> None:
    response = get(caller, f"/orders?status={status}")

    assert response.status_code == 422
    assert set(response.json()) == {"error"}
    assert response.headers["X-Error-Code"] == "status_unknown"
