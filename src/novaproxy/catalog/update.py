"""From the operator's file to a new revision, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass

from novaproxy.catalog.file import parsed
from novaproxy.catalog.model import Catalog, PlanType
from novaproxy.catalog.store import Applied, apply, has_accounts, known_types, lock_for_apply, read_listing
from novaproxy.database.pool import SoleConnection, rolled_back


@dataclass(frozen=True, slots=True)
class Past:
    """What of the shop's past binds a file: the types of plans that were sold, the currency, whether it is fixed."""

    known_types: Mapping[str, PlanType]
    currency: str | None
    currency_fixed: bool


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """The catalog that *text* holds as seen with *past*."""

    text: bytes
    past: Past
    catalog: Catalog


async def apply_file(connection: SoleConnection, text: bytes, actor: str, *, dry_run: bool) -> Applied:
    """Make the catalog that *text* holds the current one; with *dry_run* everything but the commit.

    Raises:
        OperatorError: every fault of the file, one line each; nothing is applied.
    """
    file = await checked_file(connection, text)
    transaction = connection.transaction()
    await transaction.start()
    try:
        applied = await apply_checked(connection, file, actor)
    except BaseException:
        await rolled_back(transaction)
        raise
    if dry_run:
        await transaction.rollback()
    else:
        await transaction.commit()
    return applied


async def checked_file(connection: SoleConnection, text: bytes) -> CheckedFile:
    """Return the catalog that *text* holds; outside of a transaction, which would idle while a long file is read.

    Raises:
        OperatorError: every fault of the file, one line each.
    """
    return _checked(text, await _past(connection))


async def apply_checked(connection: SoleConnection, file: CheckedFile, actor: str) -> Applied:
    """Make *file* the current catalog, inside the caller's transaction.

    Raises:
        OperatorError: the shop changed since the file was checked, and it is no longer good.
    """
    await lock_for_apply(connection)
    past = await _past(connection)
    # Another apply, or the first account, came between: rare enough to read the file once more.
    held = file if past == file.past else _checked(file.text, past)
    return await apply(connection, held.catalog, actor)


async def _past(connection: SoleConnection) -> Past:
    currency = (await read_listing(connection)).catalog.currency
    return Past(await known_types(connection), currency, currency is not None and await has_accounts(connection))


def _checked(text: bytes, past: Past) -> CheckedFile:
    catalog = parsed(text, known_types=past.known_types, currency=past.currency, currency_fixed=past.currency_fixed)
    return CheckedFile(text, past, catalog)
