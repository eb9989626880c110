"""The sealing keys as an installation keeps them: in a file or a variable of the environment, the newest one first."""

import base64
import binascii
import os
import re
import stat
from pathlib import Path
from typing import TypeAlias

from novaproxy.database.cluster import sync_directory
from novaproxy.errors import OperatorError

KEY_BYTES = 32

Keys: TypeAlias = tuple[bytes, ...]
"""The keys of an installation: the first seals, all of them open."""

_RIGHTS_OF_OTHERS = 0o037
"""To write for the group, anything for everybody else."""

_BETWEEN = re.compile(r"[,\n]")


def sealing_keys(configured: str | None, path: Path, *, is_first: bool) -> Keys:
    """Return the keys: *configured* (base64, commas between), else the lines of *path*, which the first start makes.

    Raises:
        OperatorError: neither holds a key, or what it holds is none.
    """
    if configured is not None:
        return decoded(configured, "NOVAPROXY_SEALING_KEY")
    try:
        return decoded(path.read_text(encoding="ascii", errors="replace"), str(path))
    except FileNotFoundError:
        if is_first:
            return _made(path)
        raise OperatorError(
            f"The key file {path} is missing, and the database's proxy passwords were sealed with it: "
            "bring it back, or set NOVAPROXY_SEALING_KEY to its content.",
        ) from None
    except OSError as error:
        raise OperatorError(f"The key file {path} cannot be read: {error.strerror}.") from error


def decoded(text: str, place: str) -> Keys:
    """Return the keys that *text* of *place* holds.

    Raises:
        OperatorError: a part of it is no key.
    """
    keys = [_decoded(part) for part in _BETWEEN.split(text.strip())]
    if None in keys:
        what = "something that is no key" if any(keys) else "no key"
        raise OperatorError(f"{place} holds {what}: it must be 32 random bytes in base64.")
    return tuple(dict.fromkeys(key for key in keys if key is not None))


def _decoded(written: str) -> bytes | None:
    try:
        key = base64.b64decode(written.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _made(path: Path) -> Keys:
    """Write a first key to *path*, whole or not at all; of two processes at once the first one's key is kept."""
    key = os.urandom(KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = _drafted(path, (key,))
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        return decoded(path.read_text(encoding="ascii"), str(path))
    except OSError as error:
        raise _unwritable(path, error) from error
    return (key,)


def put_in_front(path: Path) -> Keys:
    """Put a new key before those of *path*, at once or not at all, and return them all; the file keeps its owner.

    Raises:
        OperatorError: the file is missing, holds no keys, or cannot be written.
    """
    keys = (os.urandom(KEY_BYTES), *sealing_keys(None, path, is_first=False))
    try:
        draft = _drafted(path, keys)
        try:
            owner = path.stat()
            if (owner.st_uid, owner.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
                # Root's command must not lock the service out of its key.
                os.chown(draft, owner.st_uid, owner.st_gid)
            draft.replace(path)
        except BaseException:
            draft.unlink()
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    return keys


def exposure(path: Path) -> str | None:
    """Return what is wrong with the rights of a key file, None where there is none, or nothing is wrong with it.

    The group may read it, as that of a backup does.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if not mode & _RIGHTS_OF_OTHERS:
        return None
    return f"Others than its owner can read or change the key file {path} (mode {mode:04o}): run chmod 600 on it."


def _drafted(path: Path, keys: Keys) -> Path:
    """Return a file beside *path* with *keys*, for its owner's eyes alone, on the disk."""
    # Not the process id: in a container it is the same at every start, and a crash may have left a draft.
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{base64.b64encode(key).decode('ascii')}\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink()
        raise
    return draft


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(f"The key file {path} cannot be written: {error.strerror}.")
