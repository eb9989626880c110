"""The catalog's revisions: read by every process, written by ``catalog apply``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from novaproxy.catalog.changes import changes
from novaproxy.catalog.listing import EMPTY, Listing, listing
from novaproxy.catalog.model import Catalog, DiscountCode, Duration, Option, Plan, PlanType, Tier
from novaproxy.catalog.resource import Showcase, showcase
from novaproxy.database.pool import Connection, statement

_ADVISORY_LOCK = 0x4E6F7663
"""Held by an apply to its end, so that two never mix ("Novc")."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What tells one revision from every other.

    The *number* alone does not: a database that was restored counts on from where its backup was, and the same number
    is then another catalog. 0, applied at no time, is the empty shop.
    """

    number: int
    applied_at: datetime | None


NO_REVISION = Revision(0, None)


def seen_revision(row: asyncpg.Record) -> Revision:
    """Return the revision that a statement saw, in its columns ``revision`` and ``catalog_applied_at``."""
    return Revision(row["revision"] or 0, row["catalog_applied_at"])


async def current_revision(connection: Connection) -> Revision:
    """Return the newest revision, NO_REVISION where there is none."""
    row = await connection.fetchrow("SELECT id, created_at FROM catalog_revision ORDER BY id DESC LIMIT 1")
    return Revision(row["id"], row["created_at"]) if row else NO_REVISION


async def read_revision(connection: Connection, revision: int) -> Catalog:
    """Return the catalog of *revision* as it was applied."""
    document: str = await connection.fetchval("SELECT document FROM catalog_revision WHERE id = $1", revision)
    return msgspec.json.decode(document, type=Catalog, strict=False)


async def read_currency(connection: Connection) -> str | None:
    """Return the currency of the installation, None until a first catalog says it."""
    currency: str | None = await connection.fetchval(
        "SELECT document ->> 'currency' FROM catalog_revision ORDER BY id DESC LIMIT 1"
    )
    return currency


async def read_listing(connection: Connection) -> Listing:
    """Return the newest revision."""
    revision = (await current_revision(connection)).number
    return listing(revision, await read_revision(connection, revision)) if revision else EMPTY


class Shelf:
    """The revision that a process holds, read anew when a transaction sees another."""

    def __init__(self) -> None:
        self._revision = NO_REVISION
        self._held = showcase(EMPTY)

    @property
    def held(self) -> Showcase:
        """The revision that was seen last."""
        return self._held

    async def at(self, revision: Revision, connection: Connection) -> Showcase:
        """Return *revision* as it is shown; *connection* is used only where the process does not hold it."""
        if revision == self._revision:
            return self._held
        read = showcase(listing(revision.number, await read_revision(connection, revision.number)))
        # Of two that read at once either may stay: whoever sees another one reads again.
        self._revision, self._held = revision, read
        return read

    async def current(self, connection: Connection) -> Showcase:
        """Return the newest revision as it is shown."""
        return await self.at(await current_revision(connection), connection)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did: the revision that now holds and one line a change, none where nothing changed."""

    revision: int
    changes: list[str]


async def known_types(connection: Connection) -> dict[str, PlanType]:
    """Return the type of every plan that was ever sold, by slug."""
    rows = await connection.fetch("SELECT slug, type FROM plan")
    return {row["slug"]: PlanType(row["type"]) for row in rows}


async def has_accounts(connection: Connection) -> bool:
    """Return whether a customer exists: from then on the currency is fixed."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM account WHERE kind = 'customer')"))


async def lock_for_apply(connection: Connection) -> None:
    """Wait until no other apply is under way; held to the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)


async def apply(connection: Connection, wanted: Catalog, actor: str) -> Applied:
    """Make *wanted* the catalog, inside the caller's transaction and behind ``lock_for_apply``.

    A plan that is left out becomes inactive, a code that is left out is withdrawn; a thing that comes back has its old
    id. The same catalog twice makes no second revision.
    """
    held = await read_listing(connection)
    merged = await _with_ids(connection, _with_retired_plans(wanted, held.catalog))
    if merged == held.catalog:
        return Applied(held.revision, [])
    revision = held.revision + 1
    await connection.execute(
        "INSERT INTO catalog_revision (id, document, actor) VALUES ($1, $2::text::jsonb, $3)",
        revision,
        msgspec.json.encode(merged).decode(),
        actor,
    )
    return Applied(revision, changes(held.catalog, wanted))


def _with_retired_plans(wanted: Catalog, held: Catalog) -> Catalog:
    """Return *wanted* followed by the plans it leaves out, switched off and otherwise as they last were."""
    kept = {plan.slug for plan in wanted.plans}
    retired = [msgspec.structs.replace(plan, active=False) for plan in held.plans if plan.slug not in kept]
    return msgspec.structs.replace(wanted, plans=(*wanted.plans, *retired))


async def _with_ids(connection: Connection, catalog: Catalog) -> Catalog:
    plans = tuple([await _plan_with_ids(connection, plan) for plan in catalog.plans])
    codes = sorted(catalog.discount_codes, key=lambda code: code.code.lower())
    ids = await _code_ids(connection, codes)
    return msgspec.structs.replace(
        catalog,
        plans=plans,
        discount_codes=tuple(
            msgspec.structs.replace(code, id=ids[code.code.lower()]) for code in catalog.discount_codes
        ),
    )


async def _lasting_id(connection: Connection, table: str, **key: Any) -> int:  # noqa: ANN401 -- the key's columns have their own types
    """Return the id of the row of *table* with this natural key, made where it is missing."""
    columns = ", ".join(key)
    places = ", ".join(f"${place}" for place in range(1, len(key) + 1))
    matches = " AND ".join(f"{column} = ${place}" for place, column in enumerate(key, 1))
    found: int | None = await connection.fetchval(f"SELECT id FROM {table} WHERE {matches}", *key.values())  # noqa: S608 -- names of ours
    if found is None:
        found = await connection.fetchval(
            f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id",  # noqa: S608 -- names of ours
            *key.values(),
        )
    if found is None:
        raise AssertionError("an INSERT with RETURNING gives a row")
    return found


async def _plan_with_ids(connection: Connection, plan: Plan) -> Plan:
    plan_id = await connection.fetchval("SELECT id FROM plan WHERE slug = $1", plan.slug)
    if plan_id is None:
        plan_id = await _lasting_id(connection, "plan", slug=plan.slug, type=plan.type)
    return msgspec.structs.replace(
        plan,
        id=plan_id,
        tiers=tuple([await _tier_with_id(connection, plan_id, tier) for tier in plan.tiers]),
        durations=tuple([await _duration_with_ids(connection, plan_id, duration) for duration in plan.durations]),
    )


async def _tier_with_id(connection: Connection, plan_id: int, tier: Tier) -> Tier:
    tier_id = await _lasting_id(connection, "plan_tier", plan_id=plan_id, bandwidth_gb=tier.bandwidth_gb)
    return msgspec.structs.replace(tier, id=tier_id)


async def _duration_with_ids(connection: Connection, plan_id: int, duration: Duration) -> Duration:
    duration_id = await _lasting_id(connection, "plan_duration", plan_id=plan_id, slug=duration.slug)
    options = [await _option_with_id(connection, duration_id, option) for option in duration.options]
    return msgspec.structs.replace(duration, id=duration_id, options=tuple(options))


async def _option_with_id(connection: Connection, duration_id: int, option: Option) -> Option:
    option_id = await _lasting_id(connection, "plan_option", duration_id=duration_id, name=option.name)
    return msgspec.structs.replace(option, id=option_id)


async def _code_ids(connection: Connection, codes: list[DiscountCode]) -> dict[str, int]:
    """Return the lasting ids by lower-case code, and set the ceilings that changed."""
    keys = [code.code.lower() for code in codes]
    await connection.execute(statement("novaproxy.catalog", "insert_codes"), [code.code for code in codes])
    await connection.execute(statement("novaproxy.catalog", "lock_codes"), keys)
    rows = await connection.fetch(
        statement("novaproxy.catalog", "set_code_ceilings"),
        keys,
        [code.max_uses for code in codes],
    )
    return {row["key"]: row["id"] for row in rows}
