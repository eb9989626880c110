"""When an order ends (contract, section 4, ``expires_at``), and that a read never shows it running past that."""

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contract import Caller, catalog_with
from shop import Shop

FIXED = {
    "1_minute": timedelta(minutes=1),
    "90_minutes": timedelta(minutes=90),
    "5_hours": timedelta(hours=5),
    "1_day": timedelta(days=1),
    "30_days": timedelta(days=30),
    "3_weeks": timedelta(weeks=3),
    "1_minutes": timedelta(minutes=1),
}
CALENDAR = {"1_month": 1, "7_months": 7, "14_months": 14, "1_year": 12, "10_years": 120}
PLANS = """
  - slug: any-time
    name: Any time
    type: duration
    durations:
""" + "".join(f"      - {{slug: {slug}, name: N, price: 0}}\n" for slug in (*FIXED, *CALENDAR))
VALID = "".join(
    f"  - {{slug: valid-{slug}, name: V, type: bandwidth, validity: {slug}, "
    "bandwidths: [{bandwidth: 1, price_per_gb: 0}]}\n"
    for slug in (*FIXED, *CALENDAR)
)


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    common_shop.apply_catalog(catalog_with(plans=PLANS + VALID))
    return Caller(common_shop, common_shop.buyer())


def asks_for(slug: str) -> list[dict[str, Any]]:
    return [{"plan": "any-time", "duration": slug}, {"plan": f"valid-{slug}", "bandwidth": 1}]


def begins_at(order: dict[str, Any]) -> datetime:
    """Return the activation, rounded up to the whole second."""
    created_at = datetime.fromisoformat(order["created_at"])
    whole = created_at.replace(microsecond=0)
    return whole if whole == created_at else whole + timedelta(seconds=1)


@pytest.mark.parametrize("slug", FIXED)
def test_minutes_to_weeks_are_fixed_seconds(caller: Caller, slug: str) -> None:
    for fields in asks_for(slug):
        order = caller.places(fields)
        assert order["expires_at"] == (begins_at(order) + FIXED[slug]).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("slug", CALENDAR)
def test_months_and_years_are_calendar_ones(caller: Caller, slug: str) -> None:
    for fields in asks_for(slug):
        order = caller.places(fields)
        begins = begins_at(order)
        months = begins.year * 12 + begins.month - 1 + CALENDAR[slug]
        year, month = months // 12, months % 12 + 1
        day = min(begins.day, monthrange(year, month)[1])
        assert order["expires_at"] == f"{year}-{month:02}-{day:02}T{begins:%H:%M:%S}Z"


def test_a_plan_without_validity_never_expires(caller: Caller) -> None:
    assert caller.places({"plan": "free", "bandwidth": 1})["expires_at"] is None


def outlived(caller: Caller, status: str) -> str:
    """Return the uuid of an order in *status* whose time ran out a moment ago."""
    order = caller.places({"plan": "any-time", "duration": "1_day"})
    uuid = UUID(order["uuid"])
    if status != "active":
        caller.shop.sql(
            "INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at) "
            "SELECT account_id, id, 'active', $2, 'test', 'test', updated_at FROM orders WHERE uuid = $1",
            uuid,
            status,
        )
    caller.shop.sql(
        "UPDATE orders SET status = $2, expires_at = date_trunc('second', now()) WHERE uuid = $1",
        uuid,
        status,
    )
    return str(uuid)


@pytest.mark.parametrize("status", ["active", "inactive"])
def test_an_order_past_its_end_is_shown_as_expired(caller: Caller, status: str) -> None:
    uuid = outlived(caller, status)
    http, headers = caller.shop.http, caller.buyer.headers

    def listed(query: str) -> dict[str, str]:
        return {order["uuid"]: order["status"] for order in http.get(f"/orders{query}", headers=headers).json()}

    shown = http.get(f"/orders/{uuid}", headers=headers).json()
    assert shown["status"] == "expired"
    assert shown["username"] is not None
    assert shown["password"] is not None
    for query in ("", "?limit=1000", "?status=expired", "?status=expired&limit=1000"):
        assert listed(query)[uuid] == "expired"
    for query in ("?status=active", "?status=inactive", f"?status={status}&limit=1000"):
        assert uuid not in listed(query)


def test_an_order_is_active_until_its_end(caller: Caller) -> None:
    order = caller.places({"plan": "any-time", "duration": "1_minute"})
    shown = caller.shop.http.get(f"/orders/{order['uuid']}", headers=caller.buyer.headers).json()

    assert shown["status"] == "active"
