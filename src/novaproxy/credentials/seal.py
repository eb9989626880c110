"""Passwords at rest: AES-256-GCM under a key that is kept outside the database.

The order's uuid is bound in, so a sealed password moved to another order's row opens nothing. Of several keys the first
one seals, and all of them open (docs/adr/0009).
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novaproxy.credentials.keys import Keys, sealing_keys
from novaproxy.database.pool import Connection
from novaproxy.errors import OperatorError

_NONCE_BYTES = 12
_NO_OTHERS: Mapping[int, bytes] = MappingProxyType({})

_ADVISORY_LOCK = 0x4E6F766B
"""Held by whoever registers a key ("Novk"); a lock of the table takes more rights than the service has."""


class SealBroken(Exception):  # noqa: N818 -- tells what was found
    """A sealed password was changed, or sealed for another order or under another key."""

    def __init__(self, order: UUID) -> None:
        super().__init__(f"The password of the order {order} cannot be opened: what is stored was changed")
        self.order = order


class KeyNotGiven(Exception):  # noqa: N818 -- tells what was found
    """A password was sealed with a key of this shop that this process was not given."""

    def __init__(self, order: UUID) -> None:
        super().__init__(
            f"The password of the order {order} was sealed with a key that is not given here: "
            "'novaproxy key list' shows which"
        )
        self.order = order


class Sealer:
    """Seals passwords under one key, and opens those under *others* too; ids are the database's numbers for keys."""

    def __init__(self, key: bytes, key_id: int, others: Mapping[int, bytes] = _NO_OTHERS) -> None:
        self._ciphers = {number: AESGCM(other) for number, other in others.items()} | {key_id: AESGCM(key)}
        self.key_id = key_id

    def knows(self, key_ids: Iterable[int]) -> bool:
        """Return whether it opens what was sealed under all of *key_ids*."""
        return all(key_id in self._ciphers for key_id in key_ids)

    def sealed(self, password: str, order: UUID) -> bytes:
        """Return the nonce and the ciphertext of *password*, under *key_id*."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[self.key_id].encrypt(nonce, password.encode("ascii"), order.bytes)

    def opened(self, sealed: bytes, order: UUID, key_id: int) -> str:
        """Return the password, which was sealed under *key_id*.

        Raises:
            KeyNotGiven: the key of that number is not here.
            SealBroken: it was sealed for another order, under another key, or was changed.
        """
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise KeyNotGiven(order)
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, order.bytes).decode("ascii")
        except (InvalidTag, ValueError) as error:
            # ValueError: too short for a nonce, or for a seal.
            raise SealBroken(order) from error


class Sealers:
    """The sealer of this process: its keys are known at the start, their numbers when the database is there."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._sealer: Sealer | None = None

    async def on(self, connection: Connection) -> Sealer:
        """Return the sealer, registered through *connection* the first time."""
        if self._sealer is None:
            self._sealer = await registered_sealer(connection, *self._keys)
        return self._sealer

    async def opening(self, connection: Connection, key_ids: Iterable[int | None]) -> Sealer:
        """Return the sealer, which knows *key_ids* where this process has their keys.

        Another service may have begun to seal with one of them since this one started.
        """
        sealer = await self.on(connection)
        if not sealer.knows(key_id for key_id in key_ids if key_id is not None):
            sealer = self._sealer = await registered_sealer(connection, *self._keys)
        return sealer


async def installation_keys(connection: Connection, configured: str | None, path: Path) -> Keys:
    """Return the keys of this installation, newest first; the first key ever is made. Nothing is registered.

    Raises:
        OperatorError: they are missing, are none, are another shop's, or one that orders are sealed with is not among
            them.
    """
    keys = await _known_keys(connection, configured, path)
    given = [fingerprint(key) for key in keys]
    for row in await connection.fetch("SELECT id, fingerprint FROM sealing_key WHERE fingerprint <> ALL ($1)", given):
        # Without an index: only a shop that has left a key behind asks, once a start, and orders go without its upkeep.
        if await connection.fetchval("SELECT EXISTS (SELECT FROM orders WHERE sealing_key_id = $1)", row["id"]):
            raise OperatorError(
                f"Orders are sealed with the key {shown(row['fingerprint'])}, which is not given: add it behind the "
                "first key (to the key file a line, to NOVAPROXY_SEALING_KEY after a comma)."
            )
    return keys


async def _known_keys(connection: Connection, configured: str | None, path: Path) -> Keys:
    """Return the keys that are given, of which the database knows one at least where it knows any."""
    # Asked before the file is looked for: of two that start at once, one makes the file and then registers it.
    is_first = not await connection.fetchval("SELECT EXISTS (SELECT FROM sealing_key)")
    keys = sealing_keys(configured, path, is_first=is_first)
    if not is_first and not await _ids(connection, keys):
        raise await _another_key(connection)
    return keys


async def using_sealer(connection: Connection, configured: str | None, path: Path) -> Sealer:
    """Return the sealer of a command: it seals with the newest key that services of this shop use already.

    A key that was just put in front is a running service's only after its restart.

    Raises:
        OperatorError: the keys are missing, are none, or are another shop's.
    """
    keys = await _known_keys(connection, configured, path)
    ids = await _ids(connection, keys)
    in_use = [key for key in keys if fingerprint(key) in ids]
    return await registered_sealer(connection, *dict.fromkeys([*in_use, *keys]))


def fingerprint(key: bytes) -> bytes:
    """Return what the database may know of a key."""
    return hashlib.sha256(b"novaproxy sealing key\0" + key).digest()


def shown(fingerprinted: bytes) -> str:
    """Return the beginning of a fingerprint, as people tell keys apart."""
    return fingerprinted.hex()[:12]


async def registered_sealer(connection: Connection, *keys: bytes) -> Sealer:
    """Return the sealer that seals with the first of *keys*, under the number that the database has or now gives it.

    Raises:
        OperatorError: the database's passwords were sealed with other keys.
    """
    ids = await _ids(connection, keys)
    first = fingerprint(keys[0])
    if first not in ids:
        async with connection.transaction():
            # A first key is taken as it comes; a further one where an older one of this database stands behind it.
            # Anything else would leave passwords that nobody opens, also where two first starts come at once.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            ids = await _ids(connection, keys)
            if not ids and await connection.fetchval("SELECT EXISTS (SELECT FROM sealing_key)"):
                raise await _another_key(connection)
            if first not in ids:
                ids[first] = await connection.fetchval(
                    "INSERT INTO sealing_key (fingerprint) VALUES ($1) RETURNING id", first
                )
    others = {ids[fingerprint(key)]: key for key in keys[1:] if fingerprint(key) in ids}
    return Sealer(keys[0], ids[first], others)


async def _ids(connection: Connection, keys: Iterable[bytes]) -> dict[bytes, int]:
    """Return the database's numbers of those of *keys* that it knows, by their fingerprints."""
    rows = await connection.fetch(
        "SELECT id, fingerprint FROM sealing_key WHERE fingerprint = ANY ($1)", [fingerprint(key) for key in keys]
    )
    return {row["fingerprint"]: row["id"] for row in rows}


async def _another_key(connection: Connection) -> OperatorError:
    """Return what is said where none of the keys is one of this database's, of which the newest few are named."""
    rows = await connection.fetch("SELECT fingerprint FROM sealing_key ORDER BY id DESC LIMIT 3")
    names = " or ".join(shown(row["fingerprint"]) for row in rows)
    return OperatorError(
        f"This is not the key that the database's proxy passwords were sealed with, which is {names}: "
        "bring back the key file of this installation, or set NOVAPROXY_SEALING_KEY to its content.",
    )
