"""The database as a command needs it: opened, migrated, and left as it was found."""

import asyncio
import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import asyncpg

from novaproxy.cli.terminal import Progress
from novaproxy.database.cluster import is_made
from novaproxy.database.pool import CONNECT_TIMEOUT_SECONDS, OUTAGES, SoleConnection, Target, opened_connection
from novaproxy.database.preparing import NO_ADDRESS, Roles, entered, prepared
from novaproxy.errors import OperatorError
from novaproxy.serving.database import OpenedDatabase, opened_database
from novaproxy.settings import ADDRESS_FAULT, Settings, read_settings

Result = TypeVar("Result")

UNREACHABLE: tuple[type[BaseException], ...] = (*OUTAGES, asyncpg.PostgresError, *NO_ADDRESS)
"""What connecting may raise: nobody there, no rights, or an address that is none."""

SESSION = {"statement_timeout": "0", "lock_timeout": "30s", "plan_cache_mode": "force_custom_plan"}
"""A command may wait for its turn and read for long; the bounds of a service are not its own. Each of its questions has
other facts than the last, and is planned by them."""


READ_ONLY = (
    "The database takes no changes: it is a replica, or read-only for now. "
    "What changes something needs the primary's address in NOVAPROXY_DATABASE_URL."
)
"""What is said where a command would change something in a database that only reads."""


def settings() -> Settings:
    """Return the settings of this process's environment."""
    return read_settings(os.environ)


def run(
    work: Callable[[SoleConnection], Awaitable[Result]],
    progress: Progress | None = None,
    *,
    makes_database: bool = False,
) -> Result:
    """Return what *work* returns, given one connection to the migrated database.

    *progress* is shown while it takes long. An embedded database that is not there yet is made only where
    *makes_database* says so: a question that was asked in the wrong directory makes nothing.

    Raises:
        OperatorError: there is no database, or it cannot be used.
    """
    with _opened(progress, makes_database=makes_database) as database:
        return asyncio.run(run_on(database.roles, work))


def run_with_target(
    work: Callable[[SoleConnection, Target], Awaitable[Result]], progress: Progress | None = None
) -> Result:
    """Return what *work* returns, given the owner's connection and where it leads, for programs of PostgreSQL's.

    Nothing is migrated: the database stays as it is.

    Raises:
        OperatorError: there is no database, or it cannot be used.
    """
    with _opened(progress, makes_database=False) as database:
        return asyncio.run(run_as_owner(database.roles, work))


def run_beside(
    work: Callable[[SoleConnection, SoleConnection], Awaitable[Result]], progress: Progress | None = None
) -> Result:
    """Return what *work* returns, given two connections to the migrated database; else as ``run``.

    Raises:
        OperatorError: there is no database, or it cannot be used.
    """
    with _opened(progress, makes_database=False) as database:
        target = database.target

        async def with_another(connection: SoleConnection) -> Result:
            another = await opened_connection(target, command_timeout=None, **SESSION)
            try:
                return await work(connection, another)
            finally:
                await _left(another)

        return asyncio.run(run_on(database.roles, with_another))


@contextmanager
def _opened(progress: Progress | None, *, makes_database: bool) -> Iterator[OpenedDatabase]:
    given = settings()
    if not makes_database and not has_database(given):
        raise OperatorError(
            f"There is no database in {_place(given.data_dir)} yet: start one with 'novaproxy serve' or "
            "'novaproxy catalog apply FILE', or set NOVAPROXY_DATA_DIR."
        )
    with opened_database(given, tell_terminal) as database, progress or Progress():
        yield database


def has_database(given: Settings) -> bool:
    """Return whether there is a database to be opened; of the operator's own it is taken for granted."""
    try:
        return given.database_url is not None or is_made(given.data_dir / "postgres")
    except OSError:
        # Opening it says better what is wrong with the directory.
        return True


def _place(directory: Path) -> str:
    """Return *directory* as it is seen from here."""
    return f"./{directory.relative_to(Path.cwd())}" if directory.is_relative_to(Path.cwd()) else str(directory)


def tell_terminal(sentence: str) -> None:
    """Write *sentence* to standard error where a person reads it."""
    # To a person only: for programs standard error holds faults and nothing else.
    if sys.stderr.isatty():
        sys.stderr.write(f"{sentence}\n")


async def run_on(roles: Roles, work: Callable[[SoleConnection], Awaitable[Result]], *, migrates: bool = True) -> Result:
    """Return what *work* returns, given one connection of the service's role to the database.

    The database is migrated first; not *migrates* refuses one that would have to be.

    Raises:
        OperatorError: the database cannot be reached, or went away, or somebody holds what is needed.
    """

    async def worked(connection: "SoleConnection | None") -> Result:
        ready = await prepared(roles, connection, migrates=migrates, **SESSION)
        try:
            return await work(ready)
        finally:
            await _left(ready)

    return await entered_by(roles, worked)


async def run_as_owner(roles: Roles, work: Callable[[SoleConnection, Target], Awaitable[Result]]) -> Result:
    """Return what *work* returns, given a connection of the owner and where it leads; nothing is migrated.

    Raises:
        OperatorError: as ``run_on``.
    """
    owner = roles.owner or roles.service

    async def worked(connection: "SoleConnection | None") -> Result:
        if connection is None:
            raise AssertionError("no migration makes the owner")
        return await work(connection, owner)

    return await entered_by(Roles(owner), worked)


async def entered_by(roles: Roles, work: Callable[["SoleConnection | None"], Awaitable[Result]]) -> Result:
    """Return what *work* returns, given what ``entered`` gives: the database as it is.

    Raises:
        OperatorError: as ``run_on``.
    """
    try:
        with warnings.catch_warnings():
            # The driver's, of a password file that it ignores: standard error holds faults of our own wording.
            warnings.simplefilter("ignore")
            connection = await entered(roles, **SESSION)
    except NO_ADDRESS:
        raise OperatorError(ADDRESS_FAULT) from None
    except UNREACHABLE as error:
        raise OperatorError(f"The database cannot be reached: {_told(error)}.") from error
    try:
        return await work(connection)
    except asyncpg.LockNotAvailableError as error:
        raise OperatorError("Somebody holds what this command needs; nothing was changed. Try again.") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise OperatorError(READ_ONLY) from error
    except OUTAGES as error:
        raise OperatorError(f"The database went away: {_told(error)}.") from error
    except asyncpg.PostgresError as error:
        raise OperatorError(f"The database refused: {_told(error)}.") from error
    finally:
        if connection is not None:
            await _left(connection)


async def _left(connection: SoleConnection) -> None:
    # A server that went away, or hangs, is not waited for.
    with suppress(*OUTAGES):
        await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)


def _told(error: BaseException) -> str:
    """Return what *error* says, in one line without its final stop."""
    match error:
        case TimeoutError() if not str(error):
            return f"no answer within {CONNECT_TIMEOUT_SECONDS:.0f} seconds"
        case OSError(strerror=str(reason)) if not reason.startswith("Multiple exceptions"):
            return reason.rstrip(".")
        case _:
            return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
