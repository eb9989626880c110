"""What is committed while a batch waits for its locks was locked by nobody: it counts for nothing in that batch."""

import asyncio
from collections.abc import Sequence

from novaproxy.accounts.asking import token_hash
from novaproxy.database.pool import SoleConnection, Target, opened_connection, statement
from shop import Buyer, new_buyer

LOCK = "SELECT FROM account WHERE id = $1 FOR NO KEY UPDATE"


async def loaded(connection: SoleConnection, buyers: Sequence[Buyer], codes: Sequence[str | None]) -> list[int | None]:
    """Return the account and the code of each ask, as a batch gets them."""
    hashes = [token_hash(buyer.token.encode()) for buyer in buyers]
    async with connection.transaction():
        rows = await connection.fetch(
            statement("novaproxy.orders", "load_batch"), hashes, [None] * len(hashes), list(codes)
        )
    return [value for row in sorted(rows, key=lambda row: row["slot"]) for value in (row["account_id"], row["code_id"])]


async def waiting(connection: SoleConnection, pid: int) -> None:
    while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):  # noqa: ASYNC110 -- it is the server that tells
        await asyncio.sleep(0.01)


async def test_a_token_of_the_last_moment_is_not_of_the_batch(database: Target) -> None:
    batch, holder, writer = [await opened_connection(database) for _ in range(3)]
    known, late = await new_buyer(writer, 0), await new_buyer(writer, 0)
    await writer.execute("UPDATE api_token SET revoked_at = now() WHERE account_id = $1", late.account_id)
    await holder.execute("BEGIN")
    await holder.fetch(LOCK, known.account_id)

    loading = asyncio.create_task(loaded(batch, [known, late, known], [None, None, "late"]))
    await waiting(writer, batch.get_server_pid())
    await writer.execute("UPDATE api_token SET revoked_at = NULL WHERE account_id = $1", late.account_id)
    await holder.execute("ROLLBACK")

    assert await loading == [known.account_id, None, None, None, known.account_id, None]
    assert await loaded(batch, [late], [None]) == [late.account_id, None]
    for connection in (batch, holder, writer):
        await connection.close()
