"""Passwords that are sealed with an older key, put under the newest one beside an open shop.

Each short transaction locks the rows of some orders and nothing else, by id as everybody does. What is done is done: a
run that was interrupted is simply started again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from novaproxy.credentials.seal import SealBroken, Sealer
from novaproxy.database.pool import SoleConnection, statement

AT_ONCE = 200
"""How many orders one transaction reseals: it holds their rows for some milliseconds."""

_PASSES = 3
_SQL = "novaproxy.orders"


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key that this database knows, and how many orders' passwords it seals."""

    key_id: int
    fingerprint: bytes
    created_at: datetime
    orders: int


@dataclass(slots=True)
class Resealed:
    """What a run did: how many it resealed, which it could not open, and how many somebody held all the time."""

    orders: int = 0
    broken: list[UUID] = field(default_factory=list)
    held: int = 0


async def count_key_uses(connection: SoleConnection) -> list[KeyUse]:
    """Return every key that the database knows, oldest first."""
    rows = await connection.fetch(statement(_SQL, "count_seals"))
    return [KeyUse(row["id"], row["fingerprint"], row["created_at"], row["orders"]) for row in rows]


async def reseal(connection: SoleConnection, sealer: Sealer, tell: Callable[[int], None]) -> Resealed:
    """Put every password under the key with which *sealer* seals; *tell* gets how many are done.

    Raises:
        KeyNotGiven: one is sealed with a key that *sealer* does not know; those before it are done.
    """
    done = Resealed()
    for _ in range(_PASSES):
        before = done.orders
        await _pass(connection, sealer, done, tell)
        if not done.held or done.orders == before:
            break
    return done


async def _pass(connection: SoleConnection, sealer: Sealer, done: Resealed, tell: Callable[[int], None]) -> None:
    """Go through all orders once, by id."""
    done.held, done.broken = 0, []
    last = 0
    while True:
        rows = await connection.fetch(statement(_SQL, "find_old_seals"), last, sealer.key_id, AT_ONCE)
        if not rows:
            return
        ids = [row["id"] for row in rows]
        await _reseal(connection, sealer, ids, done)
        last = ids[-1]
        tell(done.orders)


async def _reseal(connection: SoleConnection, sealer: Sealer, ids: list[int], done: Resealed) -> None:
    broken: list[UUID] = []
    resealed: list[tuple[int, bytes]] = []
    async with connection.transaction():
        rows = await connection.fetch(statement(_SQL, "lock_old_seals"), ids, sealer.key_id)
        for row in rows:
            uuid = row["uuid"]
            try:
                password = sealer.opened(row["password_sealed"], uuid, row["sealing_key_id"])
            except SealBroken:
                broken.append(uuid)
            else:
                resealed.append((row["id"], sealer.sealed(password, uuid)))
        numbers, seals = [number for number, _ in resealed], [sealed for _, sealed in resealed]
        await connection.execute(statement(_SQL, "reseal_orders"), numbers, seals, sealer.key_id)
    done.orders += len(resealed)
    done.broken += broken
    # Those that another run did meanwhile count too; the next pass finds none of them.
    done.held += len(ids) - len(rows)
