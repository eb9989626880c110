"""Shops that have grown: filled with accounts and past orders in minutes, by the server itself.

Indexes and constraints of the filled tables are dropped and made again from their own definitions, every row is checked
again by that, and afterwards they are compared with what the migrations had made.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.shop import running_shop
from novaproxy.catalog.rules import bandwidth_price_cents
from novaproxy.catalog.store import read_listing
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import SoleConnection
from novaproxy.duties.books import audit_books

HERE = Path(__file__).parent
TABLES = ("account", "api_token", "account_plan", "orders", "meter", "transfer")
BYTES_AN_ORDER = 1_300
BYTES_AN_ACCOUNT = 1_800
"""On the disk at most, while it is filled, WAL and sorts included."""

BYTES_A_SHOP = 2 * 2**30
"""What the runs write on top of that: orders, and WAL."""

LOADING = {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "4GB", "checkpoint_timeout": "1h"}
"""While a shop is filled: what belongs to a new index is not written twice."""

SESSION = {"statement_timeout": "0", "jit": "off", "work_mem": "256MB", "maintenance_work_mem": "1GB"}

_GROWN = (
    *("orders_username_key", "orders_account_newest", "transfer_account_id_version_key"),
    *("account_uuid_key", "account_email_key_key", "api_token_token_hash_key"),
)
"""Indexes that meet their keys in no order: grown row by row their pages are 70 percent full, made at once 90."""


@dataclass(frozen=True, slots=True)
class Key:
    """An index or a key of a table; *is_index*: an index without a constraint, and its whole definition."""

    table_name: str
    name: str
    definition: str
    is_index: bool

    @property
    def is_foreign(self) -> bool:
        """Whether it points to another table."""
        return self.definition.startswith("FOREIGN KEY")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is in a shop before it is measured."""

    orders: int
    accounts: int

    @property
    def bytes(self) -> int:
        """The room that it needs on the disk."""
        return self.orders * BYTES_AN_ORDER + self.accounts * BYTES_AN_ACCOUNT + BYTES_A_SHOP


EMPTY = Size(0, 10_000)
"""What every size is compared with."""


def check_room(sizes: Sequence[Size], directory: Path) -> None:
    """Refuse where the disk has too little room for the largest of *sizes*, beside an empty shop."""
    needed = max(size.bytes for size in sizes) + BYTES_A_SHOP
    free = shutil.disk_usage(directory).free
    print(f"{directory} needs {needed / 1e9:.0f} GB at most, and has {free / 1e9:.0f} GB", flush=True)
    if free < needed:
        raise SystemExit("too little room on the disk: set TMPDIR to a larger one, or give smaller --sizes")


def fill(data_dir: Path, size: Size) -> None:
    """Make the shop in *data_dir*, of *size*, with its books audited as the service keeps them."""
    with EmbeddedPostgres(data_dir, settings=LOADING) as server:
        with running_shop(data_dir):
            pass  # a first start makes the schema, the catalog and the key
        asyncio.run(_filled(server.address.arguments(), size))
    # Else the kernel would write it down while orders are measured.
    os.sync()


def warm(target: Any) -> None:  # noqa: ANN401 -- asyncpg's own arguments
    """Bring into the buffers of a server that has just started what orders will need."""

    async def read() -> None:
        async with _session(target) as connection:
            await connection.execute((HERE / "growth_warm.sql").read_text())

    asyncio.run(read())


async def _filled(target: Any, size: Size) -> None:  # noqa: ANN401 -- asyncpg's own arguments
    async with _session(target) as one, _session(target) as other:
        await one.execute((HERE / "peer.sql").read_text())
        for connection in (one, other):
            await connection.execute((HERE / "growth.sql").read_text())
        keys = await _keys(one)
        await _drop(one, keys)
        await _fill_tables(one, other, size)
        await _make(one, keys)
        await _count_on(one)
        if await _keys(one) != keys:
            raise SystemExit("the keys of the filled tables are not those that the migrations made")
        await one.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
        await audit_books(one)
        if await one.fetchval("SELECT sum(breaches) FROM audit_run") != 0:
            raise SystemExit("the books of the filled shop do not hold")
        await one.execute("CHECKPOINT")


@asynccontextmanager
async def _session(target: Any) -> AsyncIterator[SoleConnection]:  # noqa: ANN401 -- as above
    connection = await asyncpg.connect(**target, server_settings=SESSION)
    try:
        yield connection
    finally:
        await connection.close()


async def _fill_tables(one: SoleConnection, other: SoleConnection, size: Size) -> None:
    """Fill the tables on two connections: the orders alone are half of the work."""
    first_account = await one.fetchval("SELECT max(id) + 1 FROM account")
    first_transfer = await one.fetchval("SELECT max(id) + 1 FROM transfer")
    price_cents = bandwidth_price_cents((await read_listing(one)).plan_by_slug["residential"], 2)
    given = (first_account, size.accounts, size.orders, price_cents)

    async def beside() -> None:
        await other.execute(_call("fill_accounts", *given))
        await other.execute(_call("fill_transfers", *given, first_transfer))
        await other.execute(_call("fill_meters", *given))

    await asyncio.gather(one.execute(_call("fill_orders", *given)), beside())


def _call(function: str, *numbers: int) -> str:
    return f"SELECT pg_temp.{function}({', '.join(map(str, numbers))})"


async def _keys(connection: SoleConnection) -> list[Key]:
    """Return the indexes and keys of the filled tables, and the foreign keys that point to them."""
    rows = await connection.fetch((HERE / "growth_keys.sql").read_text(), TABLES)
    return [Key(**row) for row in rows]


async def _drop(connection: SoleConnection, keys: Sequence[Key]) -> None:
    # Foreign keys first: they stand on the others.
    for key in sorted(keys, key=lambda key: not key.is_foreign):
        await connection.execute(
            f"DROP INDEX {key.name}" if key.is_index else f"ALTER TABLE {key.table_name} DROP CONSTRAINT {key.name}"
        )


async def _make(connection: SoleConnection, keys: Sequence[Key]) -> None:
    for key in sorted(keys, key=lambda key: key.is_foreign):
        definition = f"{key.definition} WITH (fillfactor = 70)" if key.name in _GROWN else key.definition
        await connection.execute(
            definition if key.is_index else f"ALTER TABLE {key.table_name} ADD CONSTRAINT {key.name} {definition}"
        )
    for name in _GROWN:
        await connection.execute(f"ALTER INDEX {name} RESET (fillfactor)")


async def _count_on(connection: SoleConnection) -> None:
    """Let new ids follow those that were given."""
    for table in ("account", "orders", "transfer"):
        await connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608 -- our own names
        )
