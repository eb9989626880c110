"""What admission reads from the database: orders by username and by address, and what changed of those in use."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from novaproxy.catalog.resource import Showcase
from novaproxy.catalog.store import Shelf, seen_revision
from novaproxy.credentials.seal import KeyNotGiven, SealBroken, Sealer, Sealers
from novaproxy.database.pool import Connection, Pool, read, statement
from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.line import Line
from novaproxy.gateway.admission.orders import FoundOrder, found_order
from novaproxy.gateway.admission.terms import PlanTerms, plans_terms
from novaproxy.gateway.model import Address

WATCHED_AT_ONCE = 1_000
"""How many orders one statement watches."""

_SQL = "novaproxy.gateway.admission"
_DIGEST_BYTES = 32
_NOBODY = UUID(int=0)
_NOWHERE = PlanTerms("", has_geo_targeting=False, has_sessions=False, has_ip_whitelist=False, places=frozenset())

log = structlog.get_logger("novaproxy.gateway")


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a username: its order, or none. *password_digest* is then that of a password nobody has."""

    order: FoundOrder | None
    password_digest: bytes | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the orders in use found: those that changed, and (order, address) pairs listed no more."""

    changed: list[FoundOrder]
    unlisted: list[tuple[int, Address]]


class Digests:
    """Digests of passwords under a key of this process alone: what is kept of them in memory, and compared."""

    def __init__(self) -> None:
        self._key = os.urandom(_DIGEST_BYTES)

    def of(self, *texts: str) -> bytes:
        """Return the digest of *texts*, which no others have."""
        digest = hashlib.blake2b(key=self._key, digest_size=_DIGEST_BYTES)
        for text in texts:
            written = text.encode("utf-8", "surrogatepass")
            digest.update(len(written).to_bytes(8))
            digest.update(written)
        return digest.digest()


class OrderReader:
    """Reads orders, the time and the catalog. *plans* are the terms of the newest catalog that was seen."""

    _showcase: Showcase | None

    def __init__(self, pool: Pool, shelf: Shelf, sealers: Sealers, clock: DatabaseClock, digests: Digests) -> None:
        self._pool = pool
        self._shelf = shelf
        self._sealers = sealers
        self._clock = clock
        self._digests = digests
        self._showcase = None
        self._plans: Mapping[int, PlanTerms] = {}
        self._dummy: tuple[Sealer, bytes] | None = None

    def plan(self, plan_id: int) -> PlanTerms:
        """Return what a plan allows, by the newest catalog that was seen."""
        return self._plans.get(plan_id, _NOWHERE)

    async def by_usernames(self, usernames: Sequence[str]) -> dict[str, Found]:
        """Return what is found under each of *usernames*. A seal is opened for each, whether it is known or not."""

        async def found(connection: Connection) -> dict[str, Found]:
            rows = await self._rows(connection, "find_by_usernames", usernames)
            sealer = await self._sealers.opening(connection, (row["sealing_key_id"] for row in rows))
            return {row["asked"]: self._found(row, sealer) for row in rows}

        return await read(self._pool, found)

    async def by_addresses(self, addresses: Sequence[Address]) -> dict[Address, tuple[FoundOrder, ...]]:
        """Return the orders that list each of *addresses*: active ones first, of these the oldest entry first."""

        async def found(connection: Connection) -> dict[Address, tuple[FoundOrder, ...]]:
            rows = await self._rows(connection, "find_by_addresses", addresses)
            sealer = await self._sealers.opening(connection, (row["sealing_key_id"] for row in rows))
            by_address: dict[Address, tuple[FoundOrder, ...]] = dict.fromkeys(addresses, ())
            for row in rows:
                if row["id"] is not None:
                    by_address[row["asked"]] += (found_order(row, self._opened(row, sealer)),)
            return by_address

        return await read(self._pool, found)

    async def look(self, lines: Sequence[Line], listed: Sequence[tuple[int, Address]]) -> Look:
        """Return what changed of *lines* and of the pairs *listed*, and take the newest catalog and time along."""

        async def seen(connection: Connection) -> Look:
            await self._rows(connection, "read_now")
            changed: list[asyncpg.Record] = []
            for start in range(0, len(lines), WATCHED_AT_ONCE):
                some = lines[start : start + WATCHED_AT_ONCE]
                known = ([line.order_id for line in some], [line.password_sealed for line in some])
                ends = [line.expires_at for line in some]
                changed += await connection.fetch(statement(_SQL, "find_changed"), *known, ends)
            unlisted: list[asyncpg.Record] = []
            if listed:
                pairs = ([order_id for order_id, _ in listed], [address for _, address in listed])
                unlisted = await connection.fetch(statement(_SQL, "find_unlisted"), *pairs)
            sealer = await self._sealers.opening(connection, (row["sealing_key_id"] for row in changed))
            return Look(
                [found_order(row, self._opened(row, sealer)) for row in changed],
                [(row["order_id"], row["address"]) for row in unlisted],
            )

        return await read(self._pool, seen)

    async def _rows(self, connection: Connection, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of a statement that tells the time and the catalog's revision along."""
        before = self._clock.monotonic()
        rows = await connection.fetch(statement(_SQL, name), *arguments)
        self._clock.noted(before, rows[-1]["now"], self._clock.monotonic())
        showcase = await self._shelf.at(seen_revision(rows[-1]), connection)
        if showcase is not self._showcase:
            self._showcase, self._plans = showcase, plans_terms(showcase.listing.catalog)
        return rows

    def _found(self, row: asyncpg.Record, sealer: Sealer) -> Found:
        if row["id"] is None:
            # The work of a wrong password: nobody learns from the time whether a username exists.
            return Found(None, self._digests.of(sealer.opened(self._dummy_of(sealer), _NOBODY, sealer.key_id)))
        digest = self._opened(row, sealer)
        return Found(found_order(row, digest), digest)

    def _dummy_of(self, sealer: Sealer) -> bytes:
        if self._dummy is None or self._dummy[0] is not sealer:
            self._dummy = sealer, sealer.sealed("", _NOBODY)
        return self._dummy[1]

    def _opened(self, row: asyncpg.Record, sealer: Sealer) -> bytes | None:
        """Return the digest of an order's password, None where it has none that can be opened here."""
        if row["password_sealed"] is None:
            return None
        try:
            return self._digests.of(sealer.opened(row["password_sealed"], row["uuid"], row["sealing_key_id"]))
        except (SealBroken, KeyNotGiven) as error:
            log.error("password not opened", order=str(row["uuid"]), error=type(error).__name__)
            return None
