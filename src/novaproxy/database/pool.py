"""Connections and transactions.

Sessions carry limits, so that nothing waits for ever: no statement, no lock, no transaction that a frozen
process left open.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias, TypeVar

import asyncpg
from asyncpg.transaction import Transaction

from novaproxy.errors import OperatorError

Result = TypeVar("Result")

OLDEST_SERVER = 15

Target = Mapping[str, Any]
"""Where the database is, as keyword arguments of ``asyncpg.connect``; it holds the password."""

SoleConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connection: TypeAlias = "SoleConnection | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 2_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_SECONDS = 5.0
ACQUIRE_SECONDS = 5.0
"""How long anybody waits for one of a pool's connections, a new one's opening included: those who ask while the
database is frozen would else wait one after the other."""

COMMAND_TIMEOUT_SECONDS = 12.0
"""A little more than the server's own bound: for a server that is frozen, or a line that is dead."""

SESSION = {
    "application_name": "novaproxy",
    "TimeZone": "UTC",
    "default_transaction_isolation": "read committed",
    # A 201 promises an order that survives a power cut, whatever the server's own default is.
    "synchronous_commit": "on",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "jit": "off",
}
"""Server settings of each session of ours, whatever the server's own defaults are."""

BY_KEY = {"enable_seqscan": "off"}
"""For sessions that read by key alone: a plan that was cached while a table was small scans it whole when it has grown
(tried: 71 ms an order instead of 8, until the next ANALYZE)."""

PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan"}
"""For sessions whose statements have one good plan: left to itself the server plans one anew each time where its
first executions were of small batches (tried: 0.7 ms a batch, half of what one order costs)."""

OUTAGES: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Errors that say that the database is away, full or stopping, rather than that the statement is wrong."""


def is_outage(error: BaseException) -> bool:
    """Return whether *error* is one of OUTAGES; asyncpg's complaint about a value that it cannot send is not."""
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)


def facts(error: BaseException) -> dict[str, Any]:
    """Return what a log may say of *error*: of the server's own errors no detail, which would show a row's content."""
    if isinstance(error, asyncpg.PostgresError):
        return {"error": type(error).__name__, "sqlstate": error.sqlstate, "constraint": error.constraint_name}
    return {"exc_info": error}


LOST: tuple[type[BaseException], ...] = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Those outages that an old connection meets after a restart of the server, where a new one may be well.

InternalClientError is what the driver raises between a dying server's last word on an idle line and the line's end.
"""

RETRIED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""SQLSTATE 40001 and 40P01: the transaction lost to another and may be run again."""


async def _keep_session(_connection: Connection) -> None:
    """Leave a released connection as it is: our statements change nothing of a session, a reset costs a round trip."""


async def opened_pool(database: Target, *, max_size: int = 8) -> Pool:
    """Return a pool that connects when first used, so that a service starts while its database is away."""
    return await asyncpg.create_pool(
        **database,
        min_size=0,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings=SESSION | BY_KEY,
        reset=_keep_session,
        connect=_connected,
    )


async def opened_connection(
    database: Target,
    *,
    command_timeout: float | None = None,
    **settings: str,
) -> SoleConnection:
    """Return one connection of its own; *settings* go over those of SESSION.

    *command_timeout* (seconds) bounds each command also where the server does not answer at all.

    Raises:
        OperatorError: the server is older than PostgreSQL 15.
    """
    connection = await _connected(
        **database,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=command_timeout,
        server_settings=SESSION | settings,
    )
    version = connection.get_server_version()
    if version.major < OLDEST_SERVER:
        await connection.close()
        raise OperatorError(f"PostgreSQL {version.major} is too old: NovaProxy needs {OLDEST_SERVER} or newer.")
    return connection


async def _connected(*where: Any, **arguments: Any) -> SoleConnection:  # noqa: ANN401 -- what asyncpg.connect takes
    """Connect as ``asyncpg.connect`` does; a database that lets nobody in for now is away, as a server that starts."""
    try:
        return await asyncpg.connect(*where, **arguments)
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        # ALLOW_CONNECTIONS false: somebody restores or maintains it. Within a session the same class means a lock.
        raise asyncpg.CannotConnectNowError(str(error)) from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Give a connection inside one transaction: committed when the block ends, rolled back when it raises."""
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
        yield connection


async def rolled_back(transaction: Transaction) -> None:
    """Roll *transaction* back after a fault; what fails about that does not hide the fault itself."""
    # Where the line is gone, or the session was ended, the server has rolled it back.
    with suppress(*OUTAGES, asyncpg.PostgresError):
        await transaction.rollback()


async def read(pool: Pool, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Return what *work* reads; once more on another connection where the first one turned out to be lost."""
    try:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            return await work(connection)
    except LOST as error:
        if not is_outage(error):
            raise
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        return await work(connection)


@cache
def statement(package: str, name: str) -> str:
    """Return the text of ``sql/<name>.sql`` of a capability, e.g. ``statement("novaproxy.orders", "save_batch")``."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
