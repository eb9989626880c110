"""The last line of a backup: the SHA-256 of all before it.

pg_restore takes a file that was cut short in places for a whole one, and does not notice every changed byte; with this
line either is told before anything is restored. pg_restore itself does not look behind the end of its own format.
"""

import hashlib
import os
import re
from pathlib import Path

from novaproxy.errors import OperatorError

_LINE = b"\nNovaProxy backup, SHA-256 of all above: %s\n"
_LENGTH = len(_LINE % (b"0" * 64))
_SEAL = re.compile(re.escape(_LINE).replace(b"%s", b"([0-9a-f]{64})"))
_CHUNK_BYTES = 2**20


class Digest:
    """What was written of a backup so far."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.count_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Note that *chunk* was written."""
        self._digest.update(chunk)
        self.count_bytes += len(chunk)

    def line(self) -> bytes:
        """Return the last line of the file."""
        return _LINE % self._digest.hexdigest().encode("ascii")


def check_whole(path: Path) -> None:
    """Read all of *path*, which must end with the line that belongs to what stands before it.

    Raises:
        OperatorError: it does not.
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = max(0, file.seek(0, os.SEEK_END) - _LENGTH)
        file.seek(0)
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
        found = _SEAL.fullmatch(file.read())
    if found is None:
        raise OperatorError(
            f"The backup {path} is not whole: it was cut short, or 'novaproxy backup' did not write it."
        )
    if found[1] != digest.hexdigest().encode("ascii"):
        raise OperatorError(f"The backup {path} is damaged: something in it was changed.")
