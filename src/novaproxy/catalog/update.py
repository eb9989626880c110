"""From the operator's file to a new revision, in one transaction."""

from novaproxy.catalog.file import parsed
from novaproxy.catalog.store import Applied, apply, has_accounts, known_types, lock_for_apply, read_listing
from novaproxy.database.pool import SoleConnection


async def apply_file(connection: SoleConnection, text: bytes, actor: str, *, dry_run: bool) -> Applied:
    """Make the catalog that *text* holds the current one; with *dry_run* everything but the commit.

    Raises:
        OperatorError: every fault of the file, one line each; nothing is applied.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await lock_for_apply(connection)
        currency = (await read_listing(connection)).catalog.currency
        catalog = parsed(
            text,
            known_types=await known_types(connection),
            currency=currency,
            currency_fixed=currency is not None and await has_accounts(connection),
        )
        applied = await apply(connection, catalog, actor)
    except BaseException:
        await transaction.rollback()
        raise
    if dry_run:
        await transaction.rollback()
    else:
        await transaction.commit()
    return applied
