"""Where both sides begin: a shop with accounts and past orders, the peers' functions, and the server's settings."""

import asyncio
import os
import re
import time
from pathlib import Path
from statistics import median

import asyncpg

from benchmarks.shop import breaches, query
from novaproxy.database.pool import Target, statement

SQL = Path(__file__).parent.parent
ACCOUNTS = 10_000
WORKERS = os.cpu_count() or 1
"""API workers of the service under test: one for each core."""
ORDERS = 100_000
SHOWN_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "server_version", "shared_buffers")
WRITTEN_TABLES = ("account", "account_plan", "api_token", "meter", "orders", "transfer")
BLOCK_BYTES = 8_192
_START = """
SELECT (SELECT count(*) FROM account WHERE email LIKE 'bench%@example.com') AS accounts,
       (SELECT count(*) FROM orders) AS orders, pg_database_size(current_database()) AS bytes
"""


def prepare(target: Target, accounts: int = ACCOUNTS, orders: int = ORDERS, *, with_code: bool = False) -> None:
    """Load the accounts with their past orders, and make the peers' functions, that of a discount code where asked."""

    async def load() -> None:
        connection = await asyncpg.connect(**target)
        try:
            await connection.execute((SQL / "peer.sql").read_text())
            await connection.execute(save_function(statement("novaproxy.orders", "save_batch")))
            await connection.execute((SQL / "peer_batch.sql").read_text())
            if with_code:
                await connection.execute((SQL / "peer_code.sql").read_text())
            await connection.fetch((SQL / "load.sql").read_text(), accounts)
            await connection.fetch((SQL / "load_orders.sql").read_text(), orders)
            for table in WRITTEN_TABLES:
                await connection.execute(f"VACUUM ANALYZE {table}")
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()

    asyncio.run(load())


def save_function(save: str) -> str:
    """Return a function that does what the statement *save* does, with an argument for each of its parameters."""
    types = {int(number): kind for number, kind in re.findall(r"\$(\d+)::(\w+(?:\[\])?)", save)}
    arguments = ", ".join(types[number] for number in sorted(types))
    return f"CREATE FUNCTION save_as_the_service_does({arguments}) RETURNS void LANGUAGE sql AS $save$\n{save}\n$save$"


def described_start(target: Target) -> str:
    """Return what the database holds before the first run, in a sentence.

    Raises:
        SystemExit: the books do not hold.
    """
    found = breaches(target)
    if found:
        raise SystemExit(f"the loaded books do not hold: {found} breaches")
    row = query(target, _START)[0]
    return (
        f"{row['accounts']} accounts, {row['orders']} orders, {row['bytes'] / 1e6:.0f} MB; "
        f"breaches that `novaproxy audit` found in them: {found}"
    )


def shown_settings(target: Target) -> dict[str, str]:
    """Return the server's settings that decide what a commit costs."""
    return {name: query(target, f"SHOW {name}")[0][0] for name in SHOWN_SETTINGS}


def fdatasync_ms(directory: Path, seconds: float = 0.5) -> float:
    """Return how long it takes to overwrite one block of a file in *directory* and have it on the disk, the median."""
    taken: list[float] = []
    path = directory / "fdatasync"
    block = os.urandom(BLOCK_BYTES)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, block * 16, 0)
        os.fsync(file)
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            os.pwrite(file, block, 0)
            os.fdatasync(file)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(file)
        path.unlink()
    return 1000 * median(taken)
