"""Who was seeded, and who was not."""

from array import array

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.errors import OperatorError

SQL = "novaproxy.seeding"
EMAILS = "seed-%@example.com"
"""The e-mails of seeded accounts, as LIKE has it."""

ACTOR = "seed"
"""Who made it all, as entries and moves name it."""

MOST = 10_000_000
"""How many accounts or orders one command makes at most."""

_FETCHED_AT_ONCE = 10_000


async def check_alone(connection: SoleConnection) -> None:
    """Check that every customer was seeded.

    Raises:
        OperatorError: there is one who was not, so this may be a real shop.
    """
    if await connection.fetchval(statement(SQL, "find_strangers"), EMAILS):
        raise OperatorError(
            "This shop has customers that were not seeded, and what is seeded can never be taken out again. "
            "Where it may stand beside them, add --beside-customers."
        )


async def seeded_account_ids(connection: SoleConnection) -> "array[int]":
    """Return the ids of the seeded accounts, eight bytes each however many they are.

    Raises:
        OperatorError: there are none.
    """
    found = array("q")
    async with connection.transaction():
        rows = connection.cursor(statement(SQL, "list_accounts"), EMAILS, prefetch=_FETCHED_AT_ONCE)
        async for row in rows:
            found.append(row["id"])
    if not found:
        raise OperatorError(
            "There are no seeded accounts yet: make some with 'novaproxy seed accounts N --tokens FILE'."
        )
    return found


async def taken_ids(connection: SoleConnection, table: str, count: int) -> list[int]:
    """Return *count* new ids of *table*, ascending."""
    return [row["id"] for row in await connection.fetch(statement(SQL, "take_ids"), table, count)]
