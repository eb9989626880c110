"""Who waits for a lock decides by what stands behind it; each wait is brought about, none left to chance (T2, T13)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from interleavings import Stage, Work, opened_stage
from novaproxy.accounts.asking import token_hash
from novaproxy.accounts.store import AccountStatus, move_account, revoke_token
from novaproxy.catalog.store import Shelf, current_revision
from novaproxy.catalog.update import apply_checked, checked_file
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target, opened_connection, statement
from novaproxy.http.fields import Fields
from novaproxy.ledger.store import Adjusted, Adjustment, BooksChanged, adjust
from novaproxy.orders import moving
from novaproxy.orders.model import Ask
from novaproxy.orders.placing import Placed, place_batch
from novaproxy.orders.store import CodeTaken, load_batch
from operations import told
from shop import SEALING_KEY, Buyer, new_buyer

CATALOG = """
currency: USD
plans:
  - {{slug: traffic, name: Traffic, type: bandwidth, bandwidths: [{{bandwidth: 1, price_per_gb: {price}}}]}}
  - {{slug: single, name: Single, type: bandwidth, max_orders_per_account: 1,
     bandwidths: [{{bandwidth: 1, price_per_gb: 1.00}}]}}
  - {{slug: by-hand, name: By hand, type: bandwidth, delivery: manual,
     bandwidths: [{{bandwidth: 1, price_per_gb: 4.00}}]}}
discount_codes:
  - {{code: LAST, percent: 50, max_uses: {uses}}}
{more}
"""
WAITS = [0, 0, 1, 1]
"""The first one begins and takes its locks; the second begins and waits behind them until the first has ended."""


@dataclass(slots=True)
class Waits:
    """Two sessions that wait for each other, and a third that prepares and looks."""

    stage: Stage
    connection: SoleConnection
    runner: asyncio.Runner

    def ends(self, first: Work, second: Work, schedule: Sequence[int] = WAITS) -> tuple[object, object]:
        """Return both outcomes, the second one's behind the first one's lock."""
        one, other = self.runner.run(self.stage.run((first, second), schedule))
        return one, other

    def run(self, work: Awaitable[Any]) -> Any:  # noqa: ANN401 -- whatever it returns
        """Return what *work* returns."""

        async def done() -> Any:  # noqa: ANN401 -- as above
            return await work

        return self.runner.run(done())

    def buyer(self, balance_cents: int) -> Buyer:
        """Return a new customer."""
        return self.runner.run(new_buyer(self.connection, balance_cents))


async def applied(connection: SoleConnection, price: str = "8.00", uses: int = 100, more: str = "") -> None:
    text = CATALOG.format(price=price, uses=uses, more=more).encode()
    file = await checked_file(connection, text)
    async with connection.transaction():
        await apply_checked(connection, file, "test")


@pytest.fixture
def waits(database: Target) -> Iterator[Waits]:
    with asyncio.Runner() as runner:
        stage = runner.run(opened_stage(database))
        connection = runner.run(opened_connection(database))
        runner.run(registered_sealer(connection, SEALING_KEY))
        runner.run(applied(connection))
        yield Waits(stage, connection, runner)
        for one in (connection, stage.watcher, *(session.connection for session in stage.sessions)):
            one.terminate()


def placing(buyer: Buyer, key: str | None = None, **fields: str) -> Work:
    async def place(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        sealer = await registered_sealer(connection, SEALING_KEY)
        asked = {"plan": "traffic", "bandwidth": "1", **fields}
        ask = Ask(token_hash(buyer.token.encode()), key, Fields(asked, None))
        (answer,) = await place_batch(connection, [ask], Shelf(), sealer)
        return (*told(answer), answer.order.created_at) if isinstance(answer, Placed) else told(answer)

    return place


def asking(buyer: Buyer, code: str) -> Ask:
    """Return an order with a discount code."""
    fields = {"plan": "traffic", "bandwidth": "1", "discount_code": code}
    return Ask(token_hash(buyer.token.encode()), None, Fields(fields, None))


PLACES = [0, 0, 0, 1, 1, 1]
"""As WAITS, where the first round trip of each finds its sealer."""


def noted(name: str, work: Work, ended: list[str]) -> Work:
    """Do *work*, and note in *ended* that it is done."""

    async def note(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        outcome = await work(connection)
        ended.append(name)
        return outcome

    return note


def said(outcome: object) -> object:
    """Return an outcome without its time."""
    return outcome[:2] if isinstance(outcome, tuple) else outcome


def test_who_waits_for_an_account_finds_the_balance_that_is_left(waits: Waits) -> None:
    buyer = waits.buyer(8_00)

    first, second = waits.ends(placing(buyer), placing(buyer), PLACES)

    assert (said(first), second) == (("placed", 8_00), "Insufficient balance.")


def test_who_waits_for_an_account_finds_its_places_taken(waits: Waits) -> None:
    buyer = waits.buyer(8_00)

    first, second = waits.ends(placing(buyer, plan="single"), placing(buyer, plan="single"), PLACES)

    assert said(first) == ("placed", 1_00)
    assert second == "You have reached the maximum number of orders for this plan."


def test_who_waits_for_a_code_finds_its_last_use_gone(waits: Waits) -> None:
    waits.run(applied(waits.connection, uses=1))
    one, other = waits.buyer(8_00), waits.buyer(8_00)

    first, second = waits.ends(placing(one, discount_code="last"), placing(other, discount_code="last"), PLACES)

    assert (said(first), second) == (("placed", 4_00), "The discount code has been used up.")


def test_who_uses_a_code_with_room_waits_for_nobody_before_it_is_counted(waits: Waits) -> None:
    waits.run(applied(waits.connection, uses=2_000))
    one, other = waits.buyer(8_00), waits.buyer(8_00)
    saved: list[str] = []

    async def hold(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            await connection.execute("UPDATE discount_code SET uses = uses")
            await connection.execute("SELECT")
            return f"the other saves: {saved}"

    async def place(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        sealer = await registered_sealer(connection, SEALING_KEY)
        loaded = await load_batch(connection, [asking(one, "last"), asking(other, "LAST")])
        saved.append(f"{len(loaded.ledgers.uses_by_code)} code read")
        answers = await place_batch(connection, [asking(one, "last"), asking(other, "LAST")], Shelf(), sealer)
        return [said(("placed", answer.order.net_cents)) for answer in answers if isinstance(answer, Placed)]

    assert waits.ends(hold, place, [0, 0, 1, 1, 1, 1, 1, 1, 0]) == (
        "the other saves: ['1 code read']",
        [("placed", 4_00), ("placed", 4_00)],
    )
    assert waits.run(waits.connection.fetchval("SELECT uses FROM discount_code")) == 2


async def take_uses(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
    return await connection.execute("UPDATE discount_code SET uses = 1_999, use_ceiling = 9_000")


async def lower_limit(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
    await applied(connection, uses=1)
    return "lowered"


@pytest.mark.parametrize("meanwhile", [take_uses, lower_limit])
def test_who_counts_a_code_too_late_writes_nothing_and_is_decided_anew(waits: Waits, meanwhile: Work) -> None:
    waits.run(applied(waits.connection, uses=2_000))
    asks = [asking(buyer, "last") for buyer in (waits.buyer(8_00), waits.buyer(8_00))]

    async def place(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        sealer = await registered_sealer(connection, SEALING_KEY)
        with pytest.raises(CodeTaken):
            await place_batch(connection, asks, Shelf(), sealer)
        assert not await connection.fetchval("SELECT count(*) FROM orders")
        return [told(answer) for answer in await place_batch(connection, asks, Shelf(), sealer)]

    # The sealer, BEGIN, the load, the catalog: then the others come first.
    _, answers = waits.ends(meanwhile, place, [1, 1, 1, 1, *[0] * 40])

    assert answers == [("placed", 4_00), "The discount code has been used up."]


def test_codes_are_counted_by_their_ids(waits: Waits) -> None:
    waits.run(applied(waits.connection, uses=2_000, more="  - {code: NEXT, percent: 50}"))
    one, other = waits.buyer(8_00), waits.buyer(8_00)
    take = "SELECT FROM discount_code WHERE code = $1 FOR UPDATE"

    async def hold(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            await connection.execute(take, "LAST")
            await connection.execute(f"{take} NOWAIT", "NEXT")
            return "free"

    async def place(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        sealer = await registered_sealer(connection, SEALING_KEY)
        answers = await place_batch(connection, [asking(one, "next"), asking(other, "last")], Shelf(), sealer)
        return [told(answer) for answer in answers]

    assert waits.ends(hold, place, [0, 0, 1, 1, 1, 1, 1]) == ("free", [("placed", 4_00), ("placed", 4_00)])


def test_who_waits_for_an_account_finds_the_key_used(waits: Waits) -> None:
    buyer = waits.buyer(80_00)

    first, second = waits.ends(placing(buyer, "the key"), placing(buyer, "the key"), PLACES)

    assert (said(first), second) == (("placed", 8_00), "replayed")


def holding(buyer: Buyer, meanwhile: Callable[[Any], Awaitable[object]]) -> Work:
    """Hold the account's lock in a transaction and do something *meanwhile*."""

    async def hold(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            await connection.execute("SELECT FROM account WHERE id = $1 FOR NO KEY UPDATE", buyer.account_id)
            return await meanwhile(connection)

    return hold


def test_who_waits_for_an_account_pays_the_price_that_holds_after_the_wait(waits: Waits) -> None:
    buyer = waits.buyer(80_00)

    async def change_the_price(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        await connection.fetchval("SELECT 1")
        await applied(waits.connection, price="5.00")
        return "changed"

    _, second = waits.ends(holding(buyer, change_the_price), placing(buyer), [0, 0, 1, 1, 1])

    assert said(second) == ("placed", 5_00)


def test_who_waits_for_an_account_orders_at_the_time_after_the_wait(waits: Waits) -> None:
    buyer = waits.buyer(80_00)

    async def read_the_time(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        return await connection.fetchval("SELECT clock_timestamp()")

    released_at, second = waits.ends(holding(buyer, read_the_time), placing(buyer), [0, 0, 1, 1, 1])

    assert isinstance(second, tuple)
    assert isinstance(released_at, datetime)
    assert second[2] > released_at


@pytest.mark.parametrize("way", ["revoke", "suspend"])
def test_who_waits_behind_a_revocation_is_refused(waits: Waits, way: str) -> None:
    buyer = waits.buyer(80_00)

    async def close(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        if way == "revoke":
            return await revoke_token(connection, buyer.account_id, "default")
        return await move_account(connection, buyer.account_id, AccountStatus.SUSPENDED, "test", "test")

    assert waits.ends(holding(buyer, close), placing(buyer), [0, 0, 1, 1, 1]) == (True, "Unauthenticated.")


@pytest.mark.parametrize("way", ["revoke", "suspend"])
def test_a_revocation_waits_for_the_order_under_way(waits: Waits, way: str) -> None:
    buyer = waits.buyer(80_00)
    ended: list[str] = []

    async def close(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            if way == "revoke":
                return await revoke_token(connection, buyer.account_id, "default")
            return await move_account(connection, buyer.account_id, AccountStatus.SUSPENDED, "test", "test")

    waits.ends(noted("order", placing(buyer), ended), noted(way, close, ended), [0, 0, 0, 1, 1, 1, 1, 1])

    assert ended == ["order", way]


def test_of_two_credits_under_one_reference_the_second_finds_the_first(waits: Waits) -> None:
    buyer = waits.buyer(0)

    async def credit(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            return await adjust(
                connection, buyer.account_id, Adjustment.CREDIT, 5_00, reason="r", reference="R", actor="test"
            )

    first, second = waits.ends(credit, credit, [0, 0, 1, 1])

    assert (first, second) == (Adjusted(5_00, is_repeated=False), Adjusted(5_00, is_repeated=True))


def test_two_adjustments_of_one_account_both_count(waits: Waits) -> None:
    buyer = waits.buyer(5_00)

    async def debit(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            return await adjust(
                connection, buyer.account_id, Adjustment.DEBIT, 3_00, reason="r", reference=None, actor="test"
            )

    first, second = waits.ends(debit, debit, [0, 0, 1, 1])

    assert first == Adjusted(2_00, is_repeated=False)
    assert second == "refused: The balance is 2.00; it may not fall below 0."


def pending(waits: Waits, buyer: Buyer, **fields: str) -> UUID:
    """Return an order of *buyer* that waits for its delivery."""
    waits.run(placing(buyer, plan="by-hand", **fields)(waits.connection))
    uuid: UUID = waits.run(
        waits.connection.fetchval(
            "SELECT uuid FROM orders WHERE account_id = $1 ORDER BY id DESC LIMIT 1", buyer.account_id
        )
    )
    return uuid


def test_a_move_that_waits_for_another_finds_the_status_that_it_left(waits: Waits) -> None:
    uuid = pending(waits, waits.buyer(80_00))

    async def deliver(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        return await moving.deliver(connection, uuid, sealer, None, "test")

    async def fail(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        try:
            return await moving.fail(connection, uuid, "test", "test")
        except BooksChanged as changed:
            return f"did not wait: {changed}"

    sealer = waits.run(registered_sealer(waits.connection, SEALING_KEY))
    first, second = waits.ends(deliver, fail, [0, 0, 1, 1, 1, 1, 1])

    assert isinstance(first, moving.Delivered)
    assert second == "refused: The order is active: only a pending order can be failed."


@pytest.mark.parametrize("held", ["account", "discount_code"])
def test_a_refund_locks_the_account_and_the_code_before_the_order(waits: Waits, held: str) -> None:
    buyer = waits.buyer(80_00)
    uuid = pending(waits, buyer, discount_code="LAST")

    async def hold(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            await connection.execute(f"SELECT FROM {held} FOR UPDATE")
            # Whoever holds it may still take the order: the refund waits with nothing of the kinds that come later.
            await connection.execute("SELECT FROM orders WHERE uuid = $1 FOR UPDATE NOWAIT", uuid)
            return "taken"

    async def fail(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        await moving.fail(connection, uuid, "test", "test")
        return "failed"

    assert waits.ends(hold, fail, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]) == ("taken", "failed")


LOCKING = {
    "load_order_batch, accounts": ("account", "SELECT FROM load_order_batch($1::bytea[], $2::text[], $3::text[])"),
    "load_order_batch, codes": ("discount_code", "SELECT FROM load_order_batch($1::bytea[], $2::text[], $3::text[])"),
    "lock_accounts": ("account", statement("novaproxy.orders", "lock_accounts")),
    "lock_codes": ("discount_code", statement("novaproxy.catalog", "lock_codes")),
}


@pytest.mark.parametrize("name", LOCKING)
def test_rows_are_locked_by_their_ids_wherever_they_lie(waits: Waits, name: str) -> None:
    table, locking = LOCKING[name]
    low, high = waits.buyer(1_00), waits.buyer(1_00)
    waits.run(waits.connection.execute("INSERT INTO discount_code (code, use_ceiling) VALUES ('A', NULL), ('B', 1)"))
    column, written = ("id", "name") if table == "account" else ("code", "uses")
    keys: list[Any] = [low.account_id, high.account_id] if table == "account" else ["A", "B"]
    # Written again, the lower row lies behind the higher one; without an index they are met as they lie.
    waits.run(waits.connection.execute(f"UPDATE {table} SET {written} = {written} WHERE {column} = $1", keys[0]))  # noqa: S608 -- names of ours
    arguments: list[Any] = [[str(key).lower() for key in keys]] if name == "lock_codes" else [keys]
    if name.startswith("load"):
        hashes = [token_hash(buyer.token.encode()) for buyer in (high, low)]
        arguments = [hashes, [None, None], [None, None] if table == "account" else ["b", "a"]]

    async def hold(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            await connection.execute(f"SELECT FROM {table} WHERE {column} = $1 FOR UPDATE", keys[0])
            # The other one waits for the lower row, and so has not taken the higher one yet.
            await connection.execute(f"SELECT FROM {table} WHERE {column} = $1 FOR UPDATE NOWAIT", keys[1])
            return "free"

    async def lock(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            await connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
            await connection.execute("SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_seqscan = on")
            await connection.fetch(locking, *arguments)
            return "locked"

    ended: list[str] = []
    outcomes = waits.ends(noted("hold", hold, ended), noted("lock", lock, ended), [0, 0, 1, 1, 1, 1])

    assert outcomes == ("free", "locked")
    assert ended == ["hold", "lock"]


def test_what_is_held_for_updates_does_not_stop_new_rows_that_refer_to_it(waits: Waits) -> None:
    """Foreign keys take a key share of the account; orders hold it FOR NO KEY UPDATE, which lets that pass."""
    buyer = waits.buyer(80_00)

    ended: list[str] = []

    async def insert(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        return await connection.execute(
            "INSERT INTO api_token (account_id, name, token_hash) VALUES ($1, 'x', sha256('x'))", buyer.account_id
        )

    waits.ends(noted("order", placing(buyer), ended), noted("token", insert, ended), [0, 0, 0, 1])

    assert ended == ["token", "order"]


def test_of_two_catalogs_at_once_one_follows_the_other(waits: Waits) -> None:
    def applying(price: str) -> Work:
        file = waits.run(checked_file(waits.connection, CATALOG.format(price=price, uses=100, more="").encode()))

        async def apply(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
            async with connection.transaction():
                return (await apply_checked(connection, file, "test")).revision

        return apply

    held = waits.run(current_revision(waits.connection)).number

    assert waits.ends(applying("5.00"), applying("6.00"), [0, 0, 1, 1]) == (held + 1, held + 2)
