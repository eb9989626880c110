"""A cluster (PostgreSQL's data directory): made whole or not at all, and of the right version."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from novaproxy.database.account import Account
from novaproxy.database.binaries import Binaries
from novaproxy.database.memory import MIB, buffers_bytes, memory_bytes
from novaproxy.errors import OperatorError

OWNER = "novaproxy"
"""The role that owns everything, and the name of the database."""

FULL_DISK = "the disk is full (No space left on device)."
"""What is said of a full disk, whichever of PostgreSQL's many sentences it was."""

_NEW = "postgres.new-"
_FULL_DISK_SIGNS = ("No space left on device", "Disk quota exceeded", "Check free disk space")
_TO_CLIENTS = ("the database system is ", "terminating connection ", "password authentication failed ")
_CONFIGURATION = """
# NovaProxy's defaults; they may be changed here. The buffers are an eighth of this machine's memory, 1GB at most.
shared_buffers = {buffers_mib}MB
max_connections = 200
max_wal_size = 2GB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
"""


def check_version(cluster: Path, binaries: Binaries) -> None:
    """Refuse a cluster of another major version.

    Raises:
        OperatorError: it is newer or older than *binaries*, or no cluster.
    """
    try:
        made_by = (cluster / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        raise OperatorError(
            f"{cluster} is not empty, but holds no PostgreSQL database: move it away, or set NOVAPROXY_DATA_DIR."
        ) from None
    if made_by == str(binaries.major):
        return
    raise OperatorError(
        f"The database in {cluster} was made by PostgreSQL {made_by}, the programs in {binaries.directory} are "
        f"PostgreSQL {binaries.major}: set NOVAPROXY_PG_BIN to the directory of PostgreSQL {made_by}'s programs."
    )


def is_made(cluster: Path) -> bool:
    """Return whether there is anything at *cluster*; an empty directory is nothing."""
    return cluster.exists() and any(cluster.iterdir())


def read_password(path: Path) -> str:
    """Return the password in *path*.

    Raises:
        OperatorError: the file is gone or empty.
    """
    try:
        password = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        password = ""
    if not password:
        raise OperatorError(f"The password of the embedded database is missing: restore the file {path}.")
    return password


def make_password(path: Path) -> str:
    """Return the password in *path*, which is made, for this user's eyes alone, if it is not there."""
    if path.exists() and path.stat().st_size:
        return read_password(path)
    password = secrets.token_urlsafe(32)
    # An interrupted start may leave a password without a cluster, never a part of one.
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        if os.geteuid() == 0:
            # Root's commands must not lock the directory's own user out of his database.
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(f"{password}\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    return password


def make_cluster(cluster: Path, binaries: Binaries, password: str, *, durable: bool, lock: int) -> None:
    """Make *cluster* with the database in it.

    It is made beside its place and renamed when complete, so that a kill at any moment leaves either nothing or all.
    Not *durable* leaves out the flush to the disk. *lock* is handed to initdb: when this process is killed, the next
    one waits until initdb has ended too.

    Raises:
        OperatorError: PostgreSQL could not make it.
    """
    for left in cluster.parent.glob(f"{_NEW}*"):
        shutil.rmtree(left, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=_NEW, dir=cluster.parent))
    try:
        binaries.account.own(new)
        with binaries.account.reach(new) as (path, descriptors):
            _initdb(path, (*descriptors, lock), binaries, password, durable=durable)
            _create_database(path, (*descriptors, lock), binaries)
        _configure(new)
        new.rename(cluster)
        sync_directory(cluster.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _initdb(path: str, descriptors: tuple[int, ...], binaries: Binaries, password: str, *, durable: bool) -> None:
    # A nameless file of the account's own: a pipe could not be opened by it, and a command line is public.
    with tempfile.TemporaryFile() as password_file:
        password_file.write(f"{password}\n".encode())
        password_file.seek(0)
        if binaries.account.switched:
            os.fchown(password_file.fileno(), binaries.account.uid, binaries.account.gid)
        words = [f"--pgdata={path}", f"--username={OWNER}", "--pwfile=/dev/stdin", "--auth=scram-sha-256"]
        words += ["--locale=C", "--encoding=UTF8", "--data-checksums", *(() if durable else ("--no-sync",))]
        _run(binaries.account, [binaries.directory / "initdb", *words], descriptors, password_file.fileno())


def _create_database(path: str, descriptors: tuple[int, ...], binaries: Binaries) -> None:
    with tempfile.TemporaryFile() as statements:
        statements.write(f"CREATE DATABASE {OWNER} OWNER {OWNER}\n".encode())
        statements.seek(0)
        # exit_on_error: a single-user server otherwise ends well whatever became of the statement.
        command = [str(binaries.directory / "postgres"), "--single", "-D", path, "-c", "exit_on_error=on", "postgres"]
        _run(binaries.account, command, descriptors, statements.fileno())


def _run(account: Account, command: Sequence[str | Path], descriptors: tuple[int, ...], stdin: int) -> None:
    ended = account.run(command, descriptors=descriptors, stdin=stdin, stderr=subprocess.STDOUT)
    if ended.returncode != 0:
        fault = fault_in(ended.stdout) or f"{Path(command[0]).name} ended with {ended.returncode}"
        raise OperatorError(f"The database could not be made: {fault}")


def _configure(cluster: Path) -> None:
    # The cluster is the unprivileged account's by now; root does not follow a link that it might have put there.
    descriptor = os.open(cluster / "postgresql.conf", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(_CONFIGURATION.format(buffers_mib=buffers_bytes(memory_bytes()) // MIB))
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Bring the names in *directory* to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fault_in(log: bytes) -> str:
    """Return the sentence in PostgreSQL's output that says why it ended; empty where none does."""
    spoken = (line.strip() for line in log.decode(errors="replace").splitlines())
    # What the server tells its clients is fatal to them, not to it.
    lines = [line for line in spoken if line and not any(said in line for said in _TO_CLIENTS)]
    if any(sign in line for line in lines for sign in _FULL_DISK_SIGNS):
        return FULL_DISK
    for mark in ("FATAL:", "PANIC:", "error:", "ERROR:"):
        for line in reversed(lines):
            if mark in line:
                return line.partition(mark)[2].strip()
    return lines[-1] if lines and "LOG:" not in lines[-1] else ""
