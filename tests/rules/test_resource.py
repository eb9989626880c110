"""An order on the wire (contract, section 4)."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from novaproxy.accounts.model import Account
from novaproxy.catalog.resource import showcase
from novaproxy.catalog.rules import Chosen, asked_options
from novaproxy.http.wire import ENCODER, json_moment, json_second, stamp, whole_second
from novaproxy.money import AMOUNT_CEILING_CENTS
from novaproxy.orders.model import Order, OrderStatus
from novaproxy.orders.moves import status_at
from novaproxy.orders.resource import options_json, order_json, order_resource
from rule_cases import NOW, duration, listed, measured, select, sent, time, traffic

SHOWCASE = showcase(listed(traffic((2, "4.5075"), plan_id=5), time(duration(), plan_id=6)))
ACCOUNT = Account(1, UUID(int=9), "ada@example.com", "Ada", 93_20)
ORDER = Order(
    uuid=UUID("0197c000-0000-7000-8000-000000000001"),
    account_id=1,
    plan_id=5,
    status=OrderStatus.ACTIVE,
    gross_cents=19_99,
    discount_cents=2_00,
    net_cents=17_99,
    options=b"[]",
    username="abcdefghij01234",
    password="01234abcdefghij",
    initial_bytes=2 * 2**30,
    consumed_bytes=2**30 + 1,
    expires_at=None,
    created_at=datetime(2026, 1, 4, 21, 19, 12, tzinfo=UTC),
    updated_at=datetime(2026, 1, 4, 21, 19, 13, 45, tzinfo=UTC),
)
MEMBERS = [
    *("uuid", "username", "password", "initial_bandwidth_in_bytes", "remaining_bandwidth_in_bytes"),
    *("consumed_bandwidth_in_bytes", "expires_at", "status", "price", "plan", "duration_options", "created_at"),
    "updated_at",
]


def on_the_wire(order: Order, now: datetime = NOW, account: Account | None = None) -> dict[str, Any]:
    shown = json.loads(order_json(order, SHOWCASE, now, account), parse_float=Decimal)
    assert isinstance(shown, dict)
    return shown


def test_an_order_has_exactly_the_contracts_members() -> None:
    assert sorted(on_the_wire(ORDER)) == sorted(MEMBERS)
    assert sorted(on_the_wire(ORDER, account=ACCOUNT)) == sorted([*MEMBERS, "user"])


def test_an_order_of_traffic() -> None:
    shown = on_the_wire(ORDER, account=ACCOUNT)
    plan = shown.pop("plan")
    assert shown == {
        "uuid": "0197c000-0000-7000-8000-000000000001",
        "username": "abcdefghij01234",
        "password": "01234abcdefghij",
        "initial_bandwidth_in_bytes": 2147483648,
        "remaining_bandwidth_in_bytes": 1073741823,
        "consumed_bandwidth_in_bytes": 1073741825,
        "expires_at": None,
        "status": "active",
        "price": {"gross": Decimal("19.99"), "discount": 2, "net": Decimal("17.99")},
        "user": {"uuid": "00000000-0000-0000-0000-000000000009", "email": "ada@example.com", "name": "Ada"},
        "duration_options": [],
        "created_at": "2026-01-04T21:19:12.000000Z",
        "updated_at": "2026-01-04T21:19:13.000045Z",
    }
    assert (plan["id"], plan["slug"], plan["type"]) == (5, "traffic", "bandwidth")
    tier = plan["bandwidths"][0]
    assert (tier["bandwidth_in_bytes"], tier["price_per_gb"]) == (2**31, Decimal("4.5075"))


def test_an_order_of_time_is_unmetered() -> None:
    timed = replace(ORDER, plan_id=6, initial_bytes=None, consumed_bytes=5, expires_at=NOW.replace(microsecond=0))
    shown = on_the_wire(timed, NOW - timedelta(days=1))
    assert (shown["initial_bandwidth_in_bytes"], shown["remaining_bandwidth_in_bytes"]) == (None, None)
    assert shown["consumed_bandwidth_in_bytes"] == 5
    assert shown["expires_at"] == "2026-07-01T12:00:00Z"
    assert shown["plan"]["slug"] == "time"


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize(("late", "is_past"), [(-1, False), (0, True), (1, True)])
def test_a_read_never_shows_active_or_inactive_past_the_end(status: OrderStatus, late: int, *, is_past: bool) -> None:
    ends_at = NOW.replace(microsecond=0)
    order = replace(ORDER, status=status, expires_at=ends_at)
    runs = status in {OrderStatus.ACTIVE, OrderStatus.INACTIVE}
    shown = status_at(order.status, order.expires_at, ends_at + timedelta(microseconds=late))
    assert shown is (OrderStatus.EXPIRED if runs and is_past else status)
    assert status_at(order.status, None, NOW) is status
    assert order_resource(order, SHOWCASE, ends_at + timedelta(microseconds=late))["status"] is shown


@given(st.integers(0, AMOUNT_CEILING_CENTS), st.integers(0, AMOUNT_CEILING_CENTS))
def test_prices_are_exact_numbers_with_two_decimals_at_most(gross_cents: int, discount_cents: int) -> None:
    discount_cents = min(gross_cents, discount_cents)
    net_cents = gross_cents - discount_cents
    priced = replace(ORDER, gross_cents=gross_cents, discount_cents=discount_cents, net_cents=net_cents)
    text = order_json(priced, SHOWCASE, NOW).decode()
    price = json.loads(text, parse_float=Decimal)["price"]
    assert [Fraction(price[name]) * 100 for name in ("gross", "discount", "net")] == [
        gross_cents,
        discount_cents,
        net_cents,
    ]
    assert all(len(str(Decimal(amount)).partition(".")[2]) <= 2 for amount in price.values())


def test_the_resolved_options_are_written_as_sold() -> None:
    options = (
        measured("speed", "0.0333", step="0.5"),
        measured("threads", "1"),
        select("country", ("us", "1.50"), (7, "0")),
        select("zone", ("010", "0"), (7, "0")),
    )
    config = sent(config={"zone": 7, "country": "us", "threads": "100", "speed": "10.50"}).values["config"]
    chosen = asked_options(duration("1_week", "9", *options), config)
    written = options_json(chosen)
    assert json.loads(written, parse_float=Decimal) == [
        {"name": "speed", "label": "Speed", "value": Decimal("10.5"), "value_label": "10.5", "price": Decimal("0.35")},
        {"name": "threads", "label": "Threads", "value": 100, "value_label": "100", "price": 100},
        {"name": "country", "label": "Country", "value": "us", "value_label": "<us>", "price": Decimal("1.5")},
        {"name": "zone", "label": "Zone", "value": 7, "value_label": "<7>", "price": 0},
    ]
    assert b'"value":10.5,' in written
    assert b'"value":100,' in written
    assert options_json(()) == b"[]"


@given(st.text(max_size=20).filter(lambda text: text.isprintable()), st.text(min_size=1, max_size=8))
def test_any_text_of_the_catalog_is_json(label: str, value: str) -> None:
    written = options_json((Chosen("o", label, value.replace("\ud800", ""), label, 1),))
    assert json.loads(written)[0]["label"] == label


@pytest.mark.parametrize("microsecond", [0, 1, 500_000, 999_999])
@given(moment=st.datetimes(datetime.fromisoformat("1000-01-01"), timezones=st.just(UTC)))
def test_a_time_is_written_with_six_digits_or_with_none(microsecond: int, moment: datetime) -> None:
    moment = moment.replace(microsecond=microsecond)

    assert json.loads(ENCODER.encode(json_moment(moment))) == stamp(moment) == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert json.loads(ENCODER.encode(json_second(moment))) == whole_second(moment)
