"""The figures of several processes in one private directory: each maps files of its own, whoever is asked reads all.

The supervisor makes the directory and the files. A worker that takes a dead one's place goes on with its files, so
counters outlive a worker, and there are never more files than places.
"""

import fcntl
import os
import shutil
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from prometheus_client import values

_PREFIX = "novaproxy-metrics-"
_ABANDONED_SECONDS = 60.0
_WAITING = "gauge_livesum"
_KINDS = {"counter": 2**18, "histogram": 2**18, _WAITING: 2**16, "gauge_mostrecent": 2**16}
"""The kinds of files that prometheus-client keeps, and their bytes. All of them are there before a process starts: a
mapped file that finds no room on the disk while it grows would kill the process."""

_EMPTY = struct.pack("=i", 8)
"""How such a file begins that holds no figure: with the bytes in use, which are its head's alone."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The directory of one service, and a process's place in it: letters and digits."""

    directory: Path
    place: str


def share(shared: Shared | None) -> None:
    """Choose where the figures made from now on are kept; the library knows this by the process, not by the registry.

    A file is named for the process's place instead of its number, which another process has after a restart.
    """
    if shared is None:
        values.ValueClass = values.MutexValue
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared.directory)
    values.ValueClass = values.MultiProcessValue(lambda: shared.place)  # type: ignore[no-untyped-call]  # the library's


class SharedDirectory:
    """The directory, for this user's eyes alone; whoever makes it removes it at his end."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            OSError: there is no place for it.
        """
        _remove_abandoned()
        self.path = Path(mkdtemp(prefix=_PREFIX))
        # A locked directory is in use: systemd's cleaning of temporary files leaves it alone, however old it is.
        self._lock = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def make_room(self, place: str) -> None:
        """Make the files of a process before it starts; what one before it counted stays, what waited there is gone.

        Raises:
            OSError: there is no room.
        """
        for kind, size_bytes in _KINDS.items():
            path = self.path / f"{kind}_{place}.db"
            if not path.exists():
                path.write_bytes(bytes(size_bytes))
            elif kind == _WAITING:
                with path.open("r+b") as file:
                    file.write(_EMPTY)

    def remove(self) -> None:
        """Remove it."""
        remove_directory(self.path)
        os.close(self._lock)


def remove_directory(directory: Path) -> None:
    """Remove *directory*; processes that still map its files lose nothing but their readers."""
    shutil.rmtree(directory, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove what services left behind that were killed with all their processes."""
    for path in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_abandoned(path):
                remove_directory(path)


def _is_abandoned(path: Path) -> bool:
    found = path.lstat()
    # One that is just being made is not locked yet.
    if found.st_uid != os.geteuid() or time.time() - found.st_mtime < _ABANDONED_SECONDS:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    return True
