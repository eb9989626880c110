"""Past orders by COPY: a chunk is one transaction, and each leaves clean books."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from math import ceil
from random import Random
from typing import Any

from novaproxy.catalog.listing import Listing
from novaproxy.catalog.resource import BYTES_PER_GB
from novaproxy.catalog.store import Shelf, seen_revision
from novaproxy.credentials.issue import new_name
from novaproxy.credentials.seal import Sealer
from novaproxy.database.pool import SoleConnection, statement
from novaproxy.errors import OperatorError
from novaproxy.identifiers import new_uuid
from novaproxy.ledger.store import DEPOSITS, BooksChanged
from novaproxy.orders.resource import options_json
from novaproxy.seeding.books import Books, PastEntry, Sale, entries, sales
from novaproxy.seeding.store import ACTOR, SQL, seeded_account_ids, taken_ids
from novaproxy.seeding.wishes import Wish, wishes

CHUNK_ORDERS = 5_000
"""How many orders one transaction loads; for as long as it takes (about half a second) its accounts are locked."""

CHUNK_ACCOUNTS = 1_000
"""How many accounts order in a chunk, unless that would leave some without an order: the next chunk is for the next
ones. Of 10,000 accounts at once (tried) each would be locked, credited and written for two orders, not for five."""

FRUITLESS_CHUNKS = 50
"""How many chunks in a row may sell nothing before it is given up."""

_ORDER_COLUMNS = (
    *("id", "uuid", "account_id", "plan_id", "catalog_revision", "status", "gross_cents", "discount_cents"),
    *("net_cents", "bandwidth_gb", "term", "options", "username", "password_sealed", "sealing_key_id"),
    *("expires_at", "created_at", "updated_at"),
)
_METER_COLUMNS = ("order_id", "account_id", "initial_bytes", "consumed_bytes")
_USAGE_COLUMNS = ("order_id", "hour", "account_id", "down_bytes")
_MOVE_COLUMNS = ("account_id", "order_id", "from_status", "to_status", "cause", "actor", "created_at")
_TRANSFER_COLUMNS = (
    *("account_id", "debit_account_id", "credit_account_id", "amount_cents", "kind", "order_id", "reason", "actor"),
    *("version", "balance_after_cents", "created_at"),
)
_REVENUE = 1
_SIDES = {"credit": (DEPOSITS, None), "charge": (None, _REVENUE), "refund": (_REVENUE, None)}
"""The house's account that an entry of a kind debits or credits (migration 0001); None is the customer's."""

_REASONS = {"credit": "seeded credit", "refund": "nothing left to deliver"}

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What is to be loaded: *orders*, from *days* ago until now; the same *seed* draws the same."""

    orders: int
    days: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What was decided behind the locks, as it is written."""

    sold: list[Sale]
    entries: list[PastEntry]
    accounts: dict[int, Books]
    revision: int


async def seed_orders(connection: SoleConnection, past: Past, sealer: Sealer, tell: Callable[[int], None]) -> int:
    """Load past orders of the seeded accounts and return how many accounts there were to order.

    *tell* gets the number that is loaded so far after each chunk.

    Raises:
        OperatorError: there is no catalog or no seeded account, or they can take no more orders.
    """
    shelf, chance = Shelf(), Random(past.seed)  # noqa: S311 -- to be repeated, not to be secret
    await _listing(connection, shelf)
    account_ids = await seeded_account_ids(connection)
    turns = _turns(account_ids, past.orders)
    await connection.execute(statement(SQL, "set_session"))
    end: datetime = await connection.fetchval("SELECT now()")
    age = timedelta(days=past.days)
    loaded = fruitless = 0
    while loaded < past.orders:
        count = min(CHUNK_ORDERS, past.orders - loaded)
        # A chunk follows the last one in time too, so that no entry of an account is older than the one before it.
        since, until = (end - age * (past.orders - place) / past.orders for place in (loaded, loaded + count))
        wished = wishes(await _listing(connection, shelf), next(turns), since, until, count, chance)
        sold = await _load(connection, wished, shelf, sealer, chance)
        loaded += sold
        tell(loaded)
        fruitless = 0 if sold else fruitless + 1
        if fruitless == FRUITLESS_CHUNKS:
            raise OperatorError(
                f"Loaded {loaded} orders, and the seeded accounts can take no more of what the catalog sells."
            )
    return len(account_ids)


def _turns(account_ids: Sequence[int], orders: int) -> Iterator[Sequence[int]]:
    """Yield the accounts of each chunk, round and round, as many as it takes that each has its turn."""
    chunks = ceil(orders / CHUNK_ORDERS)
    turns = ceil(len(account_ids) / max(CHUNK_ACCOUNTS, ceil(len(account_ids) / chunks)))
    for turn in cycle(range(turns)):
        yield account_ids[len(account_ids) * turn // turns : len(account_ids) * (turn + 1) // turns]


async def _listing(connection: SoleConnection, shelf: Shelf) -> Listing:
    """Return what is on sale.

    Raises:
        OperatorError: nothing is.
    """
    listing = (await shelf.current(connection)).listing
    if not listing.revision:
        raise OperatorError("There is no catalog yet: apply one with 'novaproxy catalog apply FILE'.")
    if not listing.active_plans:
        raise OperatorError("The catalog sells nothing: all its plans are switched off.")
    return listing


async def _load(
    connection: SoleConnection, wished: Sequence[Wish], shelf: Shelf, sealer: Sealer, chance: Random
) -> int:
    """Sell what can be sold of *wished*, in one transaction, and return how many orders that were."""
    async with connection.transaction():
        chunk = await _decided(connection, wished, shelf, chance)
        await _write(connection, chunk, sealer)
    return len(chunk.sold)


async def _decided(connection: SoleConnection, wished: Sequence[Wish], shelf: Shelf, chance: Random) -> _Chunk:
    """Lock the accounts, in the order in which everybody does, and decide on what is there behind the locks."""
    ids = sorted({wish.account_id for wish in wished})
    await connection.execute(statement("novaproxy.orders", "lock_accounts"), ids)
    rows = await connection.fetch(statement(SQL, "read_accounts"), ids)
    if not rows:
        return _Chunk([], [], {}, 0)
    accounts = {
        row["id"]: Books(
            account_id=row["id"],
            balance_cents=row["balance_cents"],
            ledger_version=row["ledger_version"],
            last_at=row["last_at"],
            plan_orders=dict(zip(row["plan_ids"], row["plan_orders"], strict=True)),
        )
        for row in rows
    }
    revision = seen_revision(rows[0])
    showcase = await shelf.at(revision, connection)
    sold = sales(wished, accounts, showcase.listing, rows[0]["now"], chance)
    return _Chunk(sold, list(entries(sold, accounts)), accounts, revision.number)


async def _write(connection: SoleConnection, chunk: _Chunk, sealer: Sealer) -> None:
    """Write the chunk down: rows by COPY, balances and counters in one statement.

    Raises:
        BooksChanged: somebody moved money without the locks.
    """
    await connection.execute(statement(SQL, "lock_tables"))
    order_ids = await taken_ids(connection, "orders", len(chunk.sold))
    numbered = list(zip(order_ids, chunk.sold, strict=True))
    for table, columns, records in (
        ("orders", _ORDER_COLUMNS, [_order_row(number, sale, chunk.revision, sealer) for number, sale in numbered]),
        ("meter", _METER_COLUMNS, [_meter_row(number, sale) for number, sale in numbered]),
        ("usage_hour", _USAGE_COLUMNS, [_usage_row(number, sale) for number, sale in numbered if sale.is_used]),
        ("order_move", _MOVE_COLUMNS, [row for number, sale in numbered for row in _move_rows(number, sale)]),
        ("transfer", _TRANSFER_COLUMNS, [_transfer_row(entry, order_ids) for entry in chunk.entries]),
    ):
        await connection.copy_records_to_table(table, records=records, columns=columns)
    await _write_accounts(connection, chunk.sold, chunk.accounts)


async def _write_accounts(connection: SoleConnection, sold: Sequence[Sale], accounts: Mapping[int, Books]) -> None:
    changed = [accounts[account_id] for account_id in sorted({sale.account_id for sale in sold})]
    counted = sorted({(sale.account_id, sale.terms.plan.id) for sale in sold})
    written = await connection.fetchval(
        statement(SQL, "write_accounts"),
        [account.account_id for account in changed],
        [account.version_before for account in changed],
        [account.ledger_version for account in changed],
        [account.balance_cents for account in changed],
        [account_id for account_id, _ in counted],
        [plan_id for _, plan_id in counted],
        [accounts[account_id].plan_orders[plan_id] for account_id, plan_id in counted],
    )
    if written != len(changed):
        raise BooksChanged(f"decided {len(changed)} balances, wrote {written}")


def _order_row(number: int, sale: Sale, revision: int, sealer: Sealer) -> _Row:
    terms, life, uuid = sale.terms, sale.life, new_uuid(sale.at)
    return (
        number,
        uuid,
        sale.account_id,
        terms.plan.id,
        revision,
        life.status,
        terms.gross_cents,
        terms.discount_cents,
        terms.net_cents,
        terms.bandwidth_gb,
        terms.term,
        options_json(terms.options).decode(),
        new_name() if life.is_delivered else None,
        sealer.sealed(new_name(), uuid) if life.is_delivered else None,
        sealer.key_id if life.is_delivered else None,
        life.expires_at,
        sale.at,
        life.moves[-1].at if life.moves else sale.at,
    )


def _meter_row(number: int, sale: Sale) -> _Row:
    bandwidth_gb = sale.terms.bandwidth_gb
    initial_bytes = None if bandwidth_gb is None else bandwidth_gb * BYTES_PER_GB
    return number, sale.account_id, initial_bytes, sale.life.consumed_bytes


def _usage_row(number: int, sale: Sale) -> _Row:
    hour = sale.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return number, hour, sale.account_id, sale.life.consumed_bytes


def _move_rows(number: int, sale: Sale) -> list[_Row]:
    return [(sale.account_id, number, move.before, move.after, move.cause, ACTOR, move.at) for move in sale.life.moves]


def _transfer_row(entry: PastEntry, order_ids: Sequence[int]) -> _Row:
    debited, credited = _SIDES[entry.kind]
    return (
        entry.account_id,
        debited or entry.account_id,
        credited or entry.account_id,
        entry.amount_cents,
        entry.kind,
        None if entry.sale is None else order_ids[entry.sale],
        _REASONS.get(entry.kind),
        ACTOR,
        entry.version,
        entry.balance_after_cents,
        entry.at,
    )
