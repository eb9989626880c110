"""What the desk reads and writes, each in one round trip."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from msgspec import Struct

from novaproxy.catalog.listing import Listing
from novaproxy.catalog.store import Revision, seen_revision
from novaproxy.database.pool import Connection, statement
from novaproxy.ledger.store import BooksChanged
from novaproxy.orders.batch import Accepted, Ledgers
from novaproxy.orders.model import Ask, Customer, Order

_SQL = "novaproxy.orders"
_LONGEST_CODE = 64
_CEILING = "discount_code_within_ceiling"


class CodeTaken(Exception):  # noqa: N818 -- nothing is wrong, it is too late
    """A code had room when the batch was decided, and others took it since: the batch is to be decided anew."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The state that a batch is decided on, as of *now*, with its locks held."""

    now: datetime
    revision: Revision
    ledgers: Ledgers


class Written(Struct, frozen=True):
    """An accepted order with its credentials, as it is saved."""

    accepted: Accepted
    order: Order
    password_sealed: bytes | None
    sealing_key_id: int | None


async def load_batch(connection: Connection, asks: Sequence[Ask]) -> Loaded:
    """Lock the accounts of *asks*, and their codes that are nearly used up; return what the decision needs."""
    rows = await connection.fetch(
        statement(_SQL, "load_batch"),
        [ask.token_hash for ask in asks],
        [ask.idempotency_key for ask in asks],
        [asked_code(ask) for ask in asks],
    )
    customers: dict[int, Customer] = {}
    uses_by_code: dict[int, int] = {}
    asking: list[int | None] = [None] * len(asks)
    for row in rows:
        place = row["slot"] - 1
        _note_code(row, uses_by_code)
        if row["account_id"] is not None:
            customer = customers.get(row["account_id"]) or _customer(row)
            customers[customer.account_id] = customer
            asking[place] = customer.account_id
            _note_key(row, asks[place], customer)
    return Loaded(rows[0]["decided_at"], seen_revision(rows[0]), Ledgers(customers, uses_by_code, asking))


def asked_code(ask: Ask) -> str | None:
    """Return the discount code in lower case where it can be one at all; only those are looked up."""
    code = ask.fields.values.get("discount_code")
    if not isinstance(code, str) or not code.isascii() or len(code) > _LONGEST_CODE or "\0" in code:
        return None
    return code.lower()


def _note_code(row: asyncpg.Record, uses_by_code: dict[int, int]) -> None:
    if row["code_id"] is not None:
        uses_by_code[row["code_id"]] = row["code_uses"]


def _customer(row: asyncpg.Record) -> Customer:
    return Customer(
        account_id=row["account_id"],
        balance_cents=row["balance_cents"],
        ledger_version=row["ledger_version"],
        plan_orders=dict(zip(row["plan_ids"], row["plan_orders"], strict=True)),
    )


def _note_key(row: asyncpg.Record, ask: Ask, customer: Customer) -> None:
    if row["code_id"] is not None:
        customer.code_uses[row["code_id"]] = row["account_code_uses"]
    if row["key_order_uuid"] is not None and ask.idempotency_key is not None:
        customer.keys[ask.idempotency_key] = (row["key_order_uuid"], row["key_request_hash"])


async def save_batch(
    connection: Connection, written: Sequence[Written], ledgers: Ledgers, listing: Listing, now: datetime
) -> None:
    """Write *written*, which were decided at *now* on *listing*, down with everything that they move.

    Raises:
        CodeTaken: others took the uses of a code that was not locked.
        BooksChanged: a guard held.
        asyncpg.PostgresError: a constraint held.
    """
    changed = sorted({one.accepted.account_id for one in written})
    plans = Counter((one.accepted.account_id, one.accepted.terms.plan.id) for one in written)
    redeemed = [
        (one.accepted.account_id, one.accepted.terms.discount_code_id)
        for one in written
        if one.accepted.terms.discount_code_id is not None
    ]
    codes = Counter(sorted(code_id for _, code_id in redeemed))
    account_codes = Counter(redeemed)
    saved = await _saved(
        connection,
        [_row(one) for one in written],
        listing.revision,
        now,
        changed,
        [ledgers.versions_before[account_id] for account_id in changed],
        [ledgers.customers[account_id].ledger_version for account_id in changed],
        [ledgers.customers[account_id].balance_cents for account_id in changed],
        [account_id for account_id, _ in plans],
        [plan_id for _, plan_id in plans],
        list(plans.values()),
        list(codes),
        list(codes.values()),
        [listing.code_by_id[code_id].max_uses for code_id in codes],
        [account_id for account_id, _ in account_codes],
        [code_id for _, code_id in account_codes],
        list(account_codes.values()),
    )
    charges = sum(one.accepted.ledger_version is not None for one in written)
    decided = (len(written), charges, len(changed), len(codes))
    if saved[:-1] == decided[:-1] and saved[-1] < decided[-1]:
        raise CodeTaken
    if saved != decided:
        raise BooksChanged(f"decided {decided}, wrote {saved}")


async def _saved(connection: Connection, *columns: Any) -> tuple[int, ...]:  # noqa: ANN401 -- the statement's own
    """Return how many orders, charges, accounts and codes were written."""
    try:
        row = await connection.fetchrow(statement(_SQL, "save_batch"), *columns)
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == _CEILING:
            raise CodeTaken from error
        raise
    return tuple(row or ())


def _row(written: Written) -> tuple[Any, ...]:
    """Return the attributes of a ``written_order`` (migration 0009)."""
    accepted, order = written.accepted, written.order
    return (
        order.uuid,
        order.account_id,
        order.plan_id,
        order.status,
        order.gross_cents,
        order.discount_cents,
        order.net_cents,
        accepted.terms.discount_code_id,
        accepted.terms.bandwidth_gb,
        accepted.terms.term,
        order.options.decode(),
        accepted.idempotency_key,
        accepted.request_hash,
        order.username,
        written.password_sealed,
        written.sealing_key_id,
        order.expires_at,
        accepted.ledger_version,
        accepted.balance_after_cents,
    )


async def saved_uuids(connection: Connection, written: Sequence[Written]) -> set[Any]:
    """Return which of *written* are in the database, once no lost transaction can still bring them there.

    Locking their accounts waits for the lost transaction's end; only a look in a later statement is an answer.
    """
    await connection.execute(
        statement(_SQL, "lock_accounts"),
        sorted({one.accepted.account_id for one in written}),
    )
    rows = await connection.fetch(statement(_SQL, "find_orders"), [one.order.uuid for one in written])
    return {row["uuid"] for row in rows}
