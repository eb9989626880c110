"""Accounts and tokens, as the operator makes and revokes them."""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from novaproxy.accounts.asking import token_hash
from novaproxy.database.pool import Connection, statement
from novaproxy.errors import OperatorError
from novaproxy.identifiers import new_uuid

_SQL = "novaproxy.accounts"
TOKEN_PREFIX = "nova_"  # noqa: S105 -- the part of a token that is no secret
TOKEN_BYTES = 25
"""200 random bits."""

_LONGEST_EMAIL = 254
_LONGEST_NAME = 200
LONGEST_TOKEN_NAME = 100


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A customer's account as the operator sees it."""

    id: int
    uuid: UUID
    email: str
    name: str
    status: str
    balance_cents: int
    orders: int
    created_at: datetime


class AccountStatus(StrEnum):
    """Whether an account may call the API: the tokens of a suspended one are refused, its money stays."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class AccountMove:
    """A change of an account's status: why, and by whom."""

    from_status: str
    to_status: str
    cause: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as the operator sees it; the token itself is shown once, when it is made."""

    name: str
    created_at: datetime
    revoked_at: datetime | None


def checked_email(written: str) -> str:
    """Return an e-mail as it is kept.

    Raises:
        OperatorError: it is none.
    """
    email = unicodedata.normalize("NFC", written.strip())
    local, at, domain = email.rpartition("@")
    is_plain = not any(letter.isspace() or not letter.isprintable() for letter in email)
    if not (local and at and domain and "@" not in local and is_plain and len(email) <= _LONGEST_EMAIL):
        raise OperatorError(f"'{written[:100]!s}' is no e-mail address.")
    return email


def email_key(email: str) -> str:
    """Return the form in which two e-mails that differ by case alone are one.

    Not casefold(), for which ß is ss: two customers' addresses. Of ASCII both make the same, so keys that were made
    with it stay good.
    """
    # Letter by letter: at the end of a word the whole text's lower() makes another letter of a capital sigma.
    return unicodedata.normalize("NFC", "".join(map(str.lower, unicodedata.normalize("NFC", email))))


def checked_text(written: str, what: str, longest: int) -> str:
    """Return *written* trimmed, a text that can be kept and shown in one line.

    Raises:
        OperatorError: it is empty, too long, or holds control characters.
    """
    text = written.strip()
    if not text:
        raise OperatorError(f"The {what} must not be empty.")
    if len(text) > longest:
        raise OperatorError(f"The {what} must have at most {longest} characters.")
    if not text.isprintable():
        raise OperatorError(f"The {what} must not hold control characters.")
    return text


async def create_account(connection: Connection, email: str, name: str | None, now: datetime) -> AccountRow:
    """Make an account; without a name it has its e-mail's first part.

    Raises:
        OperatorError: the e-mail is none, or is known (without regard to case).
    """
    email = checked_email(email)
    name = email.partition("@")[0] if name is None else checked_text(name, "name", _LONGEST_NAME)
    try:
        await connection.execute(statement(_SQL, "insert_account"), new_uuid(now), email, email_key(email), name)
    except asyncpg.UniqueViolationError:
        raise OperatorError(f"An account with the e-mail '{email}' exists already.") from None
    return await find_account(connection, email)


async def find_account(connection: Connection, email: str) -> AccountRow:
    """Return the account of *email*, without regard to case.

    Raises:
        OperatorError: there is none.
    """
    row = await connection.fetchrow(statement(_SQL, "find_account"), email_key(checked_email(email)))
    if row is None:
        raise OperatorError(f"There is no account with the e-mail '{email.strip()}'.")
    return _account(row)


async def list_accounts(connection: Connection, *, before_id: int | None, limit: int) -> list[AccountRow]:
    """Return at most *limit* customers' accounts, newest first, below *before_id*."""
    return [_account(row) for row in await connection.fetch(statement(_SQL, "list_accounts"), before_id, limit)]


def _account(row: asyncpg.Record) -> AccountRow:
    return AccountRow(
        id=row["id"],
        uuid=row["uuid"],
        email=row["email"],
        name=row["name"],
        status=row["status"],
        balance_cents=row["balance_cents"],
        orders=row["orders"],
        created_at=row["created_at"],
    )


async def move_account(connection: Connection, account_id: int, after: AccountStatus, cause: str, actor: str) -> bool:
    """Make an account *after* because of *cause*, and return whether it was something else until now.

    The account's lock is taken first: an order that is under way is done before, and once this is committed every later
    one is refused or, where the account is active again, let through.
    """
    before = AccountStatus.SUSPENDED if after is AccountStatus.ACTIVE else AccountStatus.ACTIVE
    await connection.execute(statement(_SQL, "lock_account"), account_id)
    moved = await connection.fetchval(statement(_SQL, "move_account"), account_id, before, after, cause, actor)
    return moved is not None


async def list_account_moves(connection: Connection, account_id: int) -> list[AccountMove]:
    """Return the changes of an account's status, oldest first."""
    return [
        AccountMove(row["from_status"], row["to_status"], row["cause"], row["actor"], row["created_at"])
        for row in await connection.fetch(statement(_SQL, "list_account_moves"), account_id)
    ]


async def create_token(connection: Connection, account_id: int, name: str | None) -> str:
    """Return a new token of an account, the only time it is ever seen; its name defaults to the first free ``default``.

    Raises:
        OperatorError: the name is taken (also by a revoked token, whose name stays its own).
    """
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    # The account's lock makes two at once choose two names.
    await connection.execute(statement(_SQL, "lock_account"), account_id)
    taken = {row.name for row in await list_tokens(connection, account_id)}
    if name is None:
        name = _free_name(taken)
    else:
        name = checked_text(name, "token's name", LONGEST_TOKEN_NAME)
        if name in taken:
            raise OperatorError(f"The account has a token named '{name}' already.")
    await connection.execute(
        "INSERT INTO api_token (account_id, name, token_hash) VALUES ($1, $2, $3)",
        account_id,
        name,
        token_hash(token.encode("ascii")),
    )
    return token


def _free_name(taken: set[str]) -> str:
    if "default" not in taken:
        return "default"
    number = 2
    while f"default-{number}" in taken:
        number += 1
    return f"default-{number}"


async def list_tokens(connection: Connection, account_id: int) -> list[TokenRow]:
    """Return the tokens of an account, revoked ones too, oldest first."""
    rows = await connection.fetch(
        "SELECT name, created_at, revoked_at FROM api_token WHERE account_id = $1 ORDER BY id",
        account_id,
    )
    return [TokenRow(row["name"], row["created_at"], row["revoked_at"]) for row in rows]


async def revoke_token(connection: Connection, account_id: int, name: str) -> bool:
    """Revoke a token and return whether it was open until now.

    The account's lock is taken first: an order that is under way with the token is done before, every later one is
    refused.

    Raises:
        OperatorError: there is no token of this name.
    """
    await connection.execute(statement(_SQL, "lock_account"), account_id)
    revoked = await connection.fetchval(
        "UPDATE api_token SET revoked_at = now() "
        "WHERE account_id = $1 AND name = $2 AND revoked_at IS NULL RETURNING id",
        account_id,
        name,
    )
    if revoked is not None:
        return True
    if name not in {row.name for row in await list_tokens(connection, account_id)}:
        raise OperatorError(f"The account has no token named '{name}'.")
    return False
