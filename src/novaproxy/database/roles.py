"""The role that serves: which rights it has, how it gets them, and that it has no others.

The owner of the tables migrates them, and gives the service's role the rights of ``grants.sql``. What the service says
to the database, whatever talked it into that, cannot rewrite the books.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError

SERVICE = "novaproxy_service"
"""The service's role in the embedded database."""

_ROUNDS = 4_096
"""PostgreSQL's own default; the password is random, so more of them would protect nothing."""


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """The role that the service connects as; with a *password* it is made, or set right, where the rights are given."""

    name: str
    password: str | None = field(default=None, repr=False)


@cache
def grants() -> str:
    """Return the statements that give the service's role its rights; names stand in them as psql writes variables."""
    return files("novaproxy.database").joinpath("grants.sql").read_text(encoding="utf-8")


def grants_checksum() -> str:
    """Return the SHA-256 of the rights, in hex."""
    return hashlib.sha256(grants().encode()).hexdigest()


async def grant(connection: SoleConnection, role: ServiceRole) -> None:
    """Give *role* its rights and no others, inside the owner's transaction.

    Raises:
        OperatorError: it has others all the same, from elsewhere, with which it could rewrite the books.
    """
    name = await connection.fetchval("SELECT quote_ident($1)", role.name)
    if role.password is not None:
        await _make_role(connection, role, name)
    schema = await connection.fetchval("SELECT quote_ident(current_schema())")
    await connection.execute(grants().replace(':"service"', name).replace(':"schema"', schema))
    await connection.execute(
        "INSERT INTO schema_grant (role_name, checksum) VALUES ($1, $2) "
        "ON CONFLICT (role_name) DO UPDATE SET checksum = EXCLUDED.checksum, granted_at = EXCLUDED.granted_at",
        role.name,
        grants_checksum(),
    )
    excess = await connection.fetch(_EXCESS, role.name)
    if excess:
        raise OperatorError(
            f"The role '{role.name}' could rewrite the books: {', '.join(row['what'] for row in excess)}. "
            "Take that from it, or let the service connect as another role."
        )


async def _make_role(connection: SoleConnection, role: ServiceRole, name: str) -> None:
    if role.password is None:
        raise AssertionError("a role is made with a password")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role.name):
        await connection.execute(f"CREATE ROLE {name}")
    # Never the password itself: what fails is written into the server's log with its text.
    verifier = password_verifier(role.password, os.urandom(16))
    await connection.execute(
        f"ALTER ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{verifier}'"
    )
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {name}")


def password_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL keeps of an ASCII *password* (RFC 5803): it tells a right one, and is none itself."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ROUNDS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    keys = (hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256"))
    stored, server = (base64.b64encode(key).decode("ascii") for key in keys)
    return f"SCRAM-SHA-256${_ROUNDS}:{base64.b64encode(salt).decode('ascii')}${stored}:{server}"


_EXCESS = """
SELECT 'it is a superuser' AS what FROM pg_roles WHERE rolname = $1 AND rolsuper
UNION ALL
SELECT 'it may change roles' FROM pg_roles WHERE rolname = $1 AND rolcreaterole AND NOT rolsuper
UNION ALL
SELECT DISTINCT format('it has the rights of %s', relowner::regrole)
FROM pg_class
JOIN pg_roles ON rolname = $1
WHERE pg_class.oid IN ('transfer'::regclass, 'schema_migration'::regclass)
  AND pg_has_role($1, relowner, 'MEMBER') AND NOT rolsuper
UNION ALL
SELECT format('it may change the table %s', name)
FROM unnest('{transfer,order_move,account_move,catalog_revision}'::text[]) AS history (name)
JOIN pg_class ON pg_class.oid = name::regclass
JOIN pg_roles ON rolname = $1
WHERE (has_table_privilege($1, name, 'UPDATE, DELETE, TRUNCATE, TRIGGER')
       OR has_any_column_privilege($1, name, 'UPDATE'))
  AND NOT rolsuper AND NOT pg_has_role($1, relowner, 'MEMBER')
UNION ALL
SELECT format('it may make tables in the schema %s', current_schema())
FROM pg_roles
WHERE rolname = $1 AND has_schema_privilege($1, current_schema(), 'CREATE') AND NOT rolsuper
  AND NOT pg_has_role($1, (SELECT relowner FROM pg_class WHERE oid = 'transfer'::regclass), 'MEMBER')
"""
"""What a role may do that the service's must not, one row each; of a superuser, and of the owner's kin, that alone."""
