"""``GET /orders/{uuid}/usage``: rows and sums, which are the order's consumed bytes to the last one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contract import assert_refusal
from shop import Buyer, Shop
from usages import Hour, settle, usage_of

LARGE = 3 * 2**40
NOTHING = {"bytes_up": 0, "bytes_down": 0, "bytes_lost": 0, "bytes": 0, "connections": 0, "refusals": {}}


@pytest.fixture(scope="module")
def buyer(common_shop: Shop) -> Buyer:
    return common_shop.buyer()


def new_order(shop: Shop, buyer: Buyer) -> str:
    uuid = str(shop.order(buyer, plan="free", bandwidth=8_192).json()["uuid"])
    # Old enough for whatever was used.
    placed_at = datetime(2026, 1, 1, 10, tzinfo=UTC)
    shop.sql("UPDATE orders SET created_at = $2, updated_at = $2 WHERE uuid = $1", UUID(uuid), placed_at)
    return uuid


@pytest.fixture
def used(common_shop: Shop, buyer: Buyer) -> str:
    """An order that was used on two days of January."""
    uuid = new_order(common_shop, buyer)
    settle(
        common_shop,
        uuid,
        Hour("2026-01-04T21:00:00Z", 100, 2_000, 0, 3, {"no_exit": 2, "wrong_port": 1}),
        Hour("2026-01-04T23:00:00Z", 1, LARGE, 0, 1),
        Hour("2026-01-05T00:00:00Z", refusals={"no_exit": 5}),
        Hour("2026-01-05T01:00:00Z", 0, 0, 4_096),
        # A tunnel that was opened before and moved nothing.
        Hour("2026-01-05T02:00:00Z"),
    )
    return uuid


def test_usage_by_the_hour_has_a_row_for_each_hour_in_which_there_was_any(
    common_shop: Shop, buyer: Buyer, used: str
) -> None:
    answer = usage_of(common_shop, buyer, used, from_="2026-01-04T21:00:00Z", to="2026-01-05T03:00:00Z")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "interval": "hour",
        "from": "2026-01-04T21:00:00Z",
        "to": "2026-01-05T03:00:00Z",
        "rows": [
            NOTHING
            | {"from": "2026-01-04T21:00:00Z", "bytes_up": 100, "bytes_down": 2_000, "bytes": 2_100}
            | {"connections": 3, "refusals": {"no_exit": 2, "wrong_port": 1}},
            NOTHING
            | {"from": "2026-01-04T23:00:00Z", "bytes_up": 1, "bytes_down": LARGE, "bytes": LARGE + 1}
            | {"connections": 1},
            NOTHING | {"from": "2026-01-05T00:00:00Z", "refusals": {"no_exit": 5}},
            NOTHING | {"from": "2026-01-05T01:00:00Z", "bytes_lost": 4_096, "bytes": 4_096},
        ],
        "totals": {
            "bytes_up": 101,
            "bytes_down": LARGE + 2_000,
            "bytes_lost": 4_096,
            "bytes": LARGE + 6_197,
            "connections": 4,
            "refusals": {"no_exit": 7, "wrong_port": 1},
        },
    }


def test_usage_by_the_day_sums_the_hours_of_a_utc_day(common_shop: Shop, buyer: Buyer, used: str) -> None:
    shown = usage_of(common_shop, buyer, used, interval="day", from_="2026-01-03", to="2026-01-07").json()

    assert [(row["from"], row["bytes"], row["connections"], row["refusals"]) for row in shown["rows"]] == [
        ("2026-01-04T00:00:00Z", LARGE + 2_101, 4, {"no_exit": 2, "wrong_port": 1}),
        ("2026-01-05T00:00:00Z", 4_096, 0, {"no_exit": 5}),
    ]
    assert shown["totals"]["bytes"] == LARGE + 6_197


def test_a_range_takes_its_first_hour_and_leaves_its_last(common_shop: Shop, buyer: Buyer, used: str) -> None:
    shown = usage_of(common_shop, buyer, used, from_="2026-01-04T21:00:00Z", to="2026-01-04T23:00:00Z").json()
    assert [row["from"] for row in shown["rows"]] == ["2026-01-04T21:00:00Z"]

    shown = usage_of(common_shop, buyer, used, from_="2026-01-04T22:00:00Z", to="2026-01-05T00:00:00Z").json()
    assert [row["from"] for row in shown["rows"]] == ["2026-01-04T23:00:00Z"]
    assert shown["totals"]["refusals"] == {}


def test_all_days_since_the_order_sum_to_what_it_consumed(common_shop: Shop, buyer: Buyer, used: str) -> None:
    now = datetime.now(UTC)
    settle(common_shop, used, Hour(f"{now:%Y-%m-%dT%H}:00:00Z", 7, 11))
    settle(common_shop, used, Hour("2026-01-01T10:00:00Z", 13, 17))
    order = common_shop.http.get(f"/orders/{used}", headers=buyer.headers).json()

    shown = usage_of(common_shop, buyer, used, interval="day").json()

    assert shown["from"] == "2026-01-01T00:00:00Z"
    assert shown["totals"]["bytes"] == sum(row["bytes"] for row in shown["rows"])
    assert shown["totals"]["bytes"] == order["consumed_bandwidth_in_bytes"] == LARGE + 6_197 + 18 + 30


def test_the_last_day_by_the_hour_is_what_is_shown_unasked(common_shop: Shop, buyer: Buyer) -> None:
    uuid = new_order(common_shop, buyer)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    settle(common_shop, uuid, *(Hour((now - timedelta(hours=ago)).isoformat(), 1) for ago in (0, 1, 20, 26)))

    shown = usage_of(common_shop, buyer, uuid).json()

    assert shown["interval"] == "hour"
    # The hour may have turned meanwhile.
    assert shown["totals"]["bytes"] == 3
    covered = datetime.fromisoformat(shown["to"]) - datetime.fromisoformat(shown["from"])
    assert covered == timedelta(hours=24)
    assert datetime.fromisoformat(shown["to"]) > now


def test_an_order_that_was_never_used_has_no_rows(common_shop: Shop, buyer: Buyer) -> None:
    shown = usage_of(common_shop, buyer, new_order(common_shop, buyer), interval="day").json()

    assert (shown["rows"], shown["totals"]) == ([], NOTHING)


def test_an_order_shows_its_own_usage_alone(common_shop: Shop, buyer: Buyer, used: str) -> None:
    other = new_order(common_shop, buyer)
    settle(common_shop, other, Hour("2026-01-04T21:00:00Z", 5))

    assert usage_of(common_shop, buyer, other, interval="day").json()["totals"]["bytes"] == 5
    assert usage_of(common_shop, buyer, used, interval="day").json()["totals"]["bytes"] == LARGE + 6_197


def test_the_longest_answer_has_a_thousand_rows(common_shop: Shop, buyer: Buyer) -> None:
    uuid = new_order(common_shop, buyer)
    common_shop.sql(
        "INSERT INTO usage_hour (order_id, hour, account_id, up_bytes) "
        "SELECT orders.id, hour, account_id, 3 FROM orders, "
        "generate_series('2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', interval '1 hour') AS hour "
        "WHERE uuid = $1",
        UUID(uuid),
    )
    common_shop.sql(
        "UPDATE meter SET consumed_bytes = (SELECT sum(up_bytes) FROM usage_hour WHERE order_id = meter.order_id) "
        "WHERE order_id = (SELECT id FROM orders WHERE uuid = $1)",
        UUID(uuid),
    )

    shown = usage_of(common_shop, buyer, uuid, from_="2025-01-01", to="2025-02-11T16:00:00Z").json()

    assert (len(shown["rows"]), shown["totals"]["bytes"]) == (1_000, 3_000)


@pytest.mark.parametrize(
    ("query", "sentence", "code"),
    [
        ({"interval": "week"}, "The interval must be one of: hour, day.", "interval_unknown"),
        (
            {"from_": "yesterday"},
            "The from must be a time such as 2026-01-04T21:00:00Z, or a date such as 2026-01-04.",
            "instant_not_valid",
        ),
        (
            {"to": "2026-01-04T21:00:00+01:00 "},
            "The to must be a time such as 2026-01-04T21:00:00Z, or a date such as 2026-01-04.",
            "instant_not_valid",
        ),
        ({"from_": "2026-01-05", "to": "2026-01-04"}, "The from must be before the to.", "range_empty"),
        ({"from_": "2025-01-05", "to": "2026-01-04"}, "The range must be at most 1000 hours.", "range_too_long"),
        (
            {"from_": "2020-01-05", "to": "2026-01-04", "interval": "day"},
            "The range must be at most 1000 days.",
            "range_too_long",
        ),
    ],
)
def test_a_range_that_cannot_be_told_is_refused(
    common_shop: Shop, buyer: Buyer, used: str, query: dict[str, str], sentence: str, code: str
) -> None:
    assert_refusal(usage_of(common_shop, buyer, used, **query), 422, sentence, code)


@pytest.mark.parametrize("name", ["from", "to", "interval"])
@pytest.mark.parametrize(
    "odd", ["%00", "%ff", "%27%3B--", "1e400", "9" * 5_000, "\u202e", "%F0%9F%92%A9", "[]", "null"]
)
def test_odd_bytes_in_a_query_are_only_refused(common_shop: Shop, buyer: Buyer, used: str, name: str, odd: str) -> None:
    answer = common_shop.http.get(f"/orders/{used}/usage?{name}={odd}", headers=buyer.headers)

    assert answer.status_code == 422
    assert answer.headers["X-Error-Code"] == ("interval_unknown" if name == "interval" else "instant_not_valid")


def test_parameters_that_are_not_described_are_ignored(common_shop: Shop, buyer: Buyer, used: str) -> None:
    assert usage_of(common_shop, buyer, used, limit="0", color="red").status_code == 200


def test_somebody_elses_usage_is_the_same_404_as_none(common_shop: Shop, used: str) -> None:
    stranger = common_shop.buyer()
    for uuid in (used, "9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f", "1", "x"):
        for query in ({}, {"interval": "week"}):
            answer = usage_of(common_shop, stranger, uuid, **query)
            assert_refusal(answer, 404, "Order not found.", "order_not_found")


def test_who_has_no_token_is_told_so_before_anything_else(common_shop: Shop, used: str) -> None:
    answer = common_shop.http.get(f"/orders/{used}/usage?interval=week")
    assert_refusal(answer, 401, "Unauthenticated.", "unauthenticated")
