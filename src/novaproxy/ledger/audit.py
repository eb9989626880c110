"""The audit: each invariant of docs/data-model.md is one query that must find no row.

M8 is recomputed here, by the rules that priced the orders, from the catalog revision each order names.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg
import msgspec

from novaproxy.catalog.listing import Listing, listing
from novaproxy.catalog.model import Duration
from novaproxy.catalog.rules import asked_options, bandwidth_price_cents, duration_price_cents
from novaproxy.catalog.store import read_revision
from novaproxy.database.pool import Connection, SoleConnection, statement
from novaproxy.discounts.rules import taken_off_cents
from novaproxy.errors import Refusal
from novaproxy.http.body import JsonValue

_AUDITS = files("novaproxy.ledger").joinpath("sql", "audit")

PRICES = "M8"

EXAMPLES = 3
"""How many breaches are named beside their count."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, how many rows break it, and some of them."""

    invariant: str
    says: str
    breaches: int
    examples: tuple[str, ...]


class SoldOption(msgspec.Struct):
    """A resolved choice as an order keeps it."""

    name: str
    label: str
    value: str | int | float
    value_label: str
    price: Decimal


_SOLD = list[SoldOption]


def _untold(_sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What stands behind WITH before a query, so that it sees a part of the shop; nothing: it sees the whole."""

    text: str = ""
    arguments: tuple[object, ...] = ()

    def before(self, text: str) -> str:
        """Return *text*, a list of queries for WITH, behind the scope's own."""
        return f"WITH {self.text}\n, {text}" if self.text else f"WITH {text}"


WHOLE = Scope()


async def audit(
    connection: Connection,
    tell: Callable[[str], None] = _untold,
    *,
    beside: "SoleConnection | None" = None,
) -> list[Finding]:
    """Return one finding an invariant: money first, then limits, then statuses.

    The caller's transaction (repeatable read) is the one snapshot that all of them see. *tell* gets a sentence as each
    invariant is begun. *beside*, another connection to the same database, takes half of the work on the same snapshot.
    """
    texts = invariant_texts()
    invariants = sorted([*texts, PRICES], key=_place)
    waiting = iter(list(enumerate(invariants, 1)))
    findings: list[Finding] = []

    async def work_on(own: Connection) -> None:
        # One that has nothing left to do waits for the other; the snapshot is theirs together.
        await own.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        for place, invariant in waiting:
            tell(f"Checking {invariant}, {place} of {len(invariants)} invariants ...")
            if invariant == PRICES:
                findings.append(await checked_prices(own, invariant))
            else:
                findings.append(await counted(own, invariant, texts[invariant]))

    if beside is None:
        await work_on(connection)
    else:
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        async with beside.transaction(isolation="repeatable_read", readonly=True):
            await beside.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            await _both(work_on(connection), work_on(beside))
    return in_order(findings)


async def _both(one: Coroutine[None, None, None], other: Coroutine[None, None, None]) -> None:
    """Wait for both; where one fails the other is given up, and its fault is raised as it is."""
    tasks = [asyncio.create_task(one), asyncio.create_task(other)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def invariant_texts(directory: Traversable = _AUDITS) -> dict[str, str]:
    """Return the text of each query in *directory* by its invariant."""
    return {_name(file.name): file.read_text(encoding="utf-8") for file in directory.iterdir()}


def in_order(findings: list[Finding]) -> list[Finding]:
    """Return *findings* as they are shown: money first, then limits, then statuses."""
    return sorted(findings, key=lambda finding: _place(finding.invariant))


def _place(invariant: str) -> tuple[int, str]:
    return "MLS".index(invariant[0]), invariant


async def counted(connection: Connection, invariant: str, text: str, scope: Scope = WHOLE) -> Finding:
    """Return what the query *text* finds in *scope*."""
    # Our own files, put together.
    examples = f"(array_agg(breach))[1:{EXAMPLES}] AS examples"
    asked = f"{scope.before(f'breaches AS ({text})')} SELECT count(*) AS breaches, {examples} FROM breaches"  # noqa: S608
    row = await connection.fetchrow(asked, *scope.arguments)
    if row is None:
        raise AssertionError("an aggregate gives a row")
    return Finding(invariant, _says(text), row["breaches"], tuple(row["examples"] or ()))


def _name(file_name: str) -> str:
    return file_name.partition("_")[0].upper()


def _says(text: str) -> str:
    """Return the first comment line of an audit's file: what it says is always true."""
    return text.partition("\n")[0].removeprefix("--").strip()


async def checked_prices(connection: Connection, invariant: str, scope: Scope = WHOLE) -> Finding:
    """M8: the price, the discount and the options of each order follow from the catalog revision that it names."""
    text = statement("novaproxy.ledger", "list_priced")
    asked = f"{scope.before(f'priced AS ({text})')} SELECT * FROM priced"  # noqa: S608 -- our own files, put together
    rows = await connection.fetch(asked, *scope.arguments)
    listings: dict[int, Listing | None] = {}
    breaches, examples = 0, []
    for row in rows:
        revision = row["catalog_revision"]
        if revision not in listings:
            listings[revision] = await _listing(connection, revision)
        listed = listings[revision]
        if listed is None or not _is_priced_right(row, listed):
            breaches += row["orders"]
            examples.append(f"order {row['example_uuid']}")
    return Finding(
        invariant,
        "price, discount and options follow from the catalog revision of the order",
        breaches,
        tuple(examples[:EXAMPLES]),
    )


async def _listing(connection: Connection, revision: int) -> Listing | None:
    """Return the catalog of *revision*, None where there is no such revision."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM catalog_revision WHERE id = $1)", revision):
        return listing(revision, await read_revision(connection, revision))
    return None


def _is_priced_right(row: asyncpg.Record, listed: Listing) -> bool:
    plan = listed.plan_by_id.get(row["plan_id"])
    if plan is None:
        return False
    durations = {duration.slug: duration for duration in plan.durations}
    try:
        if row["bandwidth_gb"] is not None:
            gross_cents = bandwidth_price_cents(plan, row["bandwidth_gb"])
        else:
            gross_cents = _duration_gross_cents(durations[row["term"]], msgspec.json.decode(row["options"], type=_SOLD))
    except (KeyError, ValueError, Refusal):
        return False
    codes = {code.id: code for code in listed.catalog.discount_codes}
    code = codes.get(row["discount_code_id"])
    if code is None and row["discount_code_id"] is not None:
        return False
    discount_cents = taken_off_cents(code, gross_cents) if code else 0
    return (gross_cents, discount_cents) == (row["gross_cents"], row["discount_cents"])


def _duration_gross_cents(duration: Duration, sold: list[SoldOption]) -> int:
    """Return the gross price of *sold* as it is chosen anew.

    Raises:
        Refusal, ValueError: it could not be chosen, or its lines are not those of the revision.
    """
    config: dict[str, JsonValue] = {option.name: _as_asked(option.value) for option in sold}
    chosen = asked_options(duration, config or None)
    lines = [(option.name, option.label, option.value_label, Decimal(option.price_cents)) for option in chosen]
    if lines != [(option.name, option.label, option.value_label, option.price.scaleb(2)) for option in sold]:
        raise ValueError("the lines are not those of the revision")
    return duration_price_cents(duration, chosen)


def _as_asked(value: str | float) -> JsonValue:
    return value if isinstance(value, str) else Decimal(str(value))
