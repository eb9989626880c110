"""How orders are shown to the operator: a list of them, or one with everything."""

from typing import Any

import msgspec

from novaproxy.cli.lists import Shape
from novaproxy.cli.output import print_json
from novaproxy.cli.shown import print_moves, print_order_entries, shown_entry, shown_move, with_currency
from novaproxy.cli.tables import STATUS_PAINT, Cell, Column, money_column, print_facts
from novaproxy.http.wire import whole_second
from novaproxy.ledger.audit import SoldOption
from novaproxy.ledger.store import Entry
from novaproxy.money import json_cents, text_cents
from novaproxy.orders.overview import MoveRow, OrderRow

GIGABYTE = 2**30

Opened = dict[str, str | None]
"""The password under its name, where it was asked for."""


def orders_shape(currency: str | None, *, is_filtered: bool) -> Shape[OrderRow]:
    """Return how a list of orders is shown."""
    return Shape(
        "orders",
        (
            Column("uuid"),
            Column("status", paint=STATUS_PAINT),
            Column("account", least=16),
            Column("plan", rank=1, least=10),
            money_column("net", currency, rank=2),
            Column("created", is_time=True, rank=3),
        ),
        lambda order: (
            order.uuid,
            order.status,
            order.account_email,
            order.plan_slug,
            text_cents(order.net_cents),
            order.created_at,
        ),
        shown_order,
        "No order is like that." if is_filtered else "There are no orders yet.",
    )


def shown_order(order: OrderRow) -> dict[str, Any]:
    """Return an order as JSON has it: by the API's names, and flat where the API shows a whole plan or account."""
    initial = order.initial_bytes
    return {
        "uuid": order.uuid,
        "status": order.status,
        "account": order.account_email,
        "plan": order.plan_slug,
        "bandwidth": order.bandwidth_gb,
        "duration": order.term if order.bandwidth_gb is None else None,
        "validity": order.term if order.bandwidth_gb is not None else None,
        "duration_options": msgspec.Raw(order.options),
        "price": {
            "gross": json_cents(order.gross_cents),
            "discount": json_cents(order.discount_cents),
            "net": json_cents(order.net_cents),
        },
        "discount_code": order.discount_code,
        "username": order.username,
        "initial_bandwidth_in_bytes": initial,
        "remaining_bandwidth_in_bytes": None if initial is None else initial - order.consumed_bytes,
        "consumed_bandwidth_in_bytes": order.consumed_bytes,
        "expires_at": None if order.expires_at is None else whole_second(order.expires_at),
        "catalog_revision": order.catalog_revision,
        "idempotency_key": order.idempotency_key,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def print_order_json(order: OrderRow, moves: list[MoveRow], entries: list[Entry], opened: Opened) -> None:
    """Print one order, how it moved, and its ledger entries as JSON."""
    shown = shown_order(order) | opened
    print_json(
        shown | {"moves": [shown_move(move) for move in moves], "entries": [shown_entry(entry) for entry in entries]},
    )


def print_order(
    order: OrderRow, moves: list[MoveRow], entries: list[Entry], opened: Opened, currency: str | None
) -> None:
    """Print one order, how it moved, and its ledger entries."""
    print_facts(
        [
            ("uuid", order.uuid),
            ("status", order.status),
            ("account", order.account_email),
            ("plan", order.plan_slug),
            *_sold(order),
            *_price(order, currency),
            ("username", order.username),
            *opened.items(),
            ("traffic", _traffic(order)),
            ("expires", order.expires_at),
            ("created", order.created_at),
            ("updated", order.updated_at),
            *([("idempotency key", order.idempotency_key)] if order.idempotency_key else []),
            ("catalog", f"revision {order.catalog_revision}"),
        ]
    )
    print_moves(moves)
    print_order_entries(entries, currency)


def _sold(order: OrderRow) -> list[tuple[str, Cell]]:
    if order.bandwidth_gb is not None:
        bought: list[tuple[str, Cell]] = [("bandwidth", f"{order.bandwidth_gb} GB")]
        return [*bought, ("validity", order.term)] if order.term else bought
    options = msgspec.json.decode(order.options, type=list[SoldOption])
    return [
        ("duration", order.term),
        *((option.label, f"{option.value_label} (for {option.price:.2f})") for option in options),
    ]


def _price(order: OrderRow, currency: str | None) -> list[tuple[str, Cell]]:
    net = ("price", with_currency(order.net_cents, currency))
    if order.discount_code is None:
        return [net]
    return [
        ("gross", with_currency(order.gross_cents, currency)),
        ("discount", f"{with_currency(order.discount_cents, currency)} by {order.discount_code}"),
        net,
    ]


def _traffic(order: OrderRow) -> str:
    used = text_cents(order.consumed_bytes * 100 // GIGABYTE)
    if order.initial_bytes is None:
        return f"{used} GB used, unmetered"
    left_bytes = order.initial_bytes - order.consumed_bytes
    return f"{used} of {order.initial_bytes // GIGABYTE} GB used, {left_bytes} bytes left"
