"""The file of a backup: under its name only once it is whole and on the disk, for its owner's eyes alone."""

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from novaproxy.database.cluster import sync_directory
from novaproxy.errors import OperatorError

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES)


class BackupFile:
    """A new file of *path*, written in a ``with`` block through *descriptor*; a fault leaves nothing of it.

    What ends the process at once (kill -9, a power cut) leaves a draft beside it: ``.<name>.<letters>.part``.

    Raises:
        OperatorError: *path* names no file.
    """

    def __init__(self, path: Path, *, replaces: bool) -> None:
        if not path.name:
            raise OperatorError(f"'{path}' is no name of a file.")
        self._path = path
        self._replaces = replaces
        self._draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}.part")
        self.descriptor = -1

    def __enter__(self) -> Self:
        """Begin the draft.

        Raises:
            OperatorError: there is a file already, or none can be written.
        """
        self._check_free()
        try:
            self.descriptor = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refusal(error) from error
        return self

    def _check_free(self) -> None:
        if not os.path.lexists(self._path):
            return
        if not stat.S_ISREG(self._path.lstat().st_mode):
            raise OperatorError(f"{self._path} is no file: name a file for the backup.")
        if not self._replaces:
            raise OperatorError(f"{self._path} exists already: name another file, or say --force to replace it.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its name; after a fault remove the draft."""
        try:
            if error is None:
                self._publish()
        except OSError as fault:
            raise self._refusal(fault) from fault
        finally:
            os.close(self.descriptor)
            self._draft.unlink(missing_ok=True)

    def _publish(self) -> None:
        os.fsync(self.descriptor)
        if self._replaces:
            self._draft.replace(self._path)
        else:
            self._link()
        sync_directory(self._path.parent)

    def _link(self) -> None:
        try:
            # Not a rename, which would take the place of a file that came meanwhile.
            os.link(self._draft, self._path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A file system without hard links, on a stick for instance.
            self._check_free()
            self._draft.rename(self._path)

    def _refusal(self, error: OSError) -> OperatorError:
        return OperatorError(f"The backup {self._path} cannot be written: {error.strerror}. Nothing is left of it.")
