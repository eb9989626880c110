"""Numbered, forward-only migrations.

All that are missing run in one transaction under an advisory lock: a crash leaves the old schema, and of many processes
that start at once one migrates and the others wait. An applied file never changes: its checksum is kept. The rights of
the service's role are given anew each time, in the same transaction.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from novaproxy.database.pool import Connection, SoleConnection
from novaproxy.database.roles import ServiceRole, grant, grants_checksum
from novaproxy.errors import OperatorError

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_ADVISORY_LOCK = 0x4E6F7661
"""Ours alone among advisory locks of a database ("Nova")."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``migrations/``."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return the migrations that this version of NovaProxy knows, in order."""
    found = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in files("novaproxy.database").joinpath("migrations").iterdir()
        if (match := _NAME.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


async def migrate(connection: SoleConnection, service: ServiceRole | None = None) -> list[Migration]:
    """Bring the schema up to this version and return what was applied.

    *service* gets its rights too; None: the role of *connection* does everything.

    Raises:
        OperatorError: the schema is newer than this version, an applied migration was changed, or a lock was not to be
            had; *service* has rights that it must not have.
    """
    known = migrations()
    try:
        async with connection.transaction():
            # Before the lock nothing of ours exists, so the lock is waited for without the session's own bound.
            await connection.execute("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '0'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(_LEDGER)
            missing = _missing(known, await connection.fetch("SELECT version, name, checksum FROM schema_migration"))
            for migration in missing:
                await connection.execute(migration.text)
                await connection.execute(
                    "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
                    migration.version,
                    migration.name,
                    migration.checksum,
                )
            if service is not None:
                await grant(connection, service)
    except asyncpg.LockNotAvailableError as error:
        raise OperatorError(
            "The database is in use and could not be migrated: a table stayed locked. Try again."
        ) from error
    return missing


def _missing(known: list[Migration], applied: list[asyncpg.Record]) -> list[Migration]:
    by_version = {migration.version: migration for migration in known}
    for row in applied:
        migration = by_version.pop(row["version"], None)
        if migration is None:
            raise OperatorError(
                f"The database's schema is newer than this NovaProxy (it has migration {row['version']:04d} "
                f"{row['name']}): start the newer version."
            )
        if migration.checksum != row["checksum"]:
            raise OperatorError(f"Migration {migration.version:04d} {migration.name} was changed after it was applied.")
    return sorted(by_version.values(), key=lambda migration: migration.version)


async def lacks(connection: Connection) -> str | None:
    """Return what the database lacks for the role of *connection* to serve, in a part of a sentence; None: nothing.

    Raises:
        OperatorError: the schema is newer than this version, or an applied migration was changed.
    """
    seen = await connection.fetchrow(
        "SELECT has_table_privilege(oid, 'SELECT') AS is_readable, pg_has_role(relowner, 'USAGE') AS is_owner "
        "FROM pg_class WHERE oid = to_regclass('schema_migration')"
    )
    if seen is None:
        return "it has no tables of NovaProxy's yet"
    if not seen["is_readable"]:
        return "this role has no rights in it"
    missing = _missing(migrations(), await connection.fetch("SELECT version, name, checksum FROM schema_migration"))
    if missing:
        first = missing[0]
        return f"its schema is older than this NovaProxy (it lacks migration {first.version:04d} {first.name})"
    if seen["is_owner"]:
        return None
    held = await connection.fetchval("SELECT checksum FROM schema_grant WHERE role_name = current_user")
    return None if held == grants_checksum() else "this role has not the rights that this NovaProxy needs"


async def hold_migrations(connection: SoleConnection) -> None:
    """Let no service and no command of the shop change the schema until *connection* ends.

    Raises:
        asyncpg.LockNotAvailableError: somebody changes it, and does not end.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)


async def is_current(connection: Connection) -> bool:
    """Return whether every migration of this version is applied, and the role of *connection* may see it."""
    newest = max(migration.version for migration in migrations())
    if not await connection.fetchval("SELECT has_table_privilege(to_regclass('schema_migration'), 'SELECT')"):
        return False
    version: int | None = await connection.fetchval("SELECT max(version) FROM schema_migration")
    return version is not None and version >= newest
