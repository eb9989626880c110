"""``GET /orders`` and ``GET /orders/{uuid}`` (contract, section 4)."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from contract import Caller, assert_refusal
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection
from novaproxy.http.lists import PART_ROWS
from novaproxy.orders.model import OrderStatus
from novaproxy.seeding.accounts import seed_accounts
from novaproxy.seeding.orders import Past, seed_orders
from novaproxy.seeding.tokens import TokenFile
from services import Service, on_database, within
from shop import SEALING_KEY, Buyer, Shop

FREE = {"plan": "free", "bandwidth": 1}
MORE_THAN_A_PART = 10 * PART_ROWS + 10
"""The service reads its lists in parts."""

MANY = 10_000


@pytest.fixture
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer(balance_cents=100_00))


@pytest.fixture(scope="module")
def collector(common_shop: Shop) -> Caller:
    """A buyer of many orders."""
    buyer = Caller(common_shop, common_shop.buyer())
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(buyer.places, [FREE] * MORE_THAN_A_PART):
            pass
    return buyer


@pytest.fixture(scope="module")
def great_collector(common_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    """A buyer of ten thousand past orders, and with credit for more."""
    path = tmp_path_factory.mktemp("great") / "token"

    async def seeded(connection: SoleConnection) -> None:
        with TokenFile(path, pytest.fail) as file:
            await seed_accounts(connection, 1, 100_00, file, lambda _: None)
        sealer = await registered_sealer(connection, SEALING_KEY)
        await seed_orders(connection, Past(MANY, 90, 1), sealer, lambda _: None)

    common_shop.run(seeded)
    email, token = path.read_text().split()
    account_id = common_shop.value("SELECT id FROM account WHERE email = $1", email)
    return Caller(common_shop, Buyer(account_id, email, token))


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
        "UPDATE orders SET created_at = '2026-01-04 21:19:12.5+00', updated_at = '2026-01-04 21:19:12.5+00' "
        "WHERE account_id = $1",
        caller.buyer.account_id,
    )

    assert uuids(get(caller, "/orders")) == placed[::-1]
    assert [uuid for page in pages(caller, "/orders?limit=2") for uuid in page] == placed[::-1]


def test_a_list_is_whole_without_a_limit(collector: Caller) -> None:
    response = get(collector, "/orders")

    assert len(uuids(response)) == MORE_THAN_A_PART
    assert uuids(response) == newest_first(collector)
    assert "Link" not in response.headers


@pytest.mark.parametrize(
    "query", ["page=2", "per_page=1", "offset=5", "sort=price", "plan=mobile", "limits=1", "%FF=1"]
)
def test_other_query_parameters_are_ignored(caller: Caller, query: str) -> None:
    placed = [caller.places(FREE)["uuid"] for _ in range(3)]

    assert uuids(get(caller, f"/orders?{query}")) == placed[::-1]


# --- a long list ------------------------------------------------------------------------------------------------------


def test_ten_thousand_orders_arrive_once_each_while_new_ones_come(great_collector: Caller) -> None:
    before = newest_first(great_collector)
    http, headers = great_collector.shop.http, great_collector.buyer.headers
    body = b""
    with http.stream("GET", "/orders", headers=headers) as response:
        for count, part in enumerate(response.iter_raw(65_536)):
            body += part
            if count % 20 == 0:
                great_collector.places(FREE)
    assert len(before) == MANY
    assert [order["uuid"] for order in json.loads(body)] == before


def test_others_are_served_while_a_reader_has_stopped(great_collector: Caller, caller: Caller) -> None:
    before = newest_first(great_collector)
    with stopped_reader(great_collector) as line:
        for _ in range(5):
            assert get(caller, "/balance").status_code == 200
            caller.places(FREE)
            great_collector.places(FREE)
            assert len(uuids(get(great_collector, "/orders?limit=1000"))) == 1000
        with HTTPResponse(line) as response:
            response.begin()
            assert [order["uuid"] for order in json.loads(response.read())] == before


def test_a_reader_who_left_is_read_for_no_longer(great_collector: Caller) -> None:
    target = great_collector.shop.target
    with Service(on_database(target) | {"NOVAPROXY_ACCESS_LOG": "on"}) as service:
        with stopped_reader(great_collector, service.address):
            pass
        within(10, lambda: "path=/orders" in service.log(), "the end of the request")
        (line,) = [line for line in service.log().splitlines() if "path=/orders" in line]
    whole_bytes = len(get(great_collector, "/orders").content)
    assert int(line.partition("sent_bytes=")[2].split()[0]) < whole_bytes / 4


@contextmanager
def stopped_reader(caller: Caller, address: str | None = None) -> Iterator[socket.socket]:
    """Give a connection on which the whole list was asked for and nothing is read."""
    place = urlsplit(address or caller.shop.address)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.settimeout(30)
        line.connect((place.hostname, place.port))
        token = caller.buyer.headers["Authorization"]
        line.sendall(f"GET /orders HTTP/1.1\r\nHost: shop\r\nAuthorization: {token}\r\n\r\n".encode())
        # Peeked at: it has begun.
        assert line.recv(1, socket.MSG_PEEK)
        yield line


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "page_count"), [(100, 6), (255, 2), (509, 2), (510, 1), (1000, 1), (85, 6), (49, 11)]
)
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
