"""The Idempotency-Key (contract, section 6): one key, one order, whatever has changed since."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any
from uuid import UUID

import httpx
import pytest

from contract import (
    Caller,
    assert_refusal,
    catalog_with,
    nothing_left_behind,
    placed,
)
from metering import pass_bytes_of
from novaproxy.accounts.store import create_token, revoke_token
from novaproxy.database.pool import SoleConnection
from novaproxy.ledger.store import Adjustment, adjust
from shop import Buyer, Shop

KEY_SENTENCE = "The Idempotency-Key header must be 1 to 255 printable ASCII characters."
OTHER_SENTENCE = "The Idempotency-Key was already used with another request."

RESIDENTIAL = {"plan": "residential", "bandwidth": 2}
DATACENTER = {"plan": "datacenter", "duration": "1_week", "config": {"speed": "10", "country": "us"}}


@pytest.fixture
def caller(common_shop: Shop) -> Caller:
    """A buyer of the test's own, so keys are too."""
    return Caller(common_shop, common_shop.buyer())


def replayed(caller: Caller, order: dict[str, Any], response: httpx.Response) -> dict[str, Any]:
    """Assert that *response* replays *order*, and return the order as it is now."""
    again = placed(response)
    assert response.headers["Idempotent-Replayed"] == "true"
    assert again["uuid"] == order["uuid"]
    assert set(again) == set(order)
    assert caller.shop.order_count(caller.buyer) == 1
    return again


def is_another_request(response: httpx.Response) -> None:
    assert_refusal(response, 422, OTHER_SENTENCE, "idempotency_key_reused")


def test_the_same_request_gives_the_same_order_once(caller: Caller) -> None:
    first = caller.in_json(RESIDENTIAL, Idempotency_Key="k")
    order = placed(first)
    assert "Idempotent-Replayed" not in first.headers

    with nothing_left_behind(caller.shop):
        for _ in range(3):
            assert replayed(caller, order, caller.in_json(RESIDENTIAL, Idempotency_Key="k")) == order
    assert caller.shop.balance_cents(caller.buyer) == 100_000_00 - 10_00


def test_without_a_key_each_request_is_an_order(caller: Caller) -> None:
    assert caller.places(RESIDENTIAL)["uuid"] != caller.places(RESIDENTIAL)["uuid"]


@pytest.mark.parametrize(
    "other",
    [
        {"plan": "residential", "bandwidth": 3},
        {"plan": "residential", "bandwidth": "2"},
        {"plan": "mobile", "bandwidth": 2},
        {"plan": "residential", "bandwidth": 2, "discount_code": "TEN"},
        {"plan": "residential", "bandwidth": 2, "duration": "1_day"},
        {"plan": "residential", "bandwidth": 2, "config": {"speed": None}},
        {"plan": "residential", "bandwidth": 2, "weather": "fine"},
        {"plan": "residential", "bandwidth": 2, "payment_gateway_id": 1},
        {"plan": "residential", "bandwidth": 2, "discount_code": "\0"},
        {"plan": "residential", "bandwidth": [2]},
        {"plan": "residential"},
        {"plan": "Residential", "bandwidth": 2},
        {},
    ],
)
def test_another_request_under_the_same_key_is_refused(caller: Caller, other: dict[str, Any]) -> None:
    caller.places(RESIDENTIAL, Idempotency_Key="k")

    with nothing_left_behind(caller.shop):
        is_another_request(caller.in_json(other, Idempotency_Key="k"))


def test_a_repeated_field_makes_another_request(caller: Caller) -> None:
    caller.places(RESIDENTIAL, Idempotency_Key="k")

    with nothing_left_behind(caller.shop):
        is_another_request(caller.send('{"plan": "residential", "bandwidth": 2, "bandwidth": 2}', Idempotency_Key="k"))


def test_a_number_and_its_text_are_different_requests(caller: Caller) -> None:
    caller.places(DATACENTER, Idempotency_Key="k")
    number = {**DATACENTER, "config": {"speed": 10, "country": "us"}}

    with nothing_left_behind(caller.shop):
        is_another_request(caller.in_json(number, Idempotency_Key="k"))


@pytest.mark.parametrize(
    "body",
    [
        '{"bandwidth": 2, "plan": "residential"}',
        '{"plan": "  residential\\n", "bandwidth": 2}',
        '{"plan": "residential", "bandwidth": 2, "duration": null, "config": {}, "discount_code": ""}',
        '{"plan": "residential", "bandwidth": 2, "duration": [], "config": [], "payment_gateway_id": null}',
        '{"pl\\u0061n": "residential", "bandwidth": 2}',
    ],
)
def test_order_blanks_and_absent_fields_do_not_matter(caller: Caller, body: str) -> None:
    order = caller.places(RESIDENTIAL, Idempotency_Key="k")

    with nothing_left_behind(caller.shop):
        replayed(caller, order, caller.send(body, Idempotency_Key="k"))


def test_the_body_format_and_the_order_of_options_do_not_matter(caller: Caller) -> None:
    order = caller.places(DATACENTER, Idempotency_Key="k")
    turned = {"config": {"country": "us", "speed": "10"}, "duration": "1_week", "plan": "datacenter"}
    as_text = {**DATACENTER, "config": json.dumps(turned["config"])}

    with nothing_left_behind(caller.shop):
        for fields in (DATACENTER, turned, as_text):
            for response in caller.in_each_format(fields, Idempotency_Key="k"):
                replayed(caller, order, response)


def test_a_replay_is_the_same_text_to_the_byte(caller: Caller) -> None:
    first, again = (caller.in_json(DATACENTER, Idempotency_Key="k") for _ in range(2))

    assert first.content == again.content


def test_keys_belong_to_their_account(caller: Caller) -> None:
    mine = caller.places(RESIDENTIAL, Idempotency_Key="shared")
    other = Caller(caller.shop, caller.shop.buyer())
    response = other.in_json({"plan": "mobile", "bandwidth": 1}, Idempotency_Key="shared")

    assert placed(response)["uuid"] != mine["uuid"]
    assert "Idempotent-Replayed" not in response.headers


def test_keys_differ_by_case(caller: Caller) -> None:
    assert (
        caller.places(RESIDENTIAL, Idempotency_Key="Key")["uuid"]
        != caller.places(RESIDENTIAL, Idempotency_Key="key")["uuid"]
    )


@pytest.mark.parametrize(
    "refused",
    ["{", "[]", '{"plan": "nope"}', '{"plan": "residential"}', '{"plan": "dear", "bandwidth": 1}', '{"x": 1}'],
)
def test_the_key_of_a_refused_order_is_free_again(caller: Caller, refused: str) -> None:
    assert caller.send(refused, Idempotency_Key="k").status_code in {400, 422}

    response = caller.in_json(RESIDENTIAL, Idempotency_Key="k")

    assert placed(response)["status"] == "active"
    assert "Idempotent-Replayed" not in response.headers


@pytest.mark.parametrize("key", ["k" * 255, " ~".join("!#$%&'()*+,-./:;<=>?@[]^_`{|}"), '"quoted"', "a  b", "0"])
def test_every_printable_key_up_to_255_characters_is_taken(caller: Caller, key: str) -> None:
    order = caller.places(RESIDENTIAL, Idempotency_Key=key)

    replayed(caller, order, caller.in_json(RESIDENTIAL, Idempotency_Key=key))


@pytest.mark.parametrize("key", [b"", b"k" * 256, b"caf\xe9", "schlüssel".encode(), b"a\tb", b"\xff", b"\x80k"])
def test_any_other_key_is_refused(caller: Caller, key: bytes) -> None:
    headers = [(name.encode(), value.encode()) for name, value in caller.buyer.headers.items()]
    with nothing_left_behind(caller.shop):
        for fields in (RESIDENTIAL, {"plan": "nope", "weather": 1}):
            response = caller.shop.http.post("/orders", json=fields, headers=[*headers, (b"Idempotency-Key", key)])
            assert_refusal(response, 422, KEY_SENTENCE, "idempotency_key_not_valid")


def at_once(asks: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """Return the answers to *asks*, all sent at the same moment."""
    barrier = Barrier(len(asks))

    def after_barrier(ask: Callable[[], httpx.Response]) -> httpx.Response:
        barrier.wait(10)
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(after_barrier, asks))


@pytest.mark.parametrize("count", [2, 16])
def test_the_same_request_many_times_at_once_is_one_order(caller: Caller, count: int) -> None:
    for attempt in range(5):
        key = f"k{attempt}"
        answers = at_once([partial(caller.in_json, RESIDENTIAL, Idempotency_Key=key)] * count)

        assert len({placed(answer)["uuid"] for answer in answers}) == 1
        assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert caller.shop.order_count(caller.buyer) == 5
    assert caller.shop.balance_cents(caller.buyer) == 100_000_00 - 5 * 10_00


def test_different_requests_at_once_under_one_key_are_one_order(caller: Caller) -> None:
    requests = [{"plan": "free", "bandwidth": bandwidth_gb} for bandwidth_gb in range(1, 17)]

    answers = at_once([partial(caller.in_json, fields, Idempotency_Key="k") for fields in requests])

    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 15]
    for answer in answers:
        if answer.status_code == 422:
            is_another_request(answer)
    assert caller.shop.order_count(caller.buyer) == 1


def test_the_last_money_buys_one_order_however_often_it_is_asked_for(common_shop: Shop) -> None:
    caller = Caller(common_shop, common_shop.buyer(balance_cents=10_00))

    answers = at_once([partial(caller.in_json, RESIDENTIAL, Idempotency_Key="last")] * 8)

    assert len({placed(answer)["uuid"] for answer in answers}) == 1


# --- whatever has changed since ---------------------------------------------------------------------------------------


def test_a_replay_succeeds_when_the_balance_is_gone(common_shop: Shop) -> None:
    caller = Caller(common_shop, common_shop.buyer(balance_cents=10_00))
    order = caller.places(RESIDENTIAL, Idempotency_Key="k")

    assert replayed(caller, order, caller.in_json(RESIDENTIAL, Idempotency_Key="k")) == order


def test_a_replay_succeeds_when_the_limit_of_orders_is_reached(caller: Caller) -> None:
    fields = {"plan": "limited", "bandwidth": 1}
    orders = [caller.places(fields, Idempotency_Key=f"k{number}") for number in range(2)]

    for number, order in enumerate(orders):
        again = placed(caller.in_json(fields, Idempotency_Key=f"k{number}"))
        assert again == order


def test_a_replay_succeeds_when_the_code_was_used(caller: Caller) -> None:
    fields = RESIDENTIAL | {"discount_code": "ONCE"}
    order = caller.places(fields, Idempotency_Key="k")

    assert replayed(caller, order, caller.in_json(fields, Idempotency_Key="k")) == order


def test_a_replay_keeps_the_price_when_the_catalog_changes(shop: Shop) -> None:
    caller = Caller(shop, shop.buyer())
    fields = {"plan": "mobile", "bandwidth": 3, "discount_code": "TEN"}
    order = caller.places(fields, Idempotency_Key="k")
    dearer = catalog_with().replace("price_per_gb: 8.00", "price_per_gb: 80.00").replace("TEN,", "ELEVEN,")
    switched_off = dearer.replace("name: Mobile", "name: Mobile\n    active: false")

    for text in (dearer, switched_off, "currency: USD\nplans: []\n"):
        shop.apply_catalog(text)
        with nothing_left_behind(shop):
            again = replayed(caller, order, caller.in_json(fields, Idempotency_Key="k"))
            assert again["price"] == order["price"]
            assert again["expires_at"] == order["expires_at"]
    shop.apply_catalog(catalog_with())


def test_a_replay_succeeds_with_the_next_token(caller: Caller) -> None:
    order = caller.places(RESIDENTIAL, Idempotency_Key="k")

    async def replaced(connection: SoleConnection) -> str:
        async with connection.transaction():
            token = await create_token(connection, caller.buyer.account_id, None)
            await revoke_token(connection, caller.buyer.account_id, "default")
        return token

    renewed = Caller(caller.shop, Buyer(caller.buyer.account_id, caller.buyer.email, caller.shop.run(replaced)))

    assert replayed(renewed, order, renewed.in_json(RESIDENTIAL, Idempotency_Key="k")) == order
    assert_refusal(caller.in_json(RESIDENTIAL, Idempotency_Key="k"), 401, "Unauthenticated.", "unauthenticated")


def test_a_replay_shows_the_order_as_it_is_now(caller: Caller) -> None:
    fields = {"plan": "mobile", "bandwidth": 1}
    order = caller.places(fields, Idempotency_Key="k")
    uuid = UUID(order["uuid"])
    pass_bytes_of(caller.shop, order["uuid"], 1000)
    caller.shop.sql("UPDATE orders SET expires_at = '2020-01-01T00:00:00Z' WHERE uuid = $1", uuid)

    again = replayed(caller, order, caller.in_json(fields, Idempotency_Key="k"))

    assert again["status"] == "expired"
    assert again["expires_at"] == "2020-01-01T00:00:00Z"
    assert again["consumed_bandwidth_in_bytes"] == 1000


def test_a_replay_takes_nothing_from_money_that_came_since(caller: Caller) -> None:
    order = caller.places(RESIDENTIAL, Idempotency_Key="k")

    async def credited(connection: SoleConnection) -> None:
        async with connection.transaction():
            await adjust(
                connection,
                caller.buyer.account_id,
                Adjustment.CREDIT,
                50_00,
                reason="more",
                reference=None,
                actor="test",
            )

    caller.shop.run(credited)
    with nothing_left_behind(caller.shop):
        replayed(caller, order, caller.in_json(RESIDENTIAL, Idempotency_Key="k"))
