"""A shop as one file: pg_dump of one moment, beside whatever goes on."""

import asyncio
import errno
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from novaproxy.backup.facts import Facts, has_shop, read_facts
from novaproxy.backup.programs import Programs, line_to
from novaproxy.backup.seal import Digest
from novaproxy.database.cluster import fault_in
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.errors import OperatorError

_CHUNK_BYTES = 2**18
_LOCK_WAIT = "30s"


@dataclass(slots=True)
class Written:
    """Writes a backup to *descriptor*; *tell* gets how many bytes are written."""

    descriptor: int
    tell: Callable[[int], None]
    digest: Digest = field(default_factory=Digest)

    def write(self, chunk: bytes) -> None:
        """Write *chunk*.

        Raises:
            OperatorError: the disk is full, for instance.
        """
        self.digest.add(chunk)
        self._put(chunk)
        self.tell(self.digest.count_bytes)

    def end(self) -> None:
        """Write the last line."""
        self._put(self.digest.line())

    def _put(self, chunk: bytes) -> None:
        try:
            left = memoryview(chunk)
            while left:
                left = left[os.write(self.descriptor, left) :]
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise OperatorError(
                    "The disk that the backup goes to is full; nothing is left of the backup."
                ) from error
            raise OperatorError(f"The backup cannot be written: {error.strerror}.") from error


async def dump(connection: SoleConnection, target: Target, programs: Programs, written: Written) -> Facts:
    """Write the shop of *target*, to which *connection* leads, and return what is in it.

    It is the shop of one moment, to which the facts belong too. Nothing waits for it but a change of the schema.

    Raises:
        OperatorError: there is no shop, or pg_dump could not.
    """
    server = connection.get_server_version().major
    if server > programs.major:
        raise OperatorError(
            f"The database is PostgreSQL {server}, and the pg_dump in {programs.directory} is {programs.major}, too "
            f"old for it: set NOVAPROXY_PG_BIN to the directory of PostgreSQL {server}'s programs."
        )
    if not await has_shop(connection):
        raise OperatorError("There is no shop in the database yet: nothing was backed up.")
    # This session sits in its transaction for as long as the dump takes.
    await connection.execute("SET idle_in_transaction_session_timeout = 0")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        facts = await read_facts(connection)
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        await _dumped(target, programs, snapshot, written)
    written.end()
    return facts


async def _dumped(target: Target, programs: Programs, snapshot: str, written: Written) -> None:
    line = line_to(target)
    words = ["--format=custom", f"--snapshot={snapshot}", f"--lock-wait-timeout={_LOCK_WAIT}", "--no-password"]
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            programs.path("pg_dump"),
            *words,
            *line.words,
            stdin=DEVNULL,
            # Through this process: where it is killed, pg_dump ends too.
            stdout=PIPE,
            stderr=errors,
            env=line.environment,
            # In the terminal's group Ctrl-C would reach it before us.
            start_new_session=True,
            limit=_CHUNK_BYTES,
        )
        try:
            await _copied(process, written)
            status = await process.wait()
        finally:
            await killed(process)
        errors.seek(0)
        said = errors.read()
    if status != 0:
        raise OperatorError(f"The shop could not be backed up: {fault_in(said) or f'pg_dump ended with {status}.'}")


async def _copied(process: Process, written: Written) -> None:
    if process.stdout is None:
        raise AssertionError("it is a pipe")
    while chunk := await process.stdout.read(_CHUNK_BYTES):
        written.write(chunk)


async def killed(process: Process) -> None:
    """End *process* where it still runs, and bury it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            # Not process.kill(): that looks first whether it has ended, and so takes its end from who waits for it.
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()
