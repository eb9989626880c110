"""A data directory that is restored: the database is made aside, and takes its place when it is whole.

The data directory's lock is held meanwhile, so that a service that is started there waits. What a kill leaves behind is
a directory ``restore.new-...``, which nobody takes for a shop; the next restore removes it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from novaproxy.database.cluster import is_made, sync_directory
from novaproxy.database.embedded import EmbeddedPostgres, made_directory, told_faults
from novaproxy.database.locks import exclusive
from novaproxy.database.patience import Patience
from novaproxy.database.server import Server
from novaproxy.errors import OperatorError

_STAGE = "restore.new-"
_CLUSTER = "postgres"
_LOCK = "start.lock"
_MAY_BE_THERE = {_LOCK, "use.lock", "sealing.key"}
_STAYS_BEHIND = {_LOCK, "use.lock", "run", "postgres.log", "postgres.log.1", _CLUSTER}
_ORPHAN_SECONDS = 30.0

# Everything is written in one transaction to new tables: with these it is not written twice.
_SETTINGS = {"wal_level": "minimal", "max_wal_senders": "0"}


@contextmanager
def staged_database(data_dir: Path, binaries: Path | None) -> Iterator[EmbeddedPostgres]:
    """Give the new database of *data_dir*, which it becomes when the block ends well; else nothing is left of it.

    Raises:
        OperatorError: the directory is in use or not empty, or the database cannot be made.
    """
    with told_faults(data_dir):
        check_unused(data_dir)
        is_new = not data_dir.exists()
        was_locked = (data_dir / _LOCK).exists()
        made_directory(data_dir)
        try:
            with exclusive(data_dir / _LOCK, Patience()):
                check_unused(data_dir)
                _remove_left(data_dir)
                with _stage(data_dir) as stage:
                    with EmbeddedPostgres(stage, binaries=binaries, settings=_SETTINGS) as server:
                        yield server
                    _place(stage, data_dir)
        except BaseException:
            if not was_locked:
                _remove_traces(data_dir, is_new=is_new)
            raise


def check_unused(data_dir: Path) -> None:
    """Refuse a directory that holds anything but a sealing key, which may be put there before.

    Raises:
        OperatorError: it does.
    """
    if not data_dir.is_dir():
        return
    if is_made(data_dir / _CLUSTER):
        raise OperatorError(f"There is a database in {data_dir} already: restore into an empty directory.")
    found = [path.name for path in data_dir.iterdir() if not path.name.startswith(_STAGE)]
    others = sorted(set(found) - _MAY_BE_THERE)
    if others:
        raise OperatorError(f"The directory {data_dir} is not empty (it holds {others[0]}): restore into an empty one.")


@contextmanager
def _stage(data_dir: Path) -> Iterator[Path]:
    stage = data_dir / f"{_STAGE}{os.urandom(4).hex()}"
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _remove_left(data_dir: Path) -> None:
    """Remove what killed restores left: their databases may still be running."""
    for left in data_dir.glob(f"{_STAGE}*"):
        if is_made(left / _CLUSTER):
            with exclusive(left / _LOCK, Patience(_ORPHAN_SECONDS)):
                Server(left).stop()
        shutil.rmtree(left)


def _place(stage: Path, data_dir: Path) -> None:
    """Move the database into its place; its cluster last, without which there is none."""
    for path in stage.iterdir():
        if path.name not in _STAYS_BEHIND:
            path.rename(data_dir / path.name)
    sync_directory(data_dir)
    (stage / _CLUSTER).rename(data_dir / _CLUSTER)
    sync_directory(data_dir)


def _remove_traces(data_dir: Path, *, is_new: bool) -> None:
    with suppress(OSError):
        (data_dir / _LOCK).unlink()
    if is_new:
        with suppress(OSError):
            data_dir.rmdir()
