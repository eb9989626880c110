"""A backup brought into an empty database, whole or not at all.

pg_restore writes the statements and psql executes them, in one transaction that is committed here, behind the last of
them: whatever ends early, the server rolls back. Between the two one line is taken out: since PostgreSQL 17 pg_restore
sets something that older servers do not know.
"""

import asyncio
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from novaproxy.backup.archive import Archive
from novaproxy.backup.dump import killed
from novaproxy.backup.facts import is_empty
from novaproxy.backup.programs import line_to
from novaproxy.database.cluster import FULL_DISK, fault_in
from novaproxy.database.migrate import hold_migrations
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.errors import OperatorError

_CHUNK_BYTES = 2**18
_UNKNOWN_BEFORE_17 = b"\nSET transaction_timeout = 0;\n"
_HEAD_END = b"\nCREATE "


async def load(connection: SoleConnection, target: Target, archive: Archive, tell: Callable[[int], None]) -> None:
    """Bring *archive* into the database of *target*, to which *connection* leads; *tell* gets the bytes done so far.

    Raises:
        OperatorError: the database is not empty, or the backup could not be restored; nothing of it is left there.
    """
    # A service that is started on this database meanwhile waits, instead of making tables of its own.
    await hold_migrations(connection)
    if not await is_empty(connection):
        raise OperatorError("The database is not empty: restore into a new one. Nothing was changed.")
    with tempfile.TemporaryFile() as restore_errors, tempfile.TemporaryFile() as psql_errors:
        words = ["--no-owner", "--no-privileges", "--exit-on-error", "--file=-", str(archive.path.absolute())]
        restore = await asyncio.create_subprocess_exec(
            archive.programs.path("pg_restore"),
            *words,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=restore_errors,
            env=line_to(target).environment,
            start_new_session=True,
            limit=_CHUNK_BYTES,
        )
        try:
            psql = await _started_psql(target, archive, psql_errors)
            try:
                is_whole = await _piped(restore, psql, tell)
                status = await psql.wait()
            finally:
                await killed(psql)
        finally:
            await killed(restore)
        if not is_whole or status != 0:
            raise _refusal(archive, _said(psql_errors) or _said(restore_errors) or f"psql ended with {status}.")


async def _started_psql(target: Target, archive: Archive, errors: IO[bytes]) -> Process:
    line = line_to(target)
    words = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password", "--output=/dev/null"]
    return await asyncio.create_subprocess_exec(
        archive.programs.path("psql"),
        *words,
        *line.words,
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=errors,
        env=line.environment,
        start_new_session=True,
    )


async def _piped(restore: Process, psql: Process, tell: Callable[[int], None]) -> bool:
    """Hand on what *restore* writes, and COMMIT behind it where it ended well; return whether that was sent."""
    if restore.stdout is None or psql.stdin is None:
        raise AssertionError("both are pipes")
    count = 0
    # psql goes away in the middle where a statement is refused.
    with suppress(BrokenPipeError, ConnectionResetError):
        psql.stdin.write(b"BEGIN;\n")
        chunk = await _head(restore.stdout)
        while chunk:
            psql.stdin.write(chunk)
            await psql.stdin.drain()
            count += len(chunk)
            tell(count)
            chunk = await restore.stdout.read(_CHUNK_BYTES)
        is_whole = await restore.wait() == 0
        if is_whole:
            psql.stdin.write(b"COMMIT;\n")
            await psql.stdin.drain()
        psql.stdin.close()
        return is_whole
    return False


async def _head(written: asyncio.StreamReader) -> bytes:
    """Return the beginning of what pg_restore wrote, without what a server before 17 does not know."""
    head = b""
    while _HEAD_END not in head and (chunk := await written.read(_CHUNK_BYTES)):
        head += chunk
    settings, create, more = head.partition(_HEAD_END)
    return settings.replace(_UNKNOWN_BEFORE_17, b"\n") + create + more


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    return fault_in(errors.read())


def _refusal(archive: Archive, fault: str) -> OperatorError:
    if fault == FULL_DISK:
        return OperatorError("The disk that holds the database is full; nothing of the backup is left there.")
    return OperatorError(f"The backup {archive.path} could not be restored, and nothing of it is left: {fault}")
