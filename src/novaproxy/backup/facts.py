"""What a shop holds, in a few numbers that a person can compare."""

from dataclasses import dataclass
from datetime import datetime

from novaproxy.database.pool import Connection, statement


@dataclass(frozen=True, slots=True)
class Facts:
    """How many orders and customers' accounts there were *at* a time; *until*: the newest order or entry."""

    orders: int
    accounts: int
    until: datetime | None
    at: datetime


async def read_facts(connection: Connection) -> Facts:
    """Return the facts of the shop."""
    row = await connection.fetchrow(statement("novaproxy.backup", "read_facts"))
    if row is None:
        raise AssertionError("an aggregate gives a row")
    return Facts(row["orders"], row["accounts"], row["until"], row["at"])


async def has_shop(connection: Connection) -> bool:
    """Return whether the database holds a shop."""
    return await connection.fetchval("SELECT to_regclass('schema_migration')") is not None


async def is_empty(connection: Connection) -> bool:
    """Return whether the database holds nothing of anybody's."""
    found: bool = await connection.fetchval(statement("novaproxy.backup", "find_anything"))
    return not found
