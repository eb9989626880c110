"""Accounts with credit and a token each, by COPY: a chunk is one transaction."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from novaproxy.accounts.asking import token_hash
from novaproxy.accounts.store import TOKEN_BYTES, TOKEN_PREFIX
from novaproxy.database.pool import SoleConnection
from novaproxy.identifiers import new_uuid
from novaproxy.ledger.store import DEPOSITS
from novaproxy.seeding.store import ACTOR, taken_ids
from novaproxy.seeding.tokens import TokenFile

CHUNK_ACCOUNTS = 10_000
"""How many accounts one transaction makes."""

MOST_DAYS = 365
"""How far back past orders go."""

_OPENED = timedelta(days=MOST_DAYS + 1)
"""How long ago seeded accounts were opened and credited: past orders stand behind that."""

_ACCOUNT_COLUMNS = (
    *("id", "uuid", "kind", "email", "email_key", "name", "balance_cents", "ledger_version", "created_at"),
)
_TRANSFER_COLUMNS = (
    *("account_id", "debit_account_id", "credit_account_id", "amount_cents", "kind", "reason", "actor", "version"),
    *("balance_after_cents", "created_at"),
)


async def seed_accounts(
    connection: SoleConnection, count: int, credit_cents: int, tokens: TokenFile, tell: Callable[[int], None]
) -> None:
    """Make *count* accounts with *credit_cents* each (0 is none), and write ``email token`` lines to *tokens*.

    *tell* gets the number that is made so far after each chunk.
    """
    opened_at: datetime = await connection.fetchval("SELECT now()") - _OPENED
    made = 0
    while made < count:
        chunk = min(CHUNK_ACCOUNTS, count - made)
        async with connection.transaction():
            # Named by their ids: no two commands at once choose one e-mail.
            emails = {number: f"seed-{number}@example.com" for number in await taken_ids(connection, "account", chunk)}
            given = {number: TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES) for number in emails}
            tokens.add(f"{emails[number]} {token}" for number, token in given.items())
            await _write(connection, emails, given, credit_cents, opened_at)
        made += chunk
        tell(made)


async def _write(
    connection: SoleConnection, emails: dict[int, str], given: dict[int, str], credit_cents: int, opened_at: datetime
) -> None:
    version = int(credit_cents > 0)
    accounts = [
        (number, new_uuid(opened_at), "customer", email, email, f"Seed {number}", credit_cents, version, opened_at)
        for number, email in emails.items()
    ]
    await connection.copy_records_to_table("account", records=accounts, columns=_ACCOUNT_COLUMNS)
    if credit_cents:
        transfers = [
            (number, DEPOSITS, number, credit_cents, "credit", "seeded", ACTOR, version, credit_cents, opened_at)
            for number in emails
        ]
        await connection.copy_records_to_table("transfer", records=transfers, columns=_TRANSFER_COLUMNS)
    hashes = [(number, "default", token_hash(token.encode("ascii"))) for number, token in given.items()]
    await connection.copy_records_to_table("api_token", records=hashes, columns=("account_id", "name", "token_hash"))
