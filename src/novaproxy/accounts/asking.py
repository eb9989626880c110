"""Who is asking: a bearer token to an account (contract, section 1, "Authentication"; RFC 6750)."""

import hashlib
from collections.abc import Iterable

from novaproxy.accounts.model import Account
from novaproxy.database.pool import Connection, statement
from novaproxy.http.refusals import Unauthenticated

_SCHEME = b"bearer"
_LONGEST_TOKEN = 512


def token_hash(token: bytes) -> bytes:
    """Return what the database keeps of a token: it has 200 random bits, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(token).digest()


def asked_token_hash(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the hash of the bearer token in *headers* (names in lower case).

    Raises:
        Unauthenticated: the header is missing, given twice or malformed.
    """
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        raise Unauthenticated
    scheme, _, token = given[0].strip().partition(b" ")
    token = token.strip()
    if scheme.lower() != _SCHEME or not token or b" " in token or len(token) > _LONGEST_TOKEN:
        raise Unauthenticated
    return token_hash(token)


async def asking_account(connection: Connection, hashed_token: bytes) -> Account:
    """Return the active account behind a token.

    Raises:
        Unauthenticated: the token is unknown or revoked, or its account suspended.
    """
    row = await connection.fetchrow(statement("novaproxy.accounts", "find_asking"), hashed_token)
    if row is None:
        raise Unauthenticated
    return Account(row["id"], row["uuid"], row["email"], row["name"], row["balance_cents"])
