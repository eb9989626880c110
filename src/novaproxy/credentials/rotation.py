"""Changing the sealing key: who does it, and from when on the new one counts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from novaproxy.credentials.keys import Keys
from novaproxy.credentials.seal import fingerprint
from novaproxy.database.pool import Connection

_ADVISORY_LOCK = 0x4E6F7662
"""Ours alone among advisory locks of a database."""


@asynccontextmanager
async def hold_rotation(connection: Connection) -> AsyncIterator[None]:
    """Let nobody else change the key file of this shop meanwhile: of two new keys one would be lost."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        yield


async def is_in_use(connection: Connection, keys: Keys) -> bool:
    """Return whether a service of this shop has been started with the first of *keys*."""
    known: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM sealing_key WHERE fingerprint = $1)", fingerprint(keys[0])
    )
    return known


async def has_keys(connection: Connection) -> bool:
    """Return whether a service of this shop was ever started."""
    known: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM sealing_key)")
    return known
