"""A pooler between us and PostgreSQL: one that takes a session's promises away is refused.

The bounds of every wait are settings of a session; prepared statements and the locks of duties belong to one. A pooler
that gives each transaction another session mixes them up among its clients, and one that drops settings leaves a frozen
worker's locks in place for ever; neither says a word.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

from novaproxy.database.pool import CONNECT_TIMEOUT_SECONDS, OUTAGES, SoleConnection
from novaproxy.errors import OperatorError

SHARED = (
    "A pooler in transaction mode stands before the database, and mixes up what belongs to a session: prepared "
    "statements, locks, time limits. Let NOVAPROXY_DATABASE_URL lead to PostgreSQL itself, or to a pool of sessions."
)

_MIXED_UP = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""What the statements of another client lead to, in a session that was his before."""

_TRIES = 5

_SESSION = "SELECT pg_backend_pid()"

_SEEN = """
SELECT pg_backend_pid() AS session,
       array_remove(ARRAY[
           CASE WHEN current_setting('lock_timeout') = '0' THEN 'lock_timeout' END,
           CASE WHEN current_setting('idle_in_transaction_session_timeout') = '0'
                THEN 'idle_in_transaction_session_timeout' END,
           CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'synchronous_commit' END
       ], NULL) AS dropped
"""


async def check_way(connection: SoleConnection, opened_again: Callable[[], Awaitable[SoleConnection]]) -> None:
    """Check that *connection* is a session of its own, with the settings that it was opened with.

    *opened_again* gives another connection the same way.

    Raises:
        OperatorError: a pooler stands between that gives it none.
    """
    try:
        seen = await connection.fetchrow(_SEEN)
        if seen is None:
            raise AssertionError("a SELECT without FROM gives a row")
        # A pooler makes up what it tells of the session, because it passes the wish to cancel on itself.
        if seen["session"] == connection.get_server_pid():
            return
        if await _is_shared(connection, opened_again):
            raise OperatorError(SHARED)
    except _MIXED_UP as error:
        raise OperatorError(SHARED) from error
    if seen["dropped"]:
        raise OperatorError(
            f"A pooler before the database drops settings of a session ({', '.join(seen['dropped'])}): "
            "give them to the role, as docs/scaling.md says."
        )


async def _is_shared(connection: SoleConnection, opened_again: Callable[[], Awaitable[SoleConnection]]) -> bool:
    """Return whether two connections were seen in one session; a busy pooler may hide it."""
    another = await opened_again()
    try:
        for _ in range(_TRIES):
            if await another.fetchval(_SESSION) == await connection.fetchval(_SESSION):
                return True
        return False
    finally:
        with suppress(*OUTAGES):
            await another.close(timeout=CONNECT_TIMEOUT_SECONDS)
