"""The examples of the description, made by the code that makes the real answers: they cannot say anything else."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, TypeAlias
from uuid import UUID

from novaproxy.accounts.model import Account
from novaproxy.catalog.listing import listing
from novaproxy.catalog.model import (
    Catalog,
    DiscountCode,
    Duration,
    Option,
    OptionType,
    Plan,
    PlanType,
    Protocol,
    Rotation,
    Tier,
)
from novaproxy.catalog.resource import BYTES_PER_GB, showcase
from novaproxy.catalog.rules import Chosen, asked_options, bandwidth_price_cents, duration_price_cents, expiry
from novaproxy.discounts.rules import taken_off_cents
from novaproxy.http.wire import ENCODER, stamp
from novaproxy.money import json_cents
from novaproxy.orders.model import Order, OrderStatus
from novaproxy.orders.resource import options_json, order_json
from novaproxy.usage.period import Interval, Period
from novaproxy.usage.reading import Usage, Used, shown_usage
from novaproxy.whitelist.model import ListedAddress
from novaproxy.whitelist.resource import shown_address

Examples: TypeAlias = dict[str, dict[str, Any]]
"""Examples by name, each with a summary and a value, as OpenAPI has them."""

_PLACED_AT = datetime(2026, 1, 4, 21, 19, 12, tzinfo=UTC)
_GATEWAY = (Protocol("http", "proxy.example.com", 12321), Protocol("socks5", "proxy.example.com", 12322))
_RESIDENTIAL = Plan(
    slug="residential",
    name="Residential",
    type=PlanType.BANDWIDTH,
    has_geo_targeting=True,
    rotations=(
        Rotation("rotating", "New address for every request"),
        Rotation("sticky", "Same address for up to 30 minutes"),
    ),
    protocols=_GATEWAY,
    tiers=(Tier(1, 50_000, id=1), Tier(10, 45_000, id=2)),
    id=1,
)
_SPEED = Option(
    "speed",
    "Speed in Mbit/s",
    OptionType.RANGE,
    min=Decimal(1),
    max=Decimal(100),
    step=Decimal(1),
    price_per_unit_e4=1_000,
    id=2,
)
_WEEK = Duration("1_week", "1 week", 90_000, (_SPEED,), id=1)
_DATACENTER = Plan(
    slug="datacenter",
    name="Datacenter",
    type=PlanType.DURATION,
    has_ip_whitelist=True,
    protocols=_GATEWAY,
    durations=(_WEEK,),
    id=2,
)
_WELCOME = DiscountCode("WELCOME10", percent_e2=1_000)
_SHOWCASE = showcase(listing(1, Catalog("USD", (_RESIDENTIAL, _DATACENTER))))
_OWNER = Account(1, UUID("0197c000-0000-7000-8000-00000000000a"), "ada@example.com", "Ada Lane", 32_00)

_TWO_GB: dict[str, Any] = {"plan": "residential", "bandwidth": 2}
_ONE_WEEK: dict[str, Any] = {"plan": "datacenter", "duration": "1_week", "config": {"speed": 10}}
_TEN_GB: dict[str, Any] = {"plan": "residential", "bandwidth": 10, "discount_code": "WELCOME10"}


def wishes() -> Examples:
    """Return what may be sent to ``POST /orders``; the demo shop accepts each from a new customer."""
    return {
        "bandwidth": {"summary": "Traffic: 2 GB", "value": _TWO_GB},
        "duration": {"summary": "Time: a week, and its options", "value": _ONE_WEEK},
        "discount": {"summary": "With a discount code", "value": _TEN_GB},
    }


def placed_orders() -> Examples:
    """Return what comes back for each of the wishes."""
    return {
        "bandwidth": {"summary": "Traffic: 2 GB", "value": _read(order_json(_traffic(2), _SHOWCASE, _PLACED_AT))},
        "duration": {
            "summary": "Time: a week, and its options",
            "value": _read(order_json(_week(), _SHOWCASE, _PLACED_AT)),
        },
        "discount": {
            "summary": "With a discount code",
            "value": _read(order_json(_traffic(10, _WELCOME), _SHOWCASE, _PLACED_AT)),
        },
    }


def shown_order() -> Any:  # noqa: ANN401 -- JSON
    """Return an order as its owner reads it."""
    return _read(order_json(_week(), _SHOWCASE, _PLACED_AT, _OWNER))


def shown_plan() -> Any:  # noqa: ANN401 -- JSON
    """Return a plan."""
    return _read(bytes(_SHOWCASE.plan_json[_DATACENTER.id]))


def shown_plans() -> Any:  # noqa: ANN401 -- JSON
    """Return one plan of each type."""
    return _read(_SHOWCASE.plans_page.body)


def shown_entries() -> list[dict[str, Any]]:
    """Return what the ledger tells after a credit and the order of a week."""
    week = _week()
    return [
        {
            "amount": -json_cents(week.net_cents),
            "balance_after": json_cents(50_00 - week.net_cents),
            "kind": "charge",
            "order_uuid": str(week.uuid),
            "reason": None,
            "created_at": stamp(week.created_at),
        },
        {
            "amount": json_cents(50_00),
            "balance_after": json_cents(50_00),
            "kind": "credit",
            "order_uuid": None,
            "reason": "Bank transfer",
            "created_at": stamp(_PLACED_AT.replace(hour=20)),
        },
    ]


def listed_address() -> Any:  # noqa: ANN401 -- JSON
    """Return an address that is listed."""
    return shown_address(ListedAddress(ip_address("203.0.113.7"), _PLACED_AT))


def used_day() -> Any:  # noqa: ANN401 -- JSON
    """Return the usage of a day on which the proxy was used in one hour."""
    first = _PLACED_AT.replace(hour=0, minute=0, second=0)
    used = Used(48_112, 1_730_556, 0, 12, {"no_exit": 2})
    rows = [(first.replace(hour=21), used)]
    return _read(ENCODER.encode(shown_usage(Usage(Period(Interval.HOUR, first, first + timedelta(days=1)), rows))))


def _traffic(bandwidth_gb: int, code: DiscountCode | None = None) -> Order:
    gross_cents = bandwidth_price_cents(_RESIDENTIAL, bandwidth_gb)
    return _order(_RESIDENTIAL, gross_cents, code, initial_bytes=bandwidth_gb * BYTES_PER_GB)


def _week() -> Order:
    options = asked_options(_WEEK, {"speed": Decimal(10)})
    return _order(_DATACENTER, duration_price_cents(_WEEK, options), options=options, term=_WEEK.slug)


def _order(
    plan: Plan,
    gross_cents: int,
    code: DiscountCode | None = None,
    *,
    options: tuple[Chosen, ...] = (),
    term: str | None = None,
    initial_bytes: int | None = None,
) -> Order:
    discount_cents = taken_off_cents(code, gross_cents) if code else 0
    return Order(
        uuid=UUID("019b8b06-6e80-7d3a-9c15-2f4e6a8b0c1d"),
        account_id=1,
        plan_id=plan.id,
        status=OrderStatus.ACTIVE,
        gross_cents=gross_cents,
        discount_cents=discount_cents,
        net_cents=gross_cents - discount_cents,
        options=options_json(options),
        username="k3v9q0x7m2c8r5t",
        password="p7w1z4n6h0d2s8b",  # noqa: S106 -- of no account
        initial_bytes=initial_bytes,
        consumed_bytes=0,
        expires_at=None if term is None else expiry(term, _PLACED_AT),
        created_at=_PLACED_AT,
        updated_at=_PLACED_AT,
    )


def _read(body: bytes) -> Any:  # noqa: ANN401 -- JSON
    """Return what *body* says, amounts as the decimals that were written."""
    return json.loads(body, parse_float=Decimal)
