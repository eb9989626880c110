"""The directory of the server's socket, and whether somebody answers there.

A socket's path has 107 bytes at most, elsewhere 103, so that a long data directory's socket is moved to a short private
directory; others find it through line 5 of ``postmaster.pid`` and check owner and mode, because anybody may write
to ``/tmp``.
"""

import os
import re
import shutil
import socket
import stat
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from novaproxy.database.account import Account
from novaproxy.errors import OperatorError

PORT = 5432
"""Part of the socket's name; nothing listens on the network, so two servers never meet."""

_LONGEST_SOCKET_BYTES = 103
_SHORT = Path("/tmp")  # noqa: S108 -- owner and mode of what is used there are checked
_PREFIX = "novaproxy-"
_MOVED = re.compile(f"{_SHORT}/{_PREFIX}[a-z0-9_-]+")  # the pid file is the account's own to write: no dots, no slashes
_PROTOCOL = 196608  # 3.0
_NOT_YET = b"C57P03\0"  # cannot_connect_now: starting, recovering or stopping


def socket_path(directory: Path) -> Path:
    """Return where the server of *directory* listens."""
    return directory / f".s.PGSQL.{PORT}"


def make_socket_directory(usual: Path, name: str, previous: str, account: Account) -> Path:
    """Return an empty private directory of *account* for the socket: *usual*, or a short one where its path is long.

    Args:
        usual: the directory inside the data directory.
        name: the server's, which is the short directory's too.
        previous: where a server that died had its socket, or empty; kept, since others may hold that address.
        account: who runs the server.
    """
    if len(os.fsencode(socket_path(usual))) <= _LONGEST_SOCKET_BYTES and "\n" not in str(usual):
        usual.mkdir(mode=0o700, exist_ok=True)
        account.own(usual)
        usual.chmod(0o700)
        directory = usual
    elif _MOVED.fullmatch(previous) and is_private(Path(previous), account.uid):
        directory = Path(previous)
    else:
        directory = _short_directory(name, account)
    # A dead server's socket and its lock file would stop the next one if its number is now another process's.
    for left in (socket_path(directory), Path(f"{socket_path(directory)}.lock")):
        left.unlink(missing_ok=True)
    return directory


def _short_directory(name: str, account: Account) -> Path:
    directory = _SHORT / name
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    if is_private(directory, os.geteuid()):
        account.own(directory)
    if not is_private(directory, account.uid):
        # Somebody else took the name.
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHORT))
        account.own(directory)
    return directory


def find_socket_directory(usual: Path, said: str, uid: int) -> Path:
    """Return where the running server listens; *said* is line 5 of its ``postmaster.pid``.

    Raises:
        OperatorError: the directory is not there, or is not private to *uid*.
    """
    directory = Path(said) if _MOVED.fullmatch(said) else usual
    if not is_private(directory, uid):
        raise OperatorError(
            f"The socket directory {directory} of the running database is missing or open to others: "
            "stop NovaProxy and start it again."
        )
    return directory


def remove_moved(directory: Path, uid: int) -> None:
    """Remove *directory* if it is a moved one of *uid*'s."""
    if _MOVED.fullmatch(str(directory)) and is_private(directory, uid):
        shutil.rmtree(directory, ignore_errors=True)


def is_private(directory: Path, uid: int) -> bool:
    """Return whether *directory* is one, not a link, and *uid*'s alone."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not status.st_mode & 0o077


def answers(directory: Path, user: str) -> bool:
    """Return whether the server takes connections now: it asks for a password, or refuses for a reason but starting."""
    words = b"".join(word.encode() + b"\0" for word in ("user", user, "database", user)) + b"\0"
    greeting = struct.pack("!ii", 8 + len(words), _PROTOCOL) + words
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(5)
        try:
            line.connect(os.fsencode(socket_path(directory)))
            line.sendall(greeting)
            answer = line.recv(4096)
        except OSError:
            return False
    return answer[:1] == b"R" or (answer[:1] == b"E" and _NOT_YET not in answer)
