"""The ledger: transfers by the operator, and an account's entries. Charges are written with their orders."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from novaproxy.database.pool import Connection, statement
from novaproxy.errors import OperatorError
from novaproxy.money import AMOUNT_CEILING_CENTS, text_cents

_SQL = "novaproxy.ledger"

DEPOSITS = 2
ADJUSTMENTS = 3
"""The house's accounts on the other side of a credit and of a debit (migration 0001)."""


class Adjustment(StrEnum):
    """What the operator may do to a balance."""

    CREDIT = "credit"
    DEBIT = "debit"


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer on its customer's side: *amount_cents* is signed. He is not shown *reference* and *actor*."""

    version: int
    amount_cents: int
    balance_after_cents: int
    kind: str
    order_uuid: UUID | None
    reason: str | None
    reference: str | None
    actor: str
    created_at: datetime


class BooksChanged(Exception):  # noqa: N818 -- tells what happened
    """A guard held fewer rows than were decided: somebody wrote without the locks."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The effect of an adjustment: the balance now, and whether the reference had brought it before."""

    balance_cents: int
    is_repeated: bool


async def read_entries(connection: Connection, account_id: int, before_version: int | None, limit: int) -> list[Entry]:
    """Return at most *limit* entries below *before_version*, newest first."""
    newest = 2**63 - 1
    rows = await connection.fetch(statement(_SQL, "list_entries"), account_id, before_version or newest, limit)
    return [_entry(row) for row in rows]


async def read_order_entries(connection: Connection, order_id: int) -> list[Entry]:
    """Return the entries that an order made, oldest first."""
    return [_entry(row) for row in await connection.fetch(statement(_SQL, "list_order_entries"), order_id)]


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        version=row["version"],
        amount_cents=row["amount_cents"],
        balance_after_cents=row["balance_after_cents"],
        kind=row["kind"],
        order_uuid=row["order_uuid"],
        reason=row["reason"],
        reference=row["reference"],
        actor=row["actor"],
        created_at=row["created_at"],
    )


async def adjust(
    connection: Connection,
    account_id: int,
    kind: Adjustment,
    amount_cents: int,
    *,
    reason: str,
    reference: str | None,
    actor: str,
) -> Adjusted:
    """Move *amount_cents* (above 0) on or off an account's balance, inside the caller's transaction.

    Raises:
        OperatorError: the balance would fall below 0 or pass its ceiling, or the reference stands for another amount.
        BooksChanged: the balance was not written.
    """
    account = await connection.fetchrow(statement(_SQL, "lock_balance"), account_id)
    if account is None:
        raise OperatorError("There is no such account.")
    if reference is not None:
        earlier = await connection.fetchrow(statement(_SQL, "find_reference"), account_id, reference)
        if earlier is not None:
            _check_same(earlier["kind"], earlier["amount_cents"], kind, amount_cents, reference)
            return Adjusted(account["balance_cents"], is_repeated=True)
    balance_cents = _new_balance_cents(account["balance_cents"], kind, amount_cents)
    written = await connection.fetchval(
        statement(_SQL, "write_adjustment"),
        account_id,
        account_id if kind is Adjustment.DEBIT else DEPOSITS,
        account_id if kind is Adjustment.CREDIT else ADJUSTMENTS,
        amount_cents,
        kind,
        reason,
        reference,
        actor,
        account["ledger_version"] + 1,
        balance_cents,
    )
    if written != balance_cents:
        raise BooksChanged(f"the balance of account {account_id} was not written")
    return Adjusted(balance_cents, is_repeated=False)


def _check_same(earlier_kind: str, earlier_cents: int, kind: Adjustment, amount_cents: int, reference: str) -> None:
    if (earlier_kind, earlier_cents) != (kind, amount_cents):
        raise OperatorError(
            f"The reference '{reference}' already stands for a {earlier_kind} "
            f"of {text_cents(earlier_cents)} on this account.",
        )


def _new_balance_cents(balance_cents: int, kind: Adjustment, amount_cents: int) -> int:
    if kind is Adjustment.CREDIT:
        if balance_cents + amount_cents > AMOUNT_CEILING_CENTS:
            raise OperatorError(
                f"The balance is {text_cents(balance_cents)}; it may not pass {text_cents(AMOUNT_CEILING_CENTS)}.",
            )
        return balance_cents + amount_cents
    if amount_cents > balance_cents:
        raise OperatorError(f"The balance is {text_cents(balance_cents)}; it may not fall below 0.")
    return balance_cents - amount_cents
