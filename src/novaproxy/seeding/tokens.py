"""The file of tokens: for its owner's eyes alone, and under its name only once it is whole."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from novaproxy.errors import OperatorError


class TokenFile:
    """A new file of *path*, written in a ``with`` block; an interruption leaves its draft, of which *tell* is told.

    A draft holds the token of every account that was made, for these are written first, and may hold some of accounts
    that were not.

    Raises:
        OperatorError: *path* names no file.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        if not path.name:
            raise OperatorError(f"'{path}' is no name of a file.")
        self._path = path
        self._draft = path.with_name(f"{path.name}.part")
        self._tell = tell
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        """Begin the draft.

        Raises:
            OperatorError: there is a file or a draft already, or none can be written.
        """
        for taken in (self._path, self._draft):
            if os.path.lexists(taken):
                raise OperatorError(f"{taken} exists already; it may hold tokens that nobody else has.")
        try:
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise self._refusal(error) from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        return self

    def add(self, lines: Iterable[str]) -> None:
        """Write *lines*, before the accounts behind them are committed.

        Raises:
            OperatorError: the disk is full, for instance.
        """
        if self._file is None:
            raise AssertionError("the file is open in its block alone")
        try:
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refusal(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its name; of an interrupted one the draft stays, unless it is empty."""
        if self._file is not None:
            self._file.close()
        if error is None:
            self._publish()
        elif self._draft.stat().st_size:
            self._tell(f"The tokens of the accounts that were made are in {self._draft}.")
        else:
            self._draft.unlink()

    def _publish(self) -> None:
        try:
            # Not a rename, which would take the place of a file that came meanwhile.
            os.link(self._draft, self._path)
            self._draft.unlink()
        except OSError as error:
            raise OperatorError(
                f"The file of tokens {self._path} cannot be written: {error.strerror}; all of it is in {self._draft}."
            ) from error

    def _refusal(self, error: OSError) -> OperatorError:
        return OperatorError(f"The file of tokens {self._path} cannot be written: {error.strerror}.")
