"""The audit of what is new since the last one: what it costs follows what came, not what the shop has.

Nothing new is skipped, though ids do not become visible in their order: a transaction that drew a low id may commit
after one that drew a higher one. So the next mark is the newest ids as they are now, and the snapshot is taken only
when every transaction that was writing to those tables after they were read has ended. One that holds an id at or below
the mark drew it before; it held its table's lock while it drew and holds it to its end, so it was among those waited
for, or had ended already: its rows are in the snapshot, or will never be. Ids above the mark are looked at again the
next time. Where a writer does not end in time the mark stays, and the next audit begins where this one did.

What changes without a new row (a balance, a counter or a meter rewritten by hand) is for the whole audit.
"""

import asyncio
import time
from dataclasses import astuple, dataclass
from datetime import timedelta
from importlib.resources import files

from novaproxy.database.pool import Connection, SoleConnection, statement
from novaproxy.ledger.audit import PRICES, Finding, Scope, checked_prices, counted, in_order, invariant_texts

WAIT_SECONDS = 15
"""How long writers are waited for: a little more than a statement of the service may take."""

_LOOK_SECONDS = timedelta(milliseconds=50).total_seconds()
_SQL = "novaproxy.ledger"
_BY_ACCOUNT = frozenset({"L2"})
"""Invariants whose whole query counts all orders of an account."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The ids up to which everything was audited; the order is that of the columns and arguments in SQL."""

    order_id: int
    order_move_id: int
    transfer_id: int
    account_move_id: int


@dataclass(frozen=True, slots=True)
class Covered:
    """What an audit looked at."""

    orders: int
    accounts: int
    entries: int


async def read_mark(connection: Connection) -> Mark | None:
    """Return how far the audits came, None before the first whole one."""
    row = await connection.fetchrow(statement(_SQL, "read_audit_mark"))
    return Mark(*row.values()) if row else None


async def write_mark(connection: Connection, mark: Mark) -> None:
    """Move the mark on to *mark*, where it is not there yet."""
    await connection.execute(statement(_SQL, "write_audit_mark"), *astuple(mark))


async def settled_mark(connection: SoleConnection, wait_seconds: float = WAIT_SECONDS) -> Mark | None:
    """Return ids at and below which nothing can appear that a snapshot from now on does not see.

    None: a writer did not end in time. The connection is outside a transaction.
    """
    row = await connection.fetchrow(statement(_SQL, "find_newest_ids"))
    if row is None:
        raise AssertionError("a SELECT of values gives a row")
    # Read after the ids: who came later draws greater ones.
    writers = await _writers(connection)
    gives_up_at = time.monotonic() + wait_seconds
    while writers and time.monotonic() < gives_up_at:
        await asyncio.sleep(_LOOK_SECONDS)
        writers &= await _writers(connection)
    return None if writers else Mark(*row.values())


async def _writers(connection: SoleConnection) -> set[str]:
    return {row["virtualtransaction"] for row in await connection.fetch(statement(_SQL, "find_writers"))}


async def audit_new(connection: Connection, since: Mark) -> tuple[list[Finding], Covered]:
    """Return a finding an invariant on all that belongs to what came after *since*, and how much that is.

    The caller's transaction (repeatable read) is the one snapshot that all of them see.
    """
    touched = await connection.fetchrow(statement(_SQL, "find_touched"), *astuple(since))
    if touched is None:
        raise AssertionError("a SELECT of values gives a row")
    order_ids, account_ids = touched["order_ids"], touched["account_ids"]
    arguments = (order_ids, account_ids, since.transfer_id, since.order_id)
    new = statement(_SQL, "scope_new")
    of_orders, of_accounts = new + statement(_SQL, "scope_orders"), new + statement(_SQL, "scope_accounts")
    own = invariant_texts(files(_SQL).joinpath("sql", "audit_new"))
    findings = [await checked_prices(connection, PRICES, Scope(of_orders, arguments))]
    for invariant, text in invariant_texts().items():
        if invariant in own:
            findings.append(await counted(connection, invariant, own[invariant], Scope(new, arguments)))
        else:
            scope = of_accounts if invariant in _BY_ACCOUNT else of_orders
            findings.append(await counted(connection, invariant, text, Scope(scope, arguments)))
    return in_order(findings), Covered(len(order_ids), len(account_ids), touched["entries"])
