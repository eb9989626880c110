"""The answer to an order: exactly the members of contract section 4, in create, get and list."""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from contract import Caller, catalog_with, placed
from metering import pass_bytes_of
from novaproxy.serving.logs import told_fault
from shop import Shop

CREATED = {
    *("uuid", "username", "password", "initial_bandwidth_in_bytes", "remaining_bandwidth_in_bytes"),
    *("consumed_bandwidth_in_bytes", "expires_at", "status", "price", "plan", "duration_options"),
    *("created_at", "updated_at"),
}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
WHOLE_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NAME = re.compile(r"[a-z0-9]{15}")

DATACENTER = {"plan": "datacenter", "duration": "1_week", "config": {"country": 7, "speed": "10.0"}}
BY_HAND = """
  - {slug: time-by-hand, name: T, type: duration, delivery: manual, durations: [{slug: 1_day, name: D, price: 3}]}
  - {slug: valid-by-hand, name: V, type: bandwidth, delivery: manual, validity: 2_weeks,
     bandwidths: [{bandwidth: 1, price_per_gb: 1}]}
"""


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    common_shop.apply_catalog(catalog_with(plans=BY_HAND))
    return Caller(common_shop, common_shop.buyer())


def shown(caller: Caller, uuid: str) -> dict[str, Any]:
    answer = caller.shop.http.get(f"/orders/{uuid}", headers=caller.buyer.headers)
    assert answer.status_code == 200
    order: dict[str, Any] = answer.json()
    return order


def listed(caller: Caller) -> list[dict[str, Any]]:
    answer = caller.shop.http.get("/orders", headers=caller.buyer.headers)
    assert answer.status_code == 200
    orders: list[dict[str, Any]] = answer.json()
    return orders


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "residential", "bandwidth": 2},
        {"plan": "residential", "bandwidth": 10, "discount_code": "ODD"},
        {"plan": "mobile", "bandwidth": 1},
        {"plan": "unlimited", "duration": "1_day"},
        DATACENTER,
        {"plan": "by-hand", "bandwidth": 1},
        {"plan": "free", "bandwidth": 1},
    ],
)
def test_an_order_has_exactly_these_members_in_create_get_and_list(caller: Caller, fields: dict[str, Any]) -> None:
    created = caller.places(fields)
    got = shown(caller, created["uuid"])
    newest = listed(caller)[0]

    assert set(created) == CREATED
    assert set(got) == set(newest) == CREATED | {"user"}
    assert got == newest
    user = got.pop("user")
    assert got == created
    assert set(user) == {"uuid", "email", "name"}
    assert user["email"] == caller.buyer.email
    assert UUID(user["uuid"]) == caller.shop.value("SELECT uuid FROM account WHERE id = $1", caller.buyer.account_id)
    assert isinstance(user["name"], str)


def test_an_order_of_a_bandwidth_plan_counts_bytes_and_does_not_expire(caller: Caller) -> None:
    order = caller.places({"plan": "residential", "bandwidth": 10})

    assert order["initial_bandwidth_in_bytes"] == order["remaining_bandwidth_in_bytes"] == 10_737_418_240
    assert order["consumed_bandwidth_in_bytes"] == 0
    assert order["expires_at"] is None
    assert order["duration_options"] == []
    assert order["status"] == "active"


def test_an_order_of_a_duration_plan_is_unmetered(caller: Caller) -> None:
    order = caller.places({"plan": "unlimited", "duration": "1_day"})

    assert order["initial_bandwidth_in_bytes"] is None
    assert order["remaining_bandwidth_in_bytes"] is None
    assert order["consumed_bandwidth_in_bytes"] == 0
    assert order["status"] == "active"
    assert order["duration_options"] == []


def test_what_was_consumed_no_longer_remains(caller: Caller) -> None:
    order = caller.places({"plan": "residential", "bandwidth": 2})
    pass_bytes_of(caller.shop, order["uuid"], 1000, leased=500)

    now = shown(caller, order["uuid"])

    assert now["consumed_bandwidth_in_bytes"] == 1000
    assert now["initial_bandwidth_in_bytes"] == 2 * 2**30
    assert now["remaining_bandwidth_in_bytes"] == 2 * 2**30 - 1000


def test_an_active_order_has_credentials_of_its_own(caller: Caller) -> None:
    orders = [caller.places({"plan": "free", "bandwidth": 1}) for _ in range(5)]

    for order in orders:
        assert NAME.fullmatch(order["username"])
        assert NAME.fullmatch(order["password"])
    assert len({order["username"] for order in orders} | {order["password"] for order in orders}) == 10


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "by-hand", "bandwidth": 1},
        {"plan": "valid-by-hand", "bandwidth": 1},
        {"plan": "time-by-hand", "duration": "1_day"},
    ],
)
def test_an_order_delivered_by_hand_is_pending_without_credentials(caller: Caller, fields: dict[str, Any]) -> None:
    order = caller.places(fields)

    assert order["status"] == "pending"
    assert order["username"] is order["password"] is order["expires_at"] is None
    assert order["price"]["net"] > 0


def test_a_uuid_is_a_lower_case_uuid_of_its_own(caller: Caller) -> None:
    uuids = [caller.places({"plan": "free", "bandwidth": 1})["uuid"] for _ in range(3)]

    assert [str(UUID(uuid)) for uuid in uuids] == uuids
    assert len(set(uuids)) == 3


def test_times_are_utc_in_the_documented_formats(caller: Caller) -> None:
    order = caller.places({"plan": "unlimited", "duration": "1_day"})

    assert STAMP.fullmatch(order["created_at"])
    assert order["updated_at"] == order["created_at"]
    assert WHOLE_SECOND.fullmatch(order["expires_at"])
    now = caller.shop.value("SELECT now()")
    assert abs((now - datetime.fromisoformat(order["created_at"])).total_seconds()) < 10


def test_a_time_without_a_fraction_still_shows_six_digits(caller: Caller) -> None:
    order = caller.places({"plan": "free", "bandwidth": 1})
    caller.shop.sql(
        "UPDATE orders SET updated_at = '2030-01-02 03:04:05+00', created_at = '2030-01-02 03:04:05+00' "
        "WHERE uuid = $1",
        UUID(order["uuid"]),
    )

    assert shown(caller, order["uuid"])["updated_at"] == "2030-01-02T03:04:05.000000Z"


def test_the_resolved_options_stand_in_plan_order_with_their_lines(caller: Caller) -> None:
    answer = caller.in_json(DATACENTER)

    assert placed(answer)["duration_options"] == [
        {"name": "speed", "label": "Speed", "value": 10, "value_label": "10", "price": 1},
        {"name": "country", "label": "Country", "value": 7, "value_label": "Germany", "price": 0},
    ]
    assert '"value":10,' in answer.text


def test_a_choice_that_is_text_stays_text(caller: Caller) -> None:
    config = {"country": "010", "speed": 100}
    order = caller.places({"plan": "datacenter", "duration": "1_week", "config": config})

    assert order["duration_options"][1] == {
        "name": "country",
        "label": "Country",
        "value": "010",
        "value_label": "Ten",
        "price": 0,
    }


def test_a_number_option_keeps_its_decimals_in_every_answer(caller: Caller) -> None:
    created = caller.in_json({"plan": "wide", "duration": "1_day", "config": {"size": "20.250"}})
    uuid = placed(created)["uuid"]
    got = caller.shop.http.get(f"/orders/{uuid}", headers=caller.buyer.headers)

    for answer in (created, got):
        (size,) = json.loads(answer.text, parse_float=Decimal)["duration_options"]
        assert size == {
            "name": "size",
            "label": "Size",
            "value": Decimal("20.25"),
            "value_label": "20.25",
            "price": Decimal("0.1"),
        }


def test_the_plan_of_an_order_is_the_plan_as_it_is_sold(caller: Caller) -> None:
    order = caller.places({"plan": "residential", "bandwidth": 2})

    assert order["plan"] == caller.shop.http.get("/plans/residential").json()


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0", ""])
def test_an_answer_is_json_whatever_is_accepted(caller: Caller, accept: str) -> None:
    answers = [
        caller.in_json({"plan": "free", "bandwidth": 1}, Accept=accept),
        caller.in_json({"plan": "nope"}, Accept=accept),
        caller.shop.http.get("/plans", headers={"Accept": accept}),
        caller.shop.http.get("/nowhere", headers={"Accept": accept}),
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 200, 404]
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}


def test_an_order_keeps_what_was_sold_when_the_catalog_changes(shop: Shop) -> None:
    caller = Caller(shop, shop.buyer())
    sold = [
        caller.places(fields) for fields in ({"plan": "mobile", "bandwidth": 3, "discount_code": "TEN"}, DATACENTER)
    ]
    changed = (
        catalog_with()
        .replace("price_per_gb: 8.00", "price_per_gb: 80.00")
        .replace("validity: 90_days", "validity: 1_day")
        .replace("name: Mobile", "name: Portable\n    active: false")
        .replace("label: Germany", "label: Deutschland, price: 9.00")
        .replace("percent: 10}", "percent: 50}")
        .replace("price: 9.00", "price: 99.00")
    )
    shop.apply_catalog(changed)

    now = [shown(caller, order["uuid"]) for order in sold]

    for before, after in zip(sold, now, strict=True):
        for member in CREATED - {"plan"}:
            assert after[member] == before[member]
    assert now[0]["plan"]["name"] == "Portable"
    assert now[0]["plan"]["bandwidths"][0]["price_per_gb"] == 80
    assert now[1]["plan"]["durations"][0]["price"] == 99
    assert shop.http.get("/plans/mobile").status_code == 404


def test_no_answer_with_a_password_is_kept_on_the_way(caller: Caller) -> None:
    http, headers = caller.shop.http, caller.buyer.headers
    made = caller.shop.order(caller.buyer, "kept", plan="mobile", bandwidth=1)
    again = caller.shop.order(caller.buyer, "kept", plan="mobile", bandwidth=1)
    assert again.headers["idempotent-replayed"] == "true"
    shown = [
        http.get(path, headers=headers) for path in ("/orders", "/orders?limit=1", f"/orders/{made.json()['uuid']}")
    ]
    for answer in (made, again, *shown):
        assert answer.json()
        assert answer.headers["cache-control"] == "no-store"


def test_an_order_with_a_damaged_password_is_a_500_alone_and_a_line_of_the_log_that_names_it(shop: Shop) -> None:
    buyer = shop.buyer()
    sound, damaged = (str(shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"]) for _ in range(2))
    shop.sql("UPDATE orders SET password_sealed = '\\x0001' WHERE uuid = $1", UUID(damaged))
    with capture_logs() as lines:
        assert shop.http.get(f"/orders/{damaged}", headers=buyer.headers).status_code == 500
    (line,) = lines
    assert line["event"] == "request failed"
    assert f"SealBroken: The password of the order {damaged} cannot be opened" in told_fault(line["exc_info"])
    assert shop.http.get(f"/orders/{sound}", headers=buyer.headers).status_code == 200


def test_a_list_leaves_out_orders_with_damaged_passwords_and_holds_all_others(shop: Shop) -> None:
    buyer = shop.buyer()
    uuids = [str(shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"]) for _ in range(6)][::-1]
    # The newest, two in the middle, the oldest: pages begin, go on and end with them.
    damaged = [uuids[0], uuids[2], uuids[3], uuids[5]]
    shop.sql("UPDATE orders SET password_sealed = '\\x0001' WHERE uuid = ANY ($1)", [UUID(uuid) for uuid in damaged])
    with capture_logs() as lines:
        listed = shop.http.get("/orders", headers=buyer.headers)
    assert (listed.status_code, [order["uuid"] for order in listed.json()]) == (200, [uuids[1], uuids[4]])
    assert all(order["password"] for order in listed.json())
    assert [line["order"] for line in lines] == damaged
    first = shop.http.get("/orders?limit=1", headers=buyer.headers)
    assert [order["uuid"] for order in first.json()] == [uuids[1]]
    rest = shop.http.get(first.links["next"]["url"], headers=buyer.headers)
    assert [order["uuid"] for order in rest.json()] == [uuids[4]]
    assert "next" not in rest.links
    shop.sql("UPDATE orders SET password_sealed = '\\x0001'")
    assert shop.http.get("/orders", headers=buyer.headers).json() == []
