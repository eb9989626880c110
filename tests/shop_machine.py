"""The real shop over HTTP, beside the plain one, through random days: catalogs, money, orders, moves, suspensions (T3).

Each day has customers and codes of its own, so that days can follow each other in one database.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis import seed as seeded_with
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from novaproxy.accounts.store import AccountStatus, move_account
from novaproxy.catalog.export import exported
from novaproxy.catalog.model import Catalog, Delivery
from novaproxy.catalog.update import apply_file
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.orders import moving
from plain_shop import ACCOUNTS, Call, PlainShop, any_calls, callers, catalogs, good_requests, keys
from shop import SEALING_KEY, Buyer, new_buyer

_PAST, _FUTURE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
_WINDOWS = (*[(None, None)] * 9, (_PAST, None), (None, _FUTURE), (_FUTURE, None), (None, _PAST))
_MOVES = {
    "deliver": ("pending", "active"),
    "fail": ("pending", "failed"),
    "deactivate": ("active", "inactive"),
    "activate": ("inactive", "active"),
}
_BOOKS = """
    SELECT id, balance_cents, ledger_version,
           ARRAY(SELECT uuid::text || ' ' || orders.status FROM orders WHERE account_id = account.id ORDER BY 1)
           AS orders
    FROM account WHERE id = ANY ($1)
"""
_DUE = "SELECT EXISTS (SELECT FROM orders WHERE status IN ('active', 'inactive') AND expires_at <= now())"
_days = count(1)


@dataclass(slots=True)
class World:
    """The services to ask in turn, and the operator's connection to their database; what is done is counted."""

    clients: Sequence[httpx.Client]
    connection: SoleConnection
    runner: asyncio.Runner
    asked: int = 0
    days: int = 0
    orders: int = 0
    catalogs: int = 0
    moves: int = 0

    @property
    def client(self) -> httpx.Client:
        """The service whose turn it is."""
        return self.clients[self.asked % len(self.clients)]


@contextmanager
def opened_world(target: Target, addresses: Sequence[str]) -> Iterator[World]:
    """Give a world on *target*, whose services are at *addresses*."""
    clients = [httpx.Client(base_url=address, timeout=30) for address in addresses]
    with asyncio.Runner() as runner:
        connection = runner.run(opened_connection(target))
        try:
            yield World(clients, connection, runner)
        finally:
            connection.terminate()
            for client in clients:
                client.close()


_SHRINKING_SECONDS = 40
"""Days take time, so the steps that show a failure may stay more than they need be."""


def live_through(world: World, seed: int, days: int, steps: int) -> None:
    """Live through *days* random days of *steps* each; what fails is shrunk, and told as the steps that show it."""
    engine.MAX_SHRINKING_SECONDS = _SHRINKING_SECONDS
    machine = type("ShopDay", (_ShopDay,), {"world": world})
    run_state_machine_as_test(
        seeded_with(seed)(machine),
        settings=settings(
            max_examples=days,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            verbosity=Verbosity.normal,
            suppress_health_check=list(HealthCheck),
        ),
    )


@dataclass(slots=True)
class _Bought:
    account: int
    plan: str
    code: str | None
    net: Fraction
    status: str
    ends: bool


@dataclass(slots=True)
class _Day:
    """What the plain shop does not know: who its customers are in the real one, and how orders stand."""

    suffix: str
    buyers: Mapping[int, Buyer]
    suspended: set[int] = field(default_factory=set)
    orders: dict[UUID, _Bought] = field(default_factory=dict)


class _ShopDay(RuleBasedStateMachine):
    """One day, in both shops."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.shop = PlainShop(Catalog("USD"), datetime.now(UTC))
        self.calls: list[Call] = []
        self.day = _Day(
            f"x{next(_days)}", dict(zip(ACCOUNTS, self._run(_customers(self.world.connection)), strict=True))
        )
        self.world.days += 1

    def _run(self, work: Any) -> Any:  # noqa: ANN401 -- any coroutine, and what it returns
        return self.world.runner.run(work)

    @initialize(catalog=catalogs(st.none()), data=st.data())
    def open_shop(self, catalog: Catalog, data: st.DataObject) -> None:
        self._apply(catalog, data)

    @rule(catalog=catalogs(st.none()), data=st.data())
    def apply_another_catalog(self, catalog: Catalog, data: st.DataObject) -> None:
        self._apply(catalog, data)

    def _apply(self, catalog: Catalog, data: st.DataObject) -> None:
        codes = []
        for code in catalog.discount_codes:
            starts_at, ends_at = data.draw(st.sampled_from(_WINDOWS))
            codes.append(replace(code, code=code.code + self.day.suffix, starts_at=starts_at, ends_at=ends_at))
        manual = data.draw(st.sampled_from([(), ("beta",), ("gamma",), ("beta", "gamma")]))
        plans = [
            replace(plan, delivery=Delivery.MANUAL if plan.slug in manual else Delivery.GATEWAY)
            for plan in catalog.plans
        ]
        told = replace(catalog, plans=tuple(plans), discount_codes=tuple(codes))
        try:
            self._run(apply_file(self.world.connection, exported(told).encode(), "test", dry_run=False))
        except OperatorError:
            # The file is not sound: both shops keep the catalog that they have.
            return
        self.shop.catalog = told
        self.world.catalogs += 1

    @initialize(amounts_cents=st.lists(st.integers(1_00, 500_00), min_size=3, max_size=3))
    def pay_in(self, amounts_cents: list[int]) -> None:
        for number, amount_cents in zip(ACCOUNTS, amounts_cents, strict=True):
            self.credit(number, amount_cents)

    @rule(number=callers, amount_cents=st.sampled_from([1, 99, 500, 2_000, 10_000]))
    def credit(self, number: int, amount_cents: int) -> None:
        assert self._adjusted(number, Adjustment.CREDIT, amount_cents)
        self._move_money(number, Fraction(amount_cents, 100))

    @rule(number=callers, amount_cents=st.sampled_from([1, 500, 5_000]))
    def debit(self, number: int, amount_cents: int) -> None:
        is_there = self.shop.customers[number].balance >= Fraction(amount_cents, 100)
        assert self._adjusted(number, Adjustment.DEBIT, amount_cents) == is_there
        if is_there:
            self._move_money(number, -Fraction(amount_cents, 100))

    def _adjusted(self, number: int, kind: Adjustment, amount_cents: int) -> bool:
        connection = self.world.connection

        async def adjusted() -> bool:
            account_id = self.day.buyers[number].account_id
            try:
                async with connection.transaction():
                    await adjust(connection, account_id, kind, amount_cents, reason="r", reference=None, actor="test")
            except OperatorError:
                return False
            return True

        return bool(self._run(adjusted()))

    def _move_money(self, number: int, amount: Fraction) -> None:
        self.shop.customers[number].balance += amount
        self.shop.customers[number].entries.append(amount)

    @rule(number=callers, status=st.sampled_from([AccountStatus.SUSPENDED, AccountStatus.ACTIVE, AccountStatus.ACTIVE]))
    def suspend_or_resume(self, number: int, status: AccountStatus) -> None:
        connection = self.world.connection

        async def moved() -> None:
            async with connection.transaction():
                await move_account(connection, self.day.buyers[number].account_id, status, "test", "test")

        self._run(moved())
        (self.day.suspended.add if status is AccountStatus.SUSPENDED else self.day.suspended.discard)(number)

    @rule(data=st.data(), caller=callers, key=keys)
    def order(self, data: st.DataObject, caller: int, key: str | None) -> None:
        if self.shop.catalog.plans and self.shop.catalog.discount_codes:
            self._place((caller, key, data.draw(good_requests(self.shop.catalog))))

    @rule(data=st.data(), caller=callers)
    def order_plainly(self, data: st.DataObject, caller: int) -> None:
        if self.shop.catalog.plans and self.shop.catalog.discount_codes:
            request = {**data.draw(good_requests(self.shop.catalog))}
            request.pop("discount_code", None)
            self._place((caller, None, request))

    @rule(data=st.data(), caller=callers, number=st.integers(2, 4))
    def order_again_and_again(self, data: st.DataObject, caller: int, number: int) -> None:
        if self.shop.catalog.plans and self.shop.catalog.discount_codes:
            request = data.draw(good_requests(self.shop.catalog))
            for _ in range(number):
                self._place((caller, None, request))

    @rule(call=any_calls)
    def order_wildly(self, call: Call) -> None:
        account, key, request = call
        code = request.get("discount_code")
        asked = {**request, "discount_code": f"{code}{self.day.suffix}"} if code and isinstance(code, str) else request
        self._place((account, key, asked))

    @precondition(lambda self: bool(self.calls))
    @rule(data=st.data())
    def repeat_an_earlier_order(self, data: st.DataObject) -> None:
        self._place(data.draw(st.sampled_from(self.calls)))

    def _place(self, call: Call) -> None:
        account, key, request = call
        self.calls.append(call)
        self.world.asked += 1
        headers = self.day.buyers[account].headers if account is not None else {}
        headers = headers | ({"Idempotency-Key": key} if key is not None else {})
        answer = self.world.client.post("/orders", json=request, headers=headers)
        body = answer.json()
        uuid = UUID(body["uuid"]) if answer.status_code == 201 else uuid4()
        expected = self.shop.place(None if account in self.day.suspended else account, key, request, uuid)
        if isinstance(expected, str):
            assert (answer.status_code, body) == (401 if expected == "Unauthenticated." else 422, {"error": expected})
        elif isinstance(expected, UUID):
            assert (answer.status_code, uuid) == (201, expected)
            assert answer.headers["idempotent-replayed"] == "true"
            assert body["status"] == self.day.orders[uuid].status
        else:
            assert answer.status_code == 201, (expected, body)
            assert account is not None
            prices = tuple(_exact(body["price"][name]) for name in ("gross", "discount", "net"))
            assert prices == expected
            self._note(account, uuid, expected[2], body)

    def _note(self, account: int, uuid: UUID, net: Fraction, body: Mapping[str, Any]) -> None:
        self.world.orders += 1
        slug, code = self.shop.customers[account].orders[-1]
        (plan,) = [plan for plan in self.shop.catalog.plans if plan.slug == slug]
        status = "pending" if plan.delivery is Delivery.MANUAL else "active"
        assert body["status"] == status
        self.day.orders[uuid] = _Bought(account, slug, code, net, status, ends=slug == "gamma")

    @precondition(lambda self: bool(self.day.orders))
    @rule(data=st.data(), move=st.sampled_from(list(_MOVES)))
    def move(self, data: st.DataObject, move: str) -> None:
        uuid = data.draw(st.sampled_from(list(self.day.orders)))
        bought = self.day.orders[uuid]
        before, after = _MOVES[move]
        is_legal = bought.status == before
        assert self._moved(move, uuid) == is_legal
        if not is_legal:
            return
        self.world.moves += 1
        bought.status = after
        if move == "fail":
            self.shop.customers[bought.account].orders.remove((bought.plan, bought.code))
            if bought.net:
                self._move_money(bought.account, bought.net)

    def _moved(self, move: str, uuid: UUID) -> bool:
        connection = self.world.connection

        async def moved() -> bool:
            try:
                match move:
                    case "deliver":
                        sealer = await registered_sealer(connection, SEALING_KEY)
                        await moving.deliver(connection, uuid, sealer, None, "test")
                    case "fail":
                        await moving.fail(connection, uuid, "test", "test")
                    case "deactivate":
                        await moving.deactivate(connection, uuid, "test")
                    case _:
                        await moving.activate(connection, uuid, "test")
            except OperatorError:
                return False
            return True

        return bool(self._run(moved()))

    @precondition(
        lambda self: any(one.ends and one.status in {"active", "inactive"} for one in self.day.orders.values())
    )
    @rule(data=st.data(), is_noticed=st.booleans())
    def let_an_order_end(self, data: st.DataObject, is_noticed: bool) -> None:  # noqa: FBT001 -- hypothesis passes it
        running = [uuid for uuid, one in self.day.orders.items() if one.ends and one.status in {"active", "inactive"}]
        uuid = data.draw(st.sampled_from(running))
        ended = "UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1"
        self._run(self.world.connection.execute(ended, uuid))
        if is_noticed:
            self._run(moving.expire_orders(self.world.connection))
        self.day.orders[uuid].status = "expired"

    @precondition(lambda self: set(ACCOUNTS) - self.day.suspended)
    @rule(data=st.data())
    def read_lists(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(set(ACCOUNTS) - self.day.suspended)))
        headers = self.day.buyers[number].headers
        listed = self.world.client.get("/orders", headers=headers).json()
        orders = listed["data"] if isinstance(listed, dict) else listed
        mine = {str(uuid): one.status for uuid, one in self.day.orders.items() if one.account == number}
        assert {order["uuid"]: order["status"] for order in orders} == mine
        balance = self.world.client.get("/balance", headers=headers).json()["balance"]
        assert _exact(balance) == self.shop.customers[number].balance

    @invariant()
    def the_books_agree(self) -> None:
        # A service's duty may hold one of them at this moment: that one is passed over, and soon done.
        while self._run(self.world.connection.fetchval(_DUE)):
            self._run(moving.expire_orders(self.world.connection))
        ids = {buyer.account_id: number for number, buyer in self.day.buyers.items()}
        for row in self._run(self.world.connection.fetch(_BOOKS, list(ids))):
            plain = self.shop.customers[ids[row["id"]]]
            assert Fraction(row["balance_cents"], 100) == plain.balance == sum(plain.entries)
            assert row["ledger_version"] == len(plain.entries)
            mine = [f"{uuid} {one.status}" for uuid, one in self.day.orders.items() if one.account == ids[row["id"]]]
            assert row["orders"] == sorted(mine), f"{set(row['orders']) ^ set(mine)}"


async def _customers(connection: SoleConnection) -> list[Buyer]:
    return [await new_buyer(connection, 0) for _ in ACCOUNTS]


def _exact(number: object) -> Fraction:
    return Fraction(str(number))
