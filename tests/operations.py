"""The operations of a shop as pieces of work in a fresh scene, and the ends that they may come to together (T2)."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, permutations
from random import Random
from typing import Any
from uuid import UUID

from interleavings import Stage, Work, opened_stage, schedules
from novaproxy.accounts.asking import token_hash
from novaproxy.accounts.store import AccountStatus, move_account, revoke_token
from novaproxy.catalog.store import Shelf
from novaproxy.catalog.update import apply_file
from novaproxy.credentials.seal import Sealer, registered_sealer
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.errors import Refusal
from novaproxy.http.fields import Fields
from novaproxy.ledger.audit import audit
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.orders import moving
from novaproxy.orders.model import Ask
from novaproxy.orders.placing import Answer, Placed, place_batch
from shop import SEALING_KEY, Buyer, new_buyer

CATALOG = """
currency: USD
plans:
  - {{slug: traffic, name: Traffic, type: bandwidth, max_orders_per_account: 4,
     bandwidths: [{{bandwidth: 1, price_per_gb: {price}}}]}}
  - {{slug: by-hand, name: By hand, type: bandwidth, delivery: manual, max_orders_per_account: 2,
     bandwidths: [{{bandwidth: 1, price_per_gb: 4.00}}]}}
  - {{slug: time, name: Time, type: duration, durations: [{{slug: 1_day, name: 1 day, price: 3.00}}]}}
discount_codes:
  - {{code: {code}, percent: 50, max_uses: 2}}
  - {{code: {code}B, percent: 10, max_uses: 1}}
"""

_STATE = """
    SELECT account.balance_cents, account.ledger_version, account.status,
           ARRAY(SELECT plan.slug || ' ' || account_plan.orders FROM account_plan JOIN plan ON plan.id = plan_id
                 WHERE account_plan.account_id = account.id ORDER BY 1) AS plans,
           ARRAY(SELECT code_id - $2::bigint || ' ' || uses FROM account_code
                 WHERE account_code.account_id = account.id ORDER BY 1) AS codes,
           ARRAY(SELECT uses FROM discount_code WHERE id IN ($2, $2 + 1) ORDER BY id) AS uses,
           ARRAY(SELECT plan.slug || ' ' || orders.status || ' ' || orders.net_cents || ' ' || (orders.username IS NULL)
                 FROM orders JOIN plan ON plan.id = plan_id WHERE orders.account_id = account.id ORDER BY 1) AS orders,
           ARRAY(SELECT from_status || ' ' || to_status FROM order_move
                 WHERE order_move.account_id = account.id ORDER BY order_move.id) AS moves,
           ARRAY(SELECT kind || ' ' || amount_cents || ' ' || balance_after_cents FROM transfer
                 WHERE transfer.account_id = account.id ORDER BY version) AS entries,
           ARRAY(SELECT revoked_at IS NULL FROM api_token WHERE api_token.account_id = account.id) AS tokens
    FROM account
    WHERE id = ANY ($1)
    ORDER BY id
"""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_ROUND_TRIPS = 30
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Scene:
    """What each run begins with: a customer with 10.00, a pending order and a running one, a code with one use left.

    And *other*, a second customer with 10.00, and a second code with one use, whose name is *code* and a B.
    """

    buyer: Buyer
    other: Buyer
    sealer: Sealer
    pending: UUID
    running: UUID
    code: str
    code_id: int


Operation = Callable[[Scene], Work]


def placing(plan: str, *, with_code: bool = False, key: str | None = None, **fields: str) -> Operation:
    def operation(scene: Scene) -> Work:
        asked = {"plan": plan} | fields | ({"discount_code": scene.code} if with_code else {})
        ask = Ask(token_hash(scene.buyer.token.encode()), key, Fields(asked, None))

        async def place(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
            (answer,) = await place_batch(connection, [ask], Shelf(), scene.sealer)
            return told(answer)

        return place

    return operation


def told(answer: Answer) -> tuple[str, int] | str:
    """Return an answer as these tests compare it."""
    match answer:
        case Placed(order=order):
            return "placed", order.net_cents
        case Refusal():
            return answer.sentence
        case _:
            return "replayed"


def placing_two(*, turned: bool) -> Operation:
    """Place a batch of both customers with both codes; *turned*, all in the opposite order."""

    def operation(scene: Scene) -> Work:
        wanted = [
            (scene.buyer, {"plan": "time", "duration": "1_day", "discount_code": scene.code}),
            (scene.other, {"plan": "time", "duration": "1_day", "discount_code": f"{scene.code}B"}),
            (scene.other, {"plan": "traffic", "bandwidth": "1"}),
        ]
        asks = [Ask(token_hash(by.token.encode()), None, Fields(fields, None)) for by, fields in wanted]

        async def place(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
            answers = await place_batch(connection, asks[::-1] if turned else asks, Shelf(), scene.sealer)
            return [getattr(answer, "sentence", "placed") for answer in answers]

        return place

    return operation


def adjusting(kind: Adjustment, amount_cents: int) -> Operation:
    def operation(scene: Scene) -> Work:
        async def adjusted(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
            async with connection.transaction():
                return await adjust(
                    connection, scene.buyer.account_id, kind, amount_cents, reason="r", reference=None, actor="test"
                )

        return adjusted

    return operation


def delivering(scene: Scene) -> Work:
    async def deliver(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        await moving.deliver(connection, scene.pending, scene.sealer, None, "test")
        return "delivered"

    return deliver


def expiring(_scene: Scene) -> Work:
    async def expire(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        # How many it moved is no outcome: it passes over an order that is held, and comes again.
        await moving.expire_orders(connection)
        return "expired"

    return expire


def suspending(scene: Scene) -> Work:
    async def suspend(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            return await move_account(connection, scene.buyer.account_id, AccountStatus.SUSPENDED, "test", "test")

    return suspend


def revoking(scene: Scene) -> Work:
    async def revoke(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        async with connection.transaction():
            return await revoke_token(connection, scene.buyer.account_id, "default")

    return revoke


def applying(scene: Scene) -> Work:
    async def apply(connection: Any) -> object:  # noqa: ANN401 -- stepped or not
        await apply_file(connection, CATALOG.format(price="5.00", code=scene.code).encode(), "test", dry_run=False)
        return "applied"

    return apply


OPERATIONS: dict[str, Operation] = {
    "order": placing("traffic", bandwidth="1"),
    "order by hand": placing("by-hand", bandwidth="1"),
    "order with code": placing("time", duration="1_day", with_code=True),
    "order with key": placing("traffic", bandwidth="1", key="same"),
    "batch": placing_two(turned=False),
    "turned batch": placing_two(turned=True),
    "top-up": adjusting(Adjustment.CREDIT, 2_00),
    "debit": adjusting(Adjustment.DEBIT, 7_00),
    "deliver": delivering,
    "fail": lambda scene: lambda connection: moving.fail(connection, scene.pending, "test", "test"),
    "deactivate": lambda scene: lambda connection: moving.deactivate(connection, scene.running, "test"),
    "activate": lambda scene: lambda connection: moving.activate(connection, scene.running, "test"),
    "expire": expiring,
    "suspend": suspending,
    "revoke": revoking,
    "apply": applying,
}

End = tuple[list[object], list[dict[str, Any]]]
"""The outcomes, and the state that they left for both customers."""


@dataclass(slots=True)
class Theatre:
    """The stage, and the connection that makes each scene and looks at its end."""

    stage: Stage
    connection: SoleConnection
    runner: asyncio.Runner

    def assert_serial(self, names: Sequence[str], random: Random, number: int) -> None:
        """Assert that *number* interleavings of the operations *names* end as some serial order of them does."""
        lengths: list[int] = []
        serial: list[End] = []
        for order in permutations(range(len(names))):
            end, lengths = self._end(names, [work for work in order for _ in range(_MOST_ROUND_TRIPS)])
            serial.append(end)
        for schedule in schedules(random, lengths, number):
            end, _ = self._end(names, schedule)
            assert end in serial, f"{' x '.join(names)} in the order {schedule}"

    def _end(self, names: Sequence[str], schedule: Sequence[int]) -> tuple[End, list[int]]:
        """Return the end of one run in a fresh scene, and how many round trips each took."""
        return self.runner.run(self._acted(names, schedule))

    async def _acted(self, names: Sequence[str], schedule: Sequence[int]) -> tuple[End, list[int]]:
        scene = await new_scene(self.connection, is_due="expire" in names)
        outcomes = await self.stage.run([OPERATIONS[name](scene) for name in names], schedule)
        await moving.expire_orders(self.connection)
        ids = [scene.buyer.account_id, scene.other.account_id]
        state = [dict(row) for row in await self.connection.fetch(_STATE, ids, scene.code_id)]
        lengths = [session.stepped.round_trips for session in self.stage.sessions[: len(names)]]
        return ([_plain(outcome, scene) for outcome in outcomes], state), lengths

    def breaches(self) -> list[str]:
        """Return what the audit finds."""
        return [finding.invariant for finding in self.runner.run(audit(self.connection)) if finding.breaches]


def _plain(outcome: object, scene: Scene) -> object:
    return _UUID.sub("UUID", str(outcome)).replace(scene.buyer.email, "EMAIL")


async def new_scene(connection: SoleConnection, *, is_due: bool) -> Scene:
    """Return a fresh scene; where it *is_due*, the running order's time is over."""
    code = f"CODE{next(_numbers)}"
    await apply_file(connection, CATALOG.format(price="4.00", code=code).encode(), "test", dry_run=False)
    buyer, other = await new_buyer(connection, 20_00), await new_buyer(connection, 10_00)
    sealer = await registered_sealer(connection, SEALING_KEY)
    uuids = []
    for fields in ({"plan": "by-hand", "bandwidth": "1", "discount_code": code}, {"plan": "time", "duration": "1_day"}):
        ask = Ask(token_hash(buyer.token.encode()), None, Fields(fields, None))
        (answer,) = await place_batch(connection, [ask], Shelf(), sealer)
        assert isinstance(answer, Placed)
        uuids.append(answer.order.uuid)
    async with connection.transaction():
        await adjust(connection, buyer.account_id, Adjustment.DEBIT, 5_00, reason="r", reference=None, actor="test")
    if is_due:
        await connection.execute("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", uuids[1])
    code_id = await connection.fetchval("SELECT id FROM discount_code WHERE code = $1", code)
    return Scene(buyer, other, sealer, uuids[0], uuids[1], code, code_id)


@contextmanager
def opened_theatre(target: Target, sessions: int = 2) -> Iterator[Theatre]:
    """Give a theatre on *target* for *sessions* operations at once."""
    with asyncio.Runner() as runner:
        stage = runner.run(opened_stage(target, sessions))
        connection = runner.run(opened_connection(target))
        try:
            yield Theatre(stage, connection, runner)
        finally:
            for one in (connection, stage.watcher, *(session.connection for session in stage.sessions)):
                one.terminate()
