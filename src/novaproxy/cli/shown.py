"""What accounts and orders show alike: how they moved, the entries of the ledger, amounts with their currency."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from novaproxy.cli.tables import STATUS_PAINT, Cell, Column, money_column, print_heading, print_table
from novaproxy.ledger.store import Entry
from novaproxy.money import json_cents, text_cents


class Move(Protocol):
    """A change of a status: of an account's or of an order's."""

    @property
    def from_status(self) -> str:
        """What it was."""

    @property
    def to_status(self) -> str:
        """What it became."""

    @property
    def cause(self) -> str:
        """Why."""

    @property
    def actor(self) -> str:
        """Who moved it."""

    @property
    def created_at(self) -> datetime:
        """When."""


def print_moves(moves: Sequence[Move]) -> None:
    """Print how an account or an order came to its status, if it ever changed."""
    if not moves:
        return
    print_heading("Moves")
    columns = (
        Column("at", is_time=True),
        Column("from", paint=STATUS_PAINT),
        Column("to", paint=STATUS_PAINT),
        Column("actor", least=8),
        Column("cause", least=16, folds=True),
    )
    rows = [(move.created_at, move.from_status, move.to_status, move.actor, move.cause) for move in moves]
    print_table(columns, rows, "")


def shown_move(move: Move) -> dict[str, Any]:
    """Return a change of status as JSON has it."""
    return {
        "from": move.from_status,
        "to": move.to_status,
        "cause": move.cause,
        "actor": move.actor,
        "created_at": move.created_at,
    }


def entry_columns(currency: str | None) -> tuple[Column, ...]:
    """Return the columns of ledger entries."""
    return (
        Column("at", is_time=True),
        Column("kind"),
        money_column("amount", currency),
        Column("balance", to_right=True),
        Column("reason", rank=1, least=20),
        Column("reference", rank=2, least=10),
        Column("order", rank=3),
        Column("actor", rank=4, least=8),
    )


def entry_cells(entry: Entry) -> tuple[Cell, ...]:
    """Return the cells of a ledger entry."""
    return (
        entry.created_at,
        entry.kind,
        text_cents(entry.amount_cents),
        text_cents(entry.balance_after_cents),
        entry.reason,
        entry.reference,
        entry.order_uuid,
        entry.actor,
    )


def print_order_entries(entries: Sequence[Entry], currency: str | None) -> None:
    """Print what one order moved; the page is the order's, so that its uuid stands above."""
    if not entries:
        return
    print_heading("Ledger")
    columns = (
        Column("at", is_time=True),
        Column("kind"),
        money_column("amount", currency),
        Column("balance", to_right=True),
        Column("actor", least=8),
        Column("reason", least=16, folds=True),
    )
    rows = [
        (
            entry.created_at,
            entry.kind,
            text_cents(entry.amount_cents),
            text_cents(entry.balance_after_cents),
            entry.actor,
            entry.reason,
        )
        for entry in entries
    ]
    print_table(columns, rows, "")


def shown_entry(entry: Entry) -> dict[str, Any]:
    """Return a ledger entry as JSON has it: the API's members, and what the operator alone is shown."""
    return {
        "amount": json_cents(entry.amount_cents),
        "balance_after": json_cents(entry.balance_after_cents),
        "kind": entry.kind,
        "order_uuid": entry.order_uuid,
        "reason": entry.reason,
        "reference": entry.reference,
        "actor": entry.actor,
        "created_at": entry.created_at,
    }


def with_currency(cents: int, currency: str | None) -> str:
    """Return an amount as a person reads it: 125.00 USD, or 125.00 until a catalog says the currency."""
    return f"{text_cents(cents)} {currency}" if currency else text_cents(cents)
