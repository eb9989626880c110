"""The two file locks of a data directory: one around start and stop, one held while in use.

The kernel frees a lock when its holder dies, however it dies, so neither of them is ever stale.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from novaproxy.database.patience import Patience
from novaproxy.errors import OperatorError


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True


@contextmanager
def exclusive(path: Path, patience: Patience) -> Iterator[int]:
    """Hold the exclusive lock *path*; yields its descriptor, for children that must finish before the next holder.

    Raises:
        OperatorError: another process holds it and nothing moves.
    """
    descriptor = _opened(path)
    try:
        while not _taken(descriptor, fcntl.LOCK_EX):
            if not patience.step():
                raise OperatorError(
                    f"Another process is starting or stopping the database and makes no progress (it holds {path}): "
                    "end that process, then try again."
                )
        yield descriptor
    finally:
        os.close(descriptor)


class UseLock:
    """The shared lock of one user of the database."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _opened(path)
        # Exclusive is taken only under the other lock, and only for a moment: this waits for nobody.
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Give the shared lock up and return whether no other user holds it; call it under the exclusive lock."""
        return _taken(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let go."""
        # Workers forked from this process share the descriptor: closing it here alone would not free the lock.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
