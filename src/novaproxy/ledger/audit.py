"""The audit: each invariant of docs/data-model.md is one query that must find no row.

M8 is recomputed here, by the rules that priced the orders, from the catalog revision each order names.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from importlib.resources import files

import asyncpg
import msgspec

from novaproxy.catalog.listing import Listing, listing
from novaproxy.catalog.model import Duration
from novaproxy.catalog.rules import asked_options, bandwidth_price_cents, duration_price_cents
from novaproxy.catalog.store import read_revision
from novaproxy.database.pool import Connection, statement
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


async def audit(connection: Connection, tell: Callable[[str], None] = _untold) -> list[Finding]:
    """Return one finding an invariant: money first, then limits, then statuses.

    The caller's transaction (repeatable read) is the one snapshot that all of them see. *tell* gets a sentence as each
    invariant is begun.
    """
    audits: list[tuple[str, Callable[[Connection, str], Awaitable[Finding]]]] = [
        *((_name(file.name), partial(_audited, text=file.read_text(encoding="utf-8"))) for file in _AUDITS.iterdir()),
        (PRICES, _audit_prices),
    ]
    audits.sort(key=lambda named: ("MLS".index(named[0][0]), named[0]))
    findings = []
    for place, (invariant, work) in enumerate(audits, 1):
        tell(f"Checking {invariant}, {place} of {len(audits)} invariants ...")
        findings.append(await work(connection, invariant))
    return findings


async def _audited(connection: Connection, invariant: str, *, text: str) -> Finding:
    row = await connection.fetchrow(
        f"WITH breaches AS (\n{text}\n) SELECT count(*) AS breaches, "  # noqa: S608 -- our own file
        f"(array_agg(breach))[1:{EXAMPLES}] AS examples FROM breaches",
    )
    if row is None:
        raise AssertionError("an aggregate gives a row")
    return Finding(invariant, _says(text), row["breaches"], tuple(row["examples"] or ()))


def _name(file_name: str) -> str:
    return file_name.partition("_")[0].upper()


def _says(text: str) -> str:
    """Return the first comment line of an audit's file: what it says is always true."""
    return text.partition("\n")[0].removeprefix("--").strip()


async def _audit_prices(connection: Connection, invariant: str) -> Finding:
    """M8: the price, the discount and the options of each order follow from the catalog revision that it names."""
    rows = await connection.fetch(statement("novaproxy.ledger", "list_priced"))
    listings: dict[int, Listing] = {}
    breaches, examples = 0, []
    for row in rows:
        revision = row["catalog_revision"]
        if revision not in listings:
            listings[revision] = listing(revision, await read_revision(connection, revision))
        if not _is_priced_right(row, listings[revision]):
            breaches += row["orders"]
            examples.append(f"order {row['example_uuid']}")
    return Finding(
        invariant,
        "price, discount and options follow from the catalog revision of the order",
        breaches,
        tuple(examples[:EXAMPLES]),
    )


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
