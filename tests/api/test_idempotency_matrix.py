"""What a key answers, as a table: what became of it before, and what is sent under it now (T8).

Two services on one database; whatever is repeated is asked of the other one.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import httpx
import pytest

from contract import JSON, MULTIPART, URLENCODED, form_pairs, multipart_body, urlencoded_body
from market import Market
from meetings import Work, at_once, deactivating, delivering, failing
from novaproxy.accounts.store import AccountStatus, move_account
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.orders import moving
from services import seeded, services
from shop import CATALOG, Buyer, Shop

KEY = "the key"
GATEWAY = {"plan": "unlimited", "duration": "1_day"}
BY_HAND = {"plan": "by-hand", "bandwidth": "1"}


class Answer(Enum):
    """What comes back."""

    NEW = "a new order"
    REPLAYED = "the same order"
    OTHERWISE = "422, used with another request"
    STRANGER = "401"


@dataclass(slots=True)
class Desk:
    """A buyer at two services, and the order that he has under the key, if he has one."""

    market: Market
    buyer: Buyer
    fields: dict[str, str]
    uuid: str | None = None

    def send(
        self, body: bytes | str, content_type: str = JSON, *, service: int = 0, buyer: Buyer | None = None
    ) -> httpx.Response:
        headers = {**(buyer or self.buyer).headers, "Content-Type": content_type, "Idempotency-Key": KEY}
        address = self.market.services[service].address
        return httpx.post(f"{address}/orders", content=body, headers=headers, timeout=30)

    def places(self) -> None:
        answer = self.send(json.dumps(self.fields))
        assert answer.status_code == 201, answer.text
        self.uuid = answer.json()["uuid"]

    def has_done(self, work: Work) -> None:
        ((outcome,),) = at_once(self.market.shop.target, [[work]])
        assert not isinstance(outcome, Exception), outcome


@pytest.fixture(scope="module")
def market(module_database: Target) -> Iterator[Market]:
    with services(module_database) as pair:
        shop = Shop(module_database, pair[0].address)
        shop.apply_catalog(CATALOG.read_text())
        shop.sql("CREATE TABLE refused_inside (account_id bigint)")
        shop.sql("GRANT SELECT ON refused_inside TO PUBLIC")
        shop.sql(
            "CREATE FUNCTION refuse_inside() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF EXISTS (SELECT FROM refused_inside WHERE account_id = NEW.account_id) "
            "THEN RAISE EXCEPTION 'refused inside'; END IF; RETURN NEW; END $$"
        )
        shop.sql("CREATE TRIGGER refusing BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse_inside()")
        yield Market(pair, shop, seeded("idempotency"))
        shop.assert_books_hold()
        shop.http.close()


def placed(desk: Desk) -> None:
    desk.places()


def placed_at_once(desk: Desk) -> None:
    answers = desk.market.at_once([(desk.buyer, desk.fields, KEY)] * 8)
    (desk.uuid,) = {answer.uuid for answer in answers}


def refused_for_its_form(desk: Desk) -> None:
    assert desk.send("{").status_code == 400


def refused_for_its_type(desk: Desk) -> None:
    assert desk.send("plan", "text/plain").status_code == 415


def refused_for_a_field(desk: Desk) -> None:
    assert desk.send(json.dumps({"plan": "nope"})).status_code == 422


def refused_for_money(desk: Desk) -> None:
    balance_cents = desk.market.shop.balance_cents(desk.buyer)
    _adjust(desk, Adjustment.DEBIT, balance_cents)
    assert desk.send(json.dumps(desk.fields)).json() == {"error": "Insufficient balance."}
    _adjust(desk, Adjustment.CREDIT, balance_cents)


def refused_while_suspended(desk: Desk) -> None:
    _suspend(desk, AccountStatus.SUSPENDED)
    assert desk.send(json.dumps(desk.fields)).status_code == 401
    _suspend(desk, AccountStatus.ACTIVE)


def failed_inside(desk: Desk) -> None:
    desk.market.shop.sql("INSERT INTO refused_inside VALUES ($1)", desk.buyer.account_id)
    assert desk.send(json.dumps(desk.fields)).status_code == 500
    desk.market.shop.sql("DELETE FROM refused_inside")


def ended(desk: Desk) -> None:
    desk.fields = {**GATEWAY}
    desk.places()
    desk.market.shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid::text = $1", desk.uuid)
    desk.has_done(moving.expire_orders)


def switched_off(desk: Desk) -> None:
    desk.fields = {**GATEWAY}
    desk.places()
    desk.has_done(deactivating(str(desk.uuid)))


def delivered(desk: Desk) -> None:
    desk.places()
    desk.has_done(delivering(str(desk.uuid)))


def given_up(desk: Desk) -> None:
    desk.places()
    desk.has_done(failing(str(desk.uuid)))


def killed(desk: Desk) -> None:
    desk.places()
    desk.market.services[0].kill()
    desk.market.services[0].restart()


def _adjust(desk: Desk, kind: Adjustment, amount_cents: int) -> None:
    async def adjusted(connection: SoleConnection) -> None:
        async with connection.transaction():
            await adjust(
                connection, desk.buyer.account_id, kind, amount_cents, reason="r", reference=None, actor="test"
            )

    desk.market.shop.run(adjusted)


def _suspend(desk: Desk, status: AccountStatus) -> None:
    async def moved(connection: SoleConnection) -> None:
        async with connection.transaction():
            await move_account(connection, desk.buyer.account_id, status, "test", "test")

    desk.market.shop.run(moved)


Sending = Callable[[Desk], httpx.Response]

SENDINGS: dict[str, Sending] = {
    "the same again": lambda desk: desk.send(json.dumps(desk.fields), service=1),
    "in multipart": lambda desk: desk.send(multipart_body(form_pairs(desk.fields)), MULTIPART, service=1),
    "urlencoded": lambda desk: desk.send(urlencoded_body(form_pairs(desk.fields)), URLENCODED, service=1),
    "in another spelling": lambda desk: desk.send(_respelled(desk.fields), service=1),
    "another request": lambda desk: desk.send(json.dumps({"plan": "mobile", "bandwidth": 1}), service=1),
    "of another account": lambda desk: desk.send(json.dumps(desk.fields), buyer=desk.market.buyers(1, 100_00)[0]),
    "by a stranger": lambda desk: desk.send(json.dumps(desk.fields), buyer=Buyer(0, "", "nova_nobody")),
}


def _respelled(fields: dict[str, str]) -> str:
    turned: dict[str, Any] = {name: f" {value} " for name, value in reversed(fields.items())}
    return json.dumps({**turned, "discount_code": None, "config": {}}, indent=3)


SAME = ("the same again", "in multipart", "urlencoded", "in another spelling")
KEPT = {
    **dict.fromkeys(SAME, Answer.REPLAYED),
    "another request": Answer.OTHERWISE,
    "of another account": Answer.NEW,
    "by a stranger": Answer.STRANGER,
}
FREE = {
    **dict.fromkeys(["the same again", "another request", "of another account"], Answer.NEW),
    "by a stranger": Answer.STRANGER,
}
TABLE: dict[Callable[[Desk], None], tuple[dict[str, Answer], str | None]] = {
    placed: (KEPT, "pending"),
    placed_at_once: (KEPT, "pending"),
    refused_for_its_form: (FREE, None),
    refused_for_its_type: (FREE, None),
    refused_for_a_field: (FREE, None),
    refused_for_money: (FREE, None),
    refused_while_suspended: (FREE, None),
    failed_inside: (FREE, None),
    ended: (KEPT, "expired"),
    switched_off: (KEPT, "inactive"),
    delivered: (KEPT, "active"),
    given_up: (KEPT, "failed"),
    killed: (KEPT, "pending"),
}
"""What became of the key before: what each sending answers, and how the replayed order stands."""


@pytest.mark.parametrize("before", TABLE, ids=lambda before: before.__name__)
def test_a_key_answers_as_the_table_says(market: Market, before: Callable[[Desk], None]) -> None:
    expected, status = TABLE[before]
    is_kept = expected is KEPT
    for number, name in enumerate(expected):
        # A kept key stands all sendings; a free one is taken by the first of them.
        if number == 0 or not is_kept:
            desk = Desk(market, market.buyers(1, 100_00)[0], {**BY_HAND})
            before(desk)
            orders = market.shop.order_count(desk.buyer)
            balance_cents = market.shop.balance_cents(desk.buyer)
        answer = SENDINGS[name](desk)
        assert _told(answer, desk, status) is expected[name], (name, answer.text)
        is_mine = expected[name] is Answer.NEW and name != "of another account"
        assert market.shop.order_count(desk.buyer) == orders + is_mine
        assert (market.shop.balance_cents(desk.buyer) < balance_cents) == is_mine


def _told(answer: httpx.Response, desk: Desk, status: str | None) -> Answer:
    if answer.status_code == 401:
        return Answer.STRANGER
    if answer.status_code == 422:
        assert answer.headers["X-Error-Code"] == "idempotency_key_reused", answer.text
        return Answer.OTHERWISE
    assert answer.status_code == 201, answer.text
    if "Idempotent-Replayed" not in answer.headers:
        assert answer.json()["uuid"] != desk.uuid
        return Answer.NEW
    assert (answer.json()["uuid"], answer.json()["status"]) == (desk.uuid, status)
    return Answer.REPLAYED
