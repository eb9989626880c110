"""Decisions on a batch: one order after the other, and on one order the checks in the contract's order."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from novaproxy.catalog.listing import Listing
from novaproxy.catalog.model import Delivery
from novaproxy.money import AMOUNT_CEILING_CENTS
from novaproxy.orders.batch import Accepted, Ledgers, Replay, decide_batch
from novaproxy.orders.model import Ask, Customer, OrderStatus
from novaproxy.orders.request import KeyNotValid, request_hash
from novaproxy.orders.rules import InsufficientBalance, OrderLimitReached
from rule_cases import (
    NOW,
    Uuids,
    accepted,
    ask,
    code,
    customer,
    decided,
    duration,
    ledgers,
    listed,
    measured,
    select,
    sent,
    time,
    told,
    traffic,
)

SHORT = "Insufficient balance."
FULL = "You have reached the maximum number of orders for this plan."
USED_UP = "The discount code has been used up."
ALREADY = "You have already used this discount code."
FIRST_ONLY = "The discount code is for a first order only."
OTHERWISE = "The Idempotency-Key was already used with another request."

SHOP = listed(traffic((2, "5.00"), (10, "4.00")), code())


def buy(gb: int = 2, key: str | None = None, **more: object) -> Ask:
    return ask(key, plan="traffic", bandwidth=gb, **more)


def state(one: Customer) -> tuple[object, ...]:
    return one.balance_cents, one.ledger_version, dict(one.plan_orders), dict(one.code_uses), dict(one.keys)


def told_by(asks: list[Ask], books: Ledgers, shop: Listing = SHOP) -> list[str]:
    return [told(decision) for decision in decided(asks, books, shop)]


def test_two_orders_of_one_account_cannot_spend_the_same_balance() -> None:
    buyer = customer(15_00)
    first, second = decided([buy(), buy()], ledgers([1, 1], buyer), SHOP)
    assert accepted(first).balance_after_cents == 5_00
    assert told(second) == SHORT
    assert buyer.balance_cents == 5_00


def test_a_balance_that_is_just_enough_is_enough() -> None:
    assert told_by([buy()], ledgers([1], customer(10_00))) == ["Accepted"]
    assert told_by([buy()], ledgers([1], customer(9_99))) == [SHORT]


def test_what_is_written_down_of_an_order() -> None:
    buyer = customer(100_00)
    (decision,) = decided([buy(12, "k", discount_code="ten")], ledgers([1], buyer, uses={7: 0}), SHOP)
    order = accepted(decision)
    assert (order.terms.gross_cents, order.terms.discount_cents, order.terms.net_cents) == (48_00, 4_80, 43_20)
    assert (order.terms.bandwidth_gb, order.terms.term, order.terms.discount_code_id) == (12, None, 7)
    assert (order.uuid, order.account_id, order.idempotency_key) == (UUID(int=1), 1, "k")
    assert order.request_hash == request_hash(sent(plan="traffic", bandwidth=12, discount_code="ten"))
    assert (order.ledger_version, order.balance_after_cents) == (4, 56_80)
    assert state(buyer) == (56_80, 4, {1: 1}, {7: 1}, {"k": (UUID(int=1), order.request_hash)})


def test_without_a_key_no_hash_is_kept() -> None:
    buyer = customer()
    (decision,) = decided([buy()], ledgers([1], buyer), SHOP)
    assert (accepted(decision).idempotency_key, accepted(decision).request_hash) == (None, None)
    assert buyer.keys == {}


def test_ledger_versions_have_no_gap_and_the_versions_before_are_remembered() -> None:
    books = ledgers([1, 1, 2, 1], customer(), customer(account_id=2))
    orders = [accepted(decision) for decision in decided([buy()] * 4, books, SHOP)]
    assert [order.ledger_version for order in orders] == [4, 5, 4, 6]
    assert [order.balance_after_cents for order in orders] == [90_00, 80_00, 90_00, 70_00]
    assert books.versions_before == {1: 3, 2: 3}


def test_a_refused_order_between_two_changes_nothing() -> None:
    limited = msgspec.structs.replace(code(), max_uses=2)
    shop = listed(traffic((2, "5.00")), limited)
    with_refused, without = customer(25_00), customer(25_00)
    one = ledgers([1, 1, 1], with_refused, uses={7: 0})
    asks = [buy(key="a", discount_code="TEN"), buy(9, "b", discount_code="TEN"), buy(key="c", discount_code="TEN")]
    assert told_by(asks, one, shop) == ["Accepted", SHORT, "Accepted"]
    other = ledgers([1, 1], without, uses={7: 0})
    assert told_by([asks[0], asks[2]], other, shop) == ["Accepted", "Accepted"]
    assert state(with_refused)[:4] == state(without)[:4]
    assert one.uses_by_code == other.uses_by_code == {7: 2}
    assert set(with_refused.keys) == {"a", "c"}


def test_a_key_of_a_refused_order_is_free_again_in_the_same_batch() -> None:
    buyer = customer(10_00)
    assert told_by([buy(9, "k"), buy(2, "k")], ledgers([1, 1], buyer)) == [SHORT, "Accepted"]


def test_the_same_key_twice_in_a_batch_is_one_order() -> None:
    buyer = customer()
    first, second = decided([buy(key="k"), buy(key="k")], ledgers([1, 1], buyer), SHOP)
    assert second == Replay(1, accepted(first).uuid)
    assert buyer.balance_cents == 90_00


def test_the_same_key_with_another_request_in_a_batch_is_refused() -> None:
    buyer = customer()
    assert told_by([buy(2, "k"), buy(3, "k"), buy(2, "k")], ledgers([1] * 3, buyer)) == [
        "Accepted",
        OTHERWISE,
        "Replay",
    ]
    assert buyer.balance_cents == 90_00


def test_two_accounts_may_use_the_same_key() -> None:
    books = ledgers([1, 2], customer(), customer(account_id=2))
    assert told_by([buy(key="k"), buy(3, "k")], books) == ["Accepted", "Accepted"]


def test_a_replay_comes_before_every_other_check() -> None:
    buyer = customer(0)
    digest = request_hash(sent(plan="gone", bandwidth=2))
    assert digest is not None
    buyer.keys["k"] = (UUID(int=99), digest)
    before = state(buyer)
    books = ledgers([1, 1, 1], buyer)
    asks = [ask("k", plan="gone", bandwidth=2), ask("k", plan="gone", bandwidth=2, x=1), ask("k", plan="gone")]
    replayed, *others = decided(asks, books, listed())
    assert replayed == Replay(1, UUID(int=99))
    assert [told(other) for other in others] == [OTHERWISE, OTHERWISE]
    assert state(buyer) == before


def test_a_bad_key_is_told_before_the_body_and_after_the_token() -> None:
    bad = Ask(b"", None, sent(nonsense=1), KeyNotValid())
    buyer = customer()
    assert told_by([bad, bad], ledgers([None, 1], buyer)) == [
        "Unauthenticated.",
        "The Idempotency-Key header must be 1 to 255 printable ASCII characters.",
    ]


def test_nobody_is_refused_and_stops_nobody() -> None:
    assert told_by([buy(), buy(), buy()], ledgers([None, 1, None], customer())) == [
        "Unauthenticated.",
        "Accepted",
        "Unauthenticated.",
    ]


def test_the_uses_of_a_code_are_counted_within_a_batch_over_all_accounts() -> None:
    shop = listed(traffic(), msgspec.structs.replace(code(), max_uses=3))
    books = ledgers([1, 2, 1, 2], customer(), customer(account_id=2), uses={7: 1})
    assert told_by([buy(discount_code="TEN")] * 4, books, shop) == ["Accepted", "Accepted", USED_UP, USED_UP]
    assert books.uses_by_code == {7: 3}


def test_the_uses_of_a_code_by_an_account_are_counted_within_a_batch() -> None:
    shop = listed(traffic(), msgspec.structs.replace(code(), max_uses_per_account=1))
    books = ledgers([1, 1, 2], customer(), customer(account_id=2), uses={7: 5})
    assert told_by([buy(discount_code="TEN")] * 3, books, shop) == ["Accepted", ALREADY, "Accepted"]
    assert books.customers[1].code_uses == {7: 1}


def test_an_account_may_use_a_code_as_often_as_its_limit_says() -> None:
    shop = listed(traffic(), msgspec.structs.replace(code(), max_uses_per_account=3))
    buyer = customer()
    buyer.code_uses[7] = 1
    assert told_by([buy(discount_code="TEN")] * 3, ledgers([1] * 3, buyer, uses={7: 0}), shop) == [
        "Accepted",
        "Accepted",
        ALREADY,
    ]


def test_a_first_order_in_the_same_batch_is_an_earlier_order() -> None:
    shop = listed(traffic(), msgspec.structs.replace(code(), first_order_only=True))
    books = ledgers([1, 1], customer(), uses={7: 0})
    assert told_by([buy(discount_code="TEN")] * 2, books, shop) == ["Accepted", FIRST_ONLY]


def test_an_earlier_order_of_any_plan_counts_and_a_failed_one_does_not() -> None:
    shop = listed(traffic(), msgspec.structs.replace(code(), first_order_only=True))
    for counted, expected in (({9: 1}, FIRST_ONLY), ({9: 0}, "Accepted"), ({9: 0, 10: 2}, FIRST_ONLY)):
        buyer = customer()
        buyer.plan_orders.update(counted)
        assert told_by([buy(discount_code="TEN")], ledgers([1], buyer, uses={7: 0}), shop) == [expected]


def test_the_order_limit_counts_within_a_batch_and_by_plan() -> None:
    shop = listed(traffic(limit=2), traffic(slug="other", plan_id=2, limit=1))
    buyer = customer()
    buyer.plan_orders.update({1: 1, 3: 9})
    asks = [buy(1), buy(1), ask(plan="other", bandwidth=1), ask(plan="other", bandwidth=1)]
    assert told_by(asks, ledgers([1] * 4, buyer), shop) == ["Accepted", FULL, "Accepted", FULL]
    assert buyer.plan_orders == {1: 2, 2: 1, 3: 9}


def test_a_net_of_0_passes_on_an_empty_balance_and_makes_no_entry() -> None:
    shop = listed(
        traffic((1, "5"), slug="traffic"), traffic((1, "0"), slug="free", plan_id=2), code("ALL", percent_e2=100_00)
    )
    buyer = customer(0)
    books = ledgers([1, 1], buyer, uses={7: 0})
    orders = decided([ask(plan="free", bandwidth=1), buy(1, discount_code="ALL")], books, shop)
    assert [accepted(order).ledger_version for order in orders] == [None, None]
    assert state(buyer) == (0, 3, {2: 1, 1: 1}, {7: 1}, {})


def test_one_cent_makes_an_entry() -> None:
    buyer = customer(1)
    (decision,) = decided([ask(plan="traffic", bandwidth=1)], ledgers([1], buyer), listed(traffic((1, "0.01"))))
    assert accepted(decision).ledger_version == 4
    assert buyer.balance_cents == 0


def test_a_discount_of_0_00_still_uses_the_code() -> None:
    shop = listed(traffic((1, "0")), msgspec.structs.replace(code(), max_uses=1))
    books = ledgers([1, 1], customer(), uses={7: 0})
    assert told_by([buy(1, discount_code="TEN")] * 2, books, shop) == ["Accepted", USED_UP]


@pytest.mark.parametrize(("gb", "expected"), [(1, "Accepted"), (2, SHORT)])
def test_a_gross_above_the_ceiling_is_insufficient_balance_whatever_is_taken_off(gb: int, expected: str) -> None:
    shop = listed(traffic((1, "9999999999.99")), code("ALL", percent_e2=100_00))
    books = ledgers([1], customer(AMOUNT_CEILING_CENTS), uses={7: 0})
    assert told_by([buy(gb, discount_code="ALL")], books, shop) == [expected]


def test_a_gross_one_cent_above_the_ceiling_is_refused() -> None:
    shop = listed(traffic((1, "9999999999.99")), traffic((1, "10000000000"), slug="dearer", plan_id=2))
    books = ledgers([1, 1], customer(AMOUNT_CEILING_CENTS + 100), customer(account_id=2))
    assert told_by([ask(plan="dearer", bandwidth=1), buy(1)], books, shop) == [SHORT, "Accepted"]


@pytest.mark.parametrize("spelled", ["TEN", "ten", "tEn", " TEN "])
def test_a_code_is_matched_without_case(spelled: str) -> None:
    assert told_by([buy(discount_code=spelled)], ledgers([1], customer(), uses={7: 0})) == ["Accepted"]
    mixed = listed(traffic(), code("Ten"))
    assert told_by([buy(discount_code=spelled)], ledgers([1], customer(), uses={7: 0}), mixed) == ["Accepted"]


@pytest.mark.parametrize("unknown", ["TENN", "T\u00cbN", "10"])
def test_an_unknown_code_is_never_ignored(unknown: str) -> None:
    assert told_by([buy(discount_code=unknown)], ledgers([1], customer(), uses={7: 0})) == [
        "The discount code is not valid."
    ]


def test_letters_that_only_look_alike_without_case_are_other_letters() -> None:
    # The Kelvin sign in lower case is the letter k.
    shop = listed(traffic(), code("K"))
    assert told_by([buy(discount_code="\u212a")], ledgers([1], customer(), uses={7: 0}), shop) == [
        "The discount code is not valid."
    ]


def test_a_code_that_was_not_read_is_not_redeemed() -> None:
    assert told_by([buy(discount_code="TEN")], ledgers([1], customer(), uses={})) == ["The discount code is not valid."]


@pytest.mark.parametrize("asked", [10, True, ["TEN"], {"code": "TEN"}])
def test_a_code_is_text(asked: object) -> None:
    assert told_by([buy(discount_code=asked)], ledgers([1], customer(), uses={7: 0})) == [
        "The discount_code field must be a string."
    ]


def test_the_code_is_tried_at_the_batchs_own_time() -> None:
    shop = listed(traffic(), msgspec.structs.replace(code(), starts_at=NOW, ends_at=NOW + timedelta(microseconds=1)))
    assert told_by([buy(discount_code="TEN")], ledgers([1], customer(), uses={7: 0}), shop) == ["Accepted"]
    late = decide_batch(
        [buy(discount_code="TEN")],
        ledgers([1], customer(), uses={7: 0}),
        shop,
        NOW + timedelta(microseconds=1),
        lambda _: UUID(int=1),
    )
    assert [told(decision) for decision in late] == ["The discount code has expired."]


def test_manual_delivery_is_pending_and_the_gateways_active() -> None:
    by_hand = msgspec.structs.replace(traffic(slug="by-hand", plan_id=2), delivery=Delivery.MANUAL)
    asks = [buy(1), ask(plan="by-hand", bandwidth=1)]
    orders = decided(asks, ledgers([1, 1], customer()), listed(traffic(), by_hand))
    assert [accepted(order).terms.status for order in orders] == [OrderStatus.ACTIVE, OrderStatus.PENDING]


def test_the_term_is_the_duration_or_the_plans_validity() -> None:
    valid = msgspec.structs.replace(traffic(), validity="90_days")
    asks = [buy(1), ask(plan="time", duration="1_week")]
    orders = [accepted(order) for order in decided(asks, ledgers([1, 1], customer()), listed(valid, time(duration())))]
    assert [order.terms.term for order in orders] == ["90_days", "1_week"]
    assert [order.terms.bandwidth_gb for order in orders] == [1, None]
    assert [order.terms.gross_cents for order in orders] == [5_00, 9_00]


def test_every_ask_has_its_decision_and_each_order_a_uuid_of_its_own() -> None:
    uuids = Uuids()
    books = ledgers([1, None, 1], customer())
    decisions = decide_batch([buy(), buy(), buy()], books, SHOP, NOW, uuids)
    assert [decision.uuid for decision in decisions if isinstance(decision, Accepted)] == [UUID(int=1), UUID(int=2)]
    assert uuids.made == 2
    with pytest.raises(ValueError, match="zip"):
        decide_batch([buy()], ledgers([1, 1], customer()), SHOP, NOW, uuids)


WEEK = duration(
    "1_week", "9.00", measured("speed", "0.10", minimum="2", maximum="100", step="2"), select("country", ("us", "1"))
)
OFF = msgspec.structs.replace(time(WEEK, slug="off", plan_id=8), active=False)
OFF_TRAFFIC = msgspec.structs.replace(traffic(slug="off-traffic", plan_id=9), active=False)
DEAR = time(duration("1_day", "500.00"), slug="dear", plan_id=6)

# Each line mends exactly what the line before it was refused for, so each sentence comes before all that follow it.
DURATION_ORDER: list[tuple[dict[str, object], str]] = [
    (
        {"payment_gateway_id": 1},
        "The payment_gateway_id field must not be sent. Orders are charged to the account balance.",
    ),
    ({"payment_gateway_id": None}, "Unknown field 'x'."),
    ({"x": ...}, "The plan field is required."),
    ({"plan": 5}, "The plan field must be a string."),
    ({"plan": "Off"}, "Plan 'Off' not found."),
    ({"plan": "off"}, "The duration field is required."),
    ({"duration": 1}, "The duration field must be a string."),
    ({"duration": "week"}, "Invalid duration format 'week'. Expected e.g. '30_days', '1_day', '20_minutes'."),
    ({"duration": "7_days"}, "Duration '7_days' is not available for plan 'off'."),
    ({"duration": "1_week"}, "The config field is required for this plan duration."),
    ({"config": [1]}, "The config field must be an object."),
    ({"config": {"x": 1, "country": "de"}}, "Missing config value for option 'speed'."),
    (
        {"config": {"x": 1, "country": "de", "speed": "fast"}},
        "Option 'x' does not exist for the selected plan duration.",
    ),
    ({"config": {"country": "de", "speed": "fast"}}, "Value for option 'speed' must be numeric."),
    ({"config": {"country": "de", "speed": 1}}, "Value for option 'speed' must be at least 2."),
    ({"config": {"country": "de", "speed": 101}}, "Value for option 'speed' must be at most 100."),
    ({"config": {"country": "de", "speed": 3}}, "Value for option 'speed' must be a multiple of 2."),
    ({"config": {"country": "de", "speed": 4}}, "Invalid value for option 'country'."),
    ({"config": {"country": "us", "speed": 4}}, "The selected plan is not active."),
    ({"plan": "dear", "duration": "1_day", "config": None}, "The entered bandwidth is not valid."),
    ({"bandwidth": None}, "The discount_code field must be a string."),
    ({"discount_code": "NONE"}, "The discount code is not valid."),
    ({"discount_code": "TEN"}, SHORT),
]


def test_the_checks_of_a_duration_order_come_in_the_contracts_order() -> None:
    shop = listed(OFF, OFF_TRAFFIC, DEAR, code())
    request: dict[str, object] = {"x": None, "discount_code": 5, "bandwidth": "much"}
    for mended, expected in DURATION_ORDER:
        request = {name: value for name, value in {**request, **mended}.items() if value is not ...}
        buyer = customer()
        books = ledgers([1], buyer, uses={7: 0})
        assert told_by([ask("k", **request)], books, shop) == [expected], request
        assert state(buyer) == (100_00, 3, {}, {}, {})
        assert books.uses_by_code == {7: 0}


BANDWIDTH_ORDER: list[tuple[dict[str, object], str]] = [
    ({"duration": "1_day"}, "Duration '1_day' is not available for plan 'off-traffic'."),
    ({"duration": None}, "Option 'speed' does not exist for the selected plan duration."),
    ({"config": None}, "The selected plan is not active."),
    ({"plan": "full"}, "The bandwidth field is required."),
    ({"bandwidth": 1}, "The entered bandwidth is not valid."),
    ({"bandwidth": 2}, FULL),
    ({"plan": "traffic"}, "The discount code has expired."),
    ({"discount_code": ""}, SHORT),
]


def test_the_checks_of_a_bandwidth_order_come_in_the_contracts_order() -> None:
    full = traffic((2, "500"), slug="full", plan_id=3, limit=1)
    shop = listed(OFF_TRAFFIC, full, traffic((2, "500")), msgspec.structs.replace(code(), ends_at=NOW))
    request: dict[str, object] = {"plan": "off-traffic", "config": {"speed": 1}, "discount_code": "TEN"}
    for mended, expected in BANDWIDTH_ORDER:
        request |= mended
        buyer = customer()
        buyer.plan_orders[3] = 1
        assert told_by([ask(None, **request)], ledgers([1], buyer, uses={7: 0}), shop) == [expected], request


def test_a_full_plan_and_a_short_balance_have_codes_that_clients_rely_on() -> None:
    assert (OrderLimitReached().status, OrderLimitReached().code) == (422, "order_limit_reached")
    assert (InsufficientBalance().status, InsufficientBalance().code) == (422, "insufficient_balance")


def test_a_limit_of_0_lets_nothing_through() -> None:
    assert told_by([buy(1)], ledgers([1], customer()), listed(traffic(limit=0))) == [FULL]
    for limited, expected in (({"max_uses": 0}, USED_UP), ({"max_uses_per_account": 0}, ALREADY)):
        shop = listed(traffic(), msgspec.structs.replace(code(), **limited))
        assert told_by([buy(1, discount_code="TEN")], ledgers([1], customer(), uses={7: 0}), shop) == [expected]
