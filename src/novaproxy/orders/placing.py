"""One transaction that places a batch: load with locks, decide, issue credentials, save, commit."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from asyncpg import InterfaceError
from msgspec import Struct

from novaproxy.catalog.resource import BYTES_PER_GB, Showcase
from novaproxy.catalog.rules import expiry
from novaproxy.catalog.store import Shelf
from novaproxy.credentials.issue import new_name
from novaproxy.credentials.seal import Sealer
from novaproxy.database.pool import Connection
from novaproxy.errors import Refusal
from novaproxy.identifiers import new_uuid
from novaproxy.orders.batch import Accepted, Replay, decide_batch
from novaproxy.orders.model import Ask, Order, OrderStatus
from novaproxy.orders.resource import options_json
from novaproxy.orders.store import Written, load_batch, save_batch


class Placed(Struct, frozen=True):
    """A new order, after its commit."""

    order: Order
    showcase: Showcase


Answer = Placed | Replay | Refusal


class OutcomeUnknown(Exception):  # noqa: N818 -- it is no error, it is a question
    """The connection was lost while COMMIT was under way: *answers* hold if *written* are in the database.

    The COMMIT was sent at *sent_at* (monotonic).
    """

    def __init__(self, written: list[Written], answers: list[Answer], sent_at: float) -> None:
        super().__init__(f"the outcome of {len(written)} orders is unknown")
        self.written = written
        self.sent_at = sent_at
        self.answers = answers


async def place_batch(
    connection: Connection, asks: Sequence[Ask], shelf: Shelf, sealer: Sealer, *, chain: bool = False
) -> list[Answer]:
    """Decide *asks* and write down those that are accepted; one answer each, in order, all of them after the commit.

    With *chain* the connection's next transaction begins with this one's end, which spares the next batch the round
    trip of a BEGIN (docs/adr/0028); a connection that has one begun is taken as it is.

    Raises:
        OutcomeUnknown: the COMMIT was sent and its answer did not come.
        CodeTaken: the uses of a code are gone meanwhile; the batch may be placed anew.
        Exception: it, and anything else, was rolled back, or will be with the connection.
    """
    # Not the driver's own transactions: they know no chain.
    if not connection.is_in_transaction():
        await connection.execute("BEGIN")
    next_one = " AND CHAIN" if chain else ""
    try:
        loaded = await load_batch(connection, asks)
        showcase = await shelf.at(loaded.revision, connection)
        decisions = decide_batch(list(asks), loaded.ledgers, showcase.listing, loaded.now, new_uuid)
        answers: list[Answer] = []
        written: list[Written] = []
        for decision in decisions:
            if isinstance(decision, Accepted):
                written.append(_written(decision, sealer, loaded.now))
                answers.append(Placed(written[-1].order, showcase))
            else:
                answers.append(decision)
        if written:
            await save_batch(connection, written, loaded.ledgers, showcase.listing, loaded.now)
    except BaseException:
        await _rolled_back(connection)
        raise
    if not written:
        await connection.execute(f"ROLLBACK{next_one}")
        return answers
    sent_at = time.monotonic()
    try:
        await connection.execute(f"COMMIT{next_one}")
    except BaseException as error:
        # Whoever gives the connection back must not wait for its answer, and lose this question over it.
        _cut(connection)
        raise OutcomeUnknown(written, answers, sent_at) from error
    return answers


async def _rolled_back(connection: Connection) -> None:
    """End the transaction; where the connection is beyond that, the server ends it."""
    try:
        await asyncio.wait_for(connection.execute("ROLLBACK"), 2)
    except Exception:  # noqa: BLE001 -- the first error is the one to tell
        _cut(connection)


def _cut(connection: Connection) -> None:
    """Close it without a word; the pool may have taken it back already, since it is lost."""
    with suppress(InterfaceError):
        connection.terminate()


def _written(accepted: Accepted, sealer: Sealer, now: datetime) -> Written:
    """Return *accepted* as it is saved, with credentials where its status allows them."""
    terms = accepted.terms
    is_active = terms.status is OrderStatus.ACTIVE
    username, password = (new_name(), new_name()) if is_active else (None, None)
    order = Order(
        uuid=accepted.uuid,
        account_id=accepted.account_id,
        plan_id=terms.plan.id,
        status=terms.status,
        gross_cents=terms.gross_cents,
        discount_cents=terms.discount_cents,
        net_cents=terms.net_cents,
        options=options_json(terms.options),
        username=username,
        password=password,
        initial_bytes=None if terms.bandwidth_gb is None else terms.bandwidth_gb * BYTES_PER_GB,
        consumed_bytes=0,
        expires_at=expiry(terms.term, now) if is_active and terms.term else None,
        created_at=now,
        updated_at=now,
    )
    return Written(
        accepted=accepted,
        order=order,
        password_sealed=None if password is None else sealer.sealed(password, order.uuid),
        sealing_key_id=None if password is None else sealer.key_id,
    )
