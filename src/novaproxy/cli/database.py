"""The database as a command needs it: opened, migrated, and left as it was found."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg

from novaproxy.database.migrate import migrate
from novaproxy.database.pool import CONNECT_TIMEOUT_SECONDS, OUTAGES, SoleConnection, Target, opened_connection
from novaproxy.errors import OperatorError
from novaproxy.serving.database import opened_database
from novaproxy.settings import Settings, read_settings

Result = TypeVar("Result")

UNREACHABLE: tuple[type[BaseException], ...] = (*OUTAGES, asyncpg.PostgresError, ValueError)
"""What connecting may raise: nobody there, no rights, or an address that is none."""


def settings() -> Settings:
    """Return the settings of this process's environment."""
    return read_settings(os.environ)


def run(work: Callable[[SoleConnection], Awaitable[Result]]) -> Result:
    """Return what *work* returns, given one connection to the migrated database."""
    with opened_database(settings(), _tell_terminal) as database:
        return asyncio.run(run_on(database.target, work))


def _tell_terminal(sentence: str) -> None:
    # To a person only: for programs standard error holds faults and nothing else.
    if sys.stderr.isatty():
        sys.stderr.write(f"{sentence}\n")


async def run_on(target: Target, work: Callable[[SoleConnection], Awaitable[Result]]) -> Result:
    """Return what *work* returns, given one connection to the database, migrated first.

    Raises:
        OperatorError: the database cannot be reached, or went away, or somebody holds what is needed.
    """
    try:
        # A command may wait for its turn and read for long; the bounds of a service are not its own. Each of its
        # questions has other facts than the last, and is planned by them.
        connection = await opened_connection(
            target, statement_timeout="0", lock_timeout="30s", plan_cache_mode="force_custom_plan"
        )
    except UNREACHABLE as error:
        raise OperatorError(f"The database cannot be reached: {_told(error)}.") from error
    try:
        await migrate(connection)
        return await work(connection)
    except asyncpg.LockNotAvailableError as error:
        raise OperatorError("Somebody holds what this command needs; nothing was changed. Try again.") from error
    except OUTAGES as error:
        raise OperatorError(f"The database went away: {_told(error)}.") from error
    except asyncpg.PostgresError as error:
        raise OperatorError(f"The database refused: {_told(error)}.") from error
    finally:
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
        case ValueError() if "invalid literal" in str(error):
            return "the port in NOVAPROXY_DATABASE_URL is no number"
        case _:
            return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
