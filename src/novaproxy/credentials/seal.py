"""Passwords at rest: AES-256-GCM under a key that is kept outside the database.

The order's uuid is bound in, so a sealed password moved to another order's row opens nothing.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novaproxy.database.pool import Connection
from novaproxy.errors import OperatorError

KEY_BYTES = 32
_NONCE_BYTES = 12

_ADVISORY_LOCK = 0x4E6F766B
"""Held by whoever registers a key ("Novk"); a lock of the table takes more rights than the service has."""


class SealBroken(Exception):  # noqa: N818 -- tells what was found
    """A sealed password was changed, or sealed for another order or under another key."""

    def __init__(self, order: UUID) -> None:
        super().__init__(f"The password of the order {order} cannot be opened: what is stored was changed")
        self.order = order


class Sealer:
    """Seals and opens passwords under one key; *key_id* is the database's number for it."""

    def __init__(self, key: bytes, key_id: int) -> None:
        self._cipher = AESGCM(key)
        self.key_id = key_id

    def sealed(self, password: str, order: UUID) -> bytes:
        """Return the nonce and the ciphertext of *password*."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, password.encode("ascii"), order.bytes)

    def opened(self, sealed: bytes, order: UUID) -> str:
        """Return the password.

        Raises:
            SealBroken: it was sealed for another order, under another key, or was changed.
        """
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, order.bytes).decode("ascii")
        except (InvalidTag, ValueError) as error:
            # ValueError: too short for a nonce, or for a seal.
            raise SealBroken(order) from error


class Sealers:
    """The sealer of this process: its key is known at the start, its number when the database is there."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._sealer: Sealer | None = None

    async def on(self, connection: Connection) -> Sealer:
        """Return the sealer, registered through *connection* the first time."""
        if self._sealer is None:
            self._sealer = await registered_sealer(connection, self._key)
        return self._sealer


async def installation_key(connection: Connection, configured: str | None, path: Path) -> bytes:
    """Return the 32-byte key of this installation, registered with its database; the first one is made.

    Raises:
        OperatorError: the key is missing, is none, or is not the one that the database's passwords were sealed with.
    """
    # Asked before the file is looked for: of two that start at once, one makes the file and then registers it.
    is_first = not await connection.fetchval("SELECT EXISTS (SELECT FROM sealing_key)")
    key = sealing_key(configured, path, is_first=is_first)
    await registered_sealer(connection, key)
    return key


def sealing_key(configured: str | None, path: Path, *, is_first: bool) -> bytes:
    """Return the 32-byte key: *configured* (base64), else the file at *path*, which only the first start makes.

    Raises:
        OperatorError: neither holds a key.
    """
    if configured is not None:
        return _decoded(configured, "NOVAPROXY_SEALING_KEY")
    try:
        return _decoded(path.read_text(encoding="ascii", errors="replace"), str(path))
    except FileNotFoundError:
        if is_first:
            return _made(path)
        raise OperatorError(
            f"The key file {path} is missing, and the database's proxy passwords were sealed with it: "
            "bring it back, or set NOVAPROXY_SEALING_KEY to its content.",
        ) from None
    except OSError as error:
        raise OperatorError(f"The key file {path} cannot be read: {error.strerror}.") from error


def _decoded(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise OperatorError(f"{place} holds no key: it must be 32 random bytes in base64.")
    return key


def _made(path: Path) -> bytes:
    """Write a new key to *path*, whole or not at all; of two processes at once the first one's key is kept."""
    key = os.urandom(KEY_BYTES)
    # Not the process id: in a container it is the same at every start, and a crash may have left a draft.
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(base64.b64encode(key).decode("ascii") + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        return _decoded(path.read_text(encoding="ascii"), str(path))
    except OSError as error:
        raise OperatorError(f"The key file {path} cannot be written: {error.strerror}.") from error
    return key


def fingerprint(key: bytes) -> bytes:
    """Return what the database may know of a key."""
    return hashlib.sha256(b"novaproxy sealing key\0" + key).digest()


async def registered_sealer(connection: Connection, key: bytes) -> Sealer:
    """Return the sealer of *key*, under the number that the database has or now gives it.

    Raises:
        OperatorError: the database's passwords were sealed with another key.
    """
    key_id = await connection.fetchval("SELECT id FROM sealing_key WHERE fingerprint = $1", fingerprint(key))
    if key_id is None:
        async with connection.transaction():
            # An installation's first key is taken as it comes; a second would leave passwords that nobody opens, also
            # where two first starts come at once.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            key_id = await connection.fetchval("SELECT id FROM sealing_key WHERE fingerprint = $1", fingerprint(key))
            if key_id is None:
                key_id = await connection.fetchval(
                    "INSERT INTO sealing_key (fingerprint) "
                    "SELECT $1 WHERE NOT EXISTS (SELECT FROM sealing_key) RETURNING id",
                    fingerprint(key),
                )
    if key_id is None:
        raise OperatorError(
            "This is not the key that the database's proxy passwords were sealed with: "
            "bring back the key file of this installation, or set NOVAPROXY_SEALING_KEY to its content.",
        )
    return Sealer(key, key_id)
