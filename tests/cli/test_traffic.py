"""``novaproxy order usage`` and ``order whitelist`` by the real command."""

import pytest

from commands import Operator
from listings import CATALOG, Lister, lister
from shop import Shop
from terminals import at_terminal
from usages import Hour, settle

NOBODYS = "0190f3a0-7c3e-7d3a-9d3e-3f1f0e6f4b52"
HOURS = (
    Hour("2026-01-04T21:00:00Z", 48_112, 1_730_556, 0, 12, {"no_exit": 2}),
    Hour("2026-01-04T22:00:00Z", 1, 2, 4_096, 1, {"no_exit": 1, "wrong_port": 1}),
    Hour("2026-01-05T00:00:00Z", 1_000, 900_000_000_000, 0, 123_456),
)
RANGE = ("--from", "2026-01-04", "--to", "2026-01-06")


@pytest.fixture(scope="module")
def listing_shop(common_shop: Shop) -> Shop:
    common_shop.apply_catalog(CATALOG)
    return common_shop


@pytest.fixture
def one(listing_shop: Shop) -> Lister:
    return lister(listing_shop)


@pytest.fixture(scope="module")
def used(listing_shop: Shop) -> str:
    """An order of 1024 GB that was used."""
    uuid = str(listing_shop.order(listing_shop.buyer(), plan="free", bandwidth=1_024).json()["uuid"])
    settle(listing_shop, uuid, *HOURS)
    return uuid


def test_usage_is_a_table_with_its_sum(common_operator: Operator, used: str) -> None:
    by_hour, by_day = common_operator.all(
        ("order", "usage", used, *RANGE), ("order", "usage", used, "--interval", "day", *RANGE)
    )

    assert [line.split() for line in by_hour.said.splitlines()] == [
        ["hour", "bytes", "up", "bytes", "down", "bytes", "lost", "bytes", "connections", "refusals"],
        ["2026-01-04", "21:00:00", "UTC", "48112", "1730556", "0", "1778668", "12", "2"],
        ["2026-01-04", "22:00:00", "UTC", "1", "2", "4096", "4099", "1", "2"],
        ["2026-01-05", "00:00:00", "UTC", "1000", "900000000000", "0", "900000001000", "123456", "0"],
        ["together", "49113", "900001730558", "4096", "900001783767", "123469", "4"],
        [],
        ["Refusals"],
        ["reason", "refusals"],
        ["no_exit", "3"],
        ["wrong_port", "1"],
    ]
    assert [line.split()[0] for line in by_day.said.splitlines()[:4]] == ["day", "2026-01-04", "2026-01-05", "together"]


def test_usage_as_json_is_what_the_buyer_reads(common_operator: Operator, listing_shop: Shop) -> None:
    one = lister(listing_shop)
    settle(listing_shop, one.uuid, HOURS[0])
    shown = common_operator("order", "usage", one.uuid, *RANGE, "--json").json
    seen = listing_shop.http.get(
        f"/orders/{one.uuid}/usage?from=2026-01-04&to=2026-01-06", headers=one.buyer.headers
    ).json()

    assert shown == seen
    assert shown["totals"]["bytes"] == 1_778_668


def test_the_table_of_usage_fits_eighty_columns(common_operator: Operator, used: str) -> None:
    for interval in ("hour", "day"):
        screen = at_terminal(common_operator, "order", "usage", used, *RANGE, "--interval", interval, columns=80)
        assert screen.status == 0
        assert max(map(len, screen.lines)) <= 80
        # What was sold is bytes: their sum is never left out.
        assert "900001783767" in next(line for line in screen.lines if line.startswith("together"))


def test_an_order_without_usage_and_one_that_is_not_there_are_a_sentence(
    common_operator: Operator, one: Lister
) -> None:
    quiet = common_operator("order", "usage", one.uuid, *RANGE)
    assert quiet.said == "Nothing passed from 2026-01-04 00:00 to 2026-01-06 00:00 UTC.\n"
    assert common_operator("order", "usage", NOBODYS).fault == f"There is no order {NOBODYS}."
    assert common_operator("order", "whitelist", NOBODYS).fault == f"There is no order {NOBODYS}."
    assert common_operator("order", "whitelist", NOBODYS, "--add", "::1").fault == f"There is no order {NOBODYS}."
    assert common_operator("order", "whitelist", NOBODYS, "--remove", "::1").fault == f"There is no order {NOBODYS}."
    wrong = common_operator("order", "usage", one.uuid, "--from", "soon")
    assert wrong.fault == "The from must be a time such as 2026-01-04T21:00:00Z, or a date such as 2026-01-04."


def test_an_order_shows_what_is_left_of_it_to_the_byte(common_operator: Operator, used: str) -> None:
    said = common_operator("order", "show", used).said

    left_bytes = 1_024 * 2**30 - sum(hour.total_bytes for hour in HOURS)
    assert f"traffic    838.19 of 1024 GB used, {left_bytes} bytes left\n" in said


def test_the_operator_lists_addresses_by_the_buyers_rules(common_operator: Operator, one: Lister) -> None:
    def whitelist(*words: str) -> str:
        ran = common_operator("order", "whitelist", one.uuid, *words)
        return ran.fault if ran.status else ran.said

    assert whitelist() == "The order lists no address.\n"
    assert whitelist("--add", "::ffff:198.51.100.7") == f"Listed 198.51.100.7 for the order {one.uuid}.\n"
    again = f"198.51.100.7 was listed for the order {one.uuid} before: nothing changed.\n"
    assert whitelist("--add", "198.51.100.7") == again
    assert one.addresses == ["198.51.100.7"]
    shown = common_operator("order", "whitelist", one.uuid, "--json").json
    assert shown == one.sees()
    head, row = whitelist().splitlines()
    assert head.split() == ["address", "since"]
    assert row.startswith("198.51.100.7  20")

    other = lister(one.shop)
    taken = common_operator("order", "whitelist", other.uuid, "--add", "198.51.100.7")
    assert taken.fault == "The address is on the whitelist of another order at the same port."
    assert whitelist("--add", "198.51.100.0/24") == "The address must be one IPv4 or IPv6 address, such as 203.0.113.7."
    assert whitelist("--add", "::1", "--remove", "::1") == "Say either --add or --remove, not both."
    assert whitelist("--remove", "198.51.100.7") == f"Took 198.51.100.7 off the whitelist of the order {one.uuid}.\n"
    assert whitelist("--remove", "198.51.100.7") == "The address is not on the order's whitelist."
    assert one.addresses == []
