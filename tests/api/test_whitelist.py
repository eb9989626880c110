"""``/orders/{uuid}/whitelist``: addresses that need no password, each on one order at a port."""

import json
import socket
from datetime import UTC, datetime
from itertools import count
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from contract import JSON, MULTIPART, URLENCODED, assert_refusal, exchange, multipart_body, urlencoded_body
from listings import CATALOG, Lister, lister
from novaproxy.orders import moving
from shop import Shop

NOT_VALID = "The address must be one IPv4 or IPv6 address, such as 203.0.113.7."
TAKEN = "The address is on the whitelist of another order at the same port."
NO_ORDER = "/orders/9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f/whitelist"
_numbers = count(1)


@pytest.fixture(scope="module")
def listing_shop(common_shop: Shop) -> Shop:
    common_shop.apply_catalog(CATALOG)
    return common_shop


@pytest.fixture
def one(listing_shop: Shop) -> Lister:
    return lister(listing_shop)


def new_address() -> str:
    """Return an address that no test had."""
    return f"2001:db8::{next(_numbers):x}"


# What is listed -------------------------------------------------------------------------------------------------------


def test_an_address_is_listed_shown_and_taken_off(one: Lister) -> None:
    first, second = new_address(), new_address()
    assert one.sees() == []

    listed = one.lists(first)
    assert listed.status_code == 201
    assert set(listed.json()) == {"address", "created_at"}
    assert listed.json()["address"] == first
    since = datetime.strptime(listed.json()["created_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60
    one.lists(second)
    assert one.sees()[0] == listed.json()
    assert one.addresses == [first, second]

    removed = one.removes(first)
    assert (removed.status_code, removed.content) == (204, b"")
    assert one.addresses == [second]
    assert_refusal(one.removes(first), 404, "The address is not on the order's whitelist.", "address_not_found")


def test_an_address_that_is_listed_again_is_the_same_entry(one: Lister) -> None:
    address = new_address()
    first, again = one.lists(address), one.lists(f" {address.upper()}\n")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert one.sees() == [first.json()]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("::FFFF:198.51.100.9", "198.51.100.9"),
        ("::ffff:c633:640a", "198.51.100.10"),
        ("2001:0DB8:0000::00ff:1", "2001:db8::ff:1"),
        ("::1", "::1"),
        ("fe80::1", "fe80::1"),
    ],
)
def test_an_address_is_shown_in_one_form_whatever_it_was_written_in(one: Lister, written: str, shown: str) -> None:
    assert one.lists(written).json()["address"] == shown
    assert one.lists(shown).status_code == 200
    assert one.removes(written).status_code == 204


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", MULTIPART, URLENCODED])
def test_each_format_of_a_body_is_read(one: Lister, content_type: str) -> None:
    address = new_address()
    bodies = {
        MULTIPART: multipart_body([("address", address)]),
        URLENCODED: urlencoded_body([("address", address)]),
    }
    body = bodies.get(content_type, json.dumps({"address": address}).encode())
    answer = one.shop.http.post(one.path, content=body, headers=one.buyer.headers | {"Content-Type": content_type})

    assert (answer.status_code, answer.json()["address"]) == (201, address)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        *("203.0.113.0/24", "203.0.113.7/32", "2001:db8::/64", "::1/128", "example.com", "localhost", "203.0.113"),
        *("203.0.113.7:80", "[2001:db8::1]", "fe80::1%eth0", "fe80::1%", "2001:db8::1%1", "0x7f.0.0.1", "127.1"),
        *("2130706433", "010.0.0.1", "203.0.113.07", "256.0.0.1", "-1.0.0.1", "1.2.3.4.5", ":::", "::ffff:1.2.3"),
        *("0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:255.255.255.255"),  # noqa: S104 -- nothing binds
        *("\u0661.1.1.1", "\uff11.1.1.1", "1.1.1.1 1.1.1.2", "1.1.1.1,1.1.1.2", "\u00a01.1.1.1", "x" * 60_000),
    ],
)
def test_what_is_not_one_address_of_a_client_is_refused(one: Lister, written: str) -> None:
    assert_refusal(one.lists(written), 422, NOT_VALID, "address_not_valid")
    if len(written) < 1_000:
        assert_refusal(one.removes(written), 422, NOT_VALID, "address_not_valid")
    assert one.sees() == []


@pytest.mark.parametrize("absent", [None, "", " \t", {}, []])
def test_no_address_is_refused(one: Lister, absent: object) -> None:
    assert_refusal(one.lists(absent), 422, "The address field is required.", "address_required")


@pytest.mark.parametrize("query", ["", "?address=", "?address=%20", "?other=203.0.113.7"])
def test_to_remove_no_address_is_refused(one: Lister, query: str) -> None:
    answer = one.shop.http.delete(one.path + query, headers=one.buyer.headers)
    assert_refusal(answer, 422, "The address field is required.", "address_required")


def test_to_remove_two_addresses_at_once_is_refused(one: Lister) -> None:
    address = new_address()
    one.lists(address)
    answer = one.shop.http.delete(f"{one.path}?address={address}&address=::1", headers=one.buyer.headers)

    assert_refusal(answer, 422, "The address field was given twice.", "field_given_twice")
    assert one.addresses == [address]


@pytest.mark.parametrize("value", [1, 2130706433, True, 1.5, ["203.0.113.7"], {"address": "203.0.113.7"}])
def test_an_address_that_is_no_text_is_refused(one: Lister, value: object) -> None:
    assert_refusal(one.lists(value), 422, "The address field must be a string.", "address_not_string")


@pytest.mark.parametrize(
    ("body", "status", "sentence", "code"),
    [
        (b'{"address": "::1", "note": "x"}', 422, "Unknown field 'note'.", "unknown_field"),
        (b'{"adress": "::1"}', 422, "Unknown field 'adress'. Did you mean 'address'?", "unknown_field"),
        (b'{"address": "::1", "address": "::2"}', 422, "The address field was given twice.", "field_given_twice"),
        (
            b'{"address": "::1\\u0000"}',
            422,
            "The address field contains a character that is not allowed.",
            "text_not_allowed",
        ),
        (b"", 400, "The body must be valid JSON.", "invalid_json"),
        (b"[]", 400, "The body must be a JSON object.", "body_not_object"),
        (b'"::1"', 400, "The body must be a JSON object.", "body_not_object"),
        (b"\xff", 400, "The body must be valid UTF-8.", "body_not_utf8"),
        (b"[" * 60_000, 400, "The body is nested too deeply.", "body_too_deep"),
        (b" " * 65_537, 413, "The body must be at most 65536 bytes.", "body_too_large"),
    ],
)
def test_a_body_that_says_something_else_is_refused(
    one: Lister, body: bytes, status: int, sentence: str, code: str
) -> None:
    answer = one.shop.http.post(one.path, content=body, headers=one.buyer.headers | {"Content-Type": JSON})

    assert_refusal(answer, status, sentence, code)
    assert one.sees() == []


def test_another_type_of_body_is_refused(one: Lister) -> None:
    answer = one.shop.http.post(one.path, content=b"::1", headers=one.buyer.headers | {"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (415, "unsupported_media_type")


def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing(one: Lister) -> None:
    body = b'{"address": "::1"}'
    head = f"POST {one.path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {one.buyer.token}\r\n"
    head += f"Content-Type: {JSON}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    place = urlsplit(one.shop.address)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as line:
        line.sendall(head.encode() + body)

    assert one.sees() == []


# Which orders ---------------------------------------------------------------------------------------------------------


def test_an_order_of_a_plan_without_a_whitelist_lists_nothing(listing_shop: Shop) -> None:
    other = lister(listing_shop, "free")

    assert_refusal(other.lists("::1"), 422, "The order's plan has no IP whitelist.", "whitelist_not_sold")
    assert other.sees() == []
    assert_refusal(other.removes("::1"), 404, "The address is not on the order's whitelist.", "address_not_found")


def test_an_order_without_credentials_and_one_that_ended_list_nothing(listing_shop: Shop) -> None:
    waiting = lister(listing_shop, "listed-by-hand")
    ended = lister(listing_shop, "listed-too")
    address = new_address()
    assert ended.lists(address).status_code == 201
    listing_shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", UUID(ended.uuid))

    told = "The order is {}: only an active or inactive order can list addresses."
    assert_refusal(waiting.lists("::1"), 422, told.format("pending"), "order_not_running")
    # The duty that moves it does not run here: what a read shows decides.
    assert_refusal(ended.lists("::1"), 422, told.format("expired"), "order_not_running")
    assert ended.addresses == [address]
    assert ended.removes(address).status_code == 204


def test_an_order_that_is_switched_off_keeps_its_list_and_may_change_it(one: Lister) -> None:
    first, second = new_address(), new_address()
    one.lists(first)
    one.shop.run(lambda connection: moving.deactivate(connection, UUID(one.uuid), "test"))

    assert one.lists(second).status_code == 201
    assert one.addresses == [first, second]
    # It may be switched on again, and must then not share them.
    assert_refusal(lister(one.shop).lists(first), 422, TAKEN, "address_taken")


def test_the_plan_is_what_the_catalog_says_now(shop: Shop) -> None:
    shop.apply_catalog(CATALOG)
    one = lister(shop)
    one.lists("203.0.113.7")
    shop.apply_catalog(CATALOG.replace("has_ip_whitelist: true", "has_ip_whitelist: false"))

    assert_refusal(one.lists("::1"), 422, "The order's plan has no IP whitelist.", "whitelist_not_sold")
    assert one.addresses == ["203.0.113.7"]

    shop.apply_catalog(CATALOG.replace("port: 12403", "port: 12401"))
    assert_refusal(lister(shop, "listed-apart").lists("203.0.113.7"), 422, TAKEN, "address_taken")
    shop.apply_catalog(CATALOG)
    assert lister(shop, "listed-apart").lists("203.0.113.7").status_code == 201


def test_an_address_is_on_one_order_at_a_port(listing_shop: Shop) -> None:
    holder = lister(listing_shop)
    address = new_address()
    holder.lists(address)

    # His own second order, somebody else's, and one of a plan that has one of its ports.
    for other in (lister(listing_shop, buyer=holder.buyer), lister(listing_shop), lister(listing_shop, "listed-too")):
        assert_refusal(other.lists(address), 422, TAKEN, "address_taken")
        assert other.sees() == []
    assert lister(listing_shop, "listed-apart").lists(address).status_code == 201
    holder.removes(address)
    assert lister(listing_shop, "listed-too").lists(address).status_code == 201


def test_an_address_is_free_again_when_its_order_has_ended(listing_shop: Shop) -> None:
    holder = lister(listing_shop, "listed-too")
    address = new_address()
    holder.lists(address)
    listing_shop.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", UUID(holder.uuid))

    assert lister(listing_shop, "listed-too").lists(address).status_code == 201


def test_an_order_lists_twenty_addresses_and_no_more(one: Lister) -> None:
    addresses = [new_address() for _ in range(20)]
    for address in addresses:
        assert one.lists(address).status_code == 201

    assert_refusal(one.lists(new_address()), 422, "An order can list at most 20 addresses.", "whitelist_full")
    assert one.lists(addresses[3]).status_code == 200
    one.removes(addresses[3])
    assert one.lists(new_address()).status_code == 201
    assert len(one.sees()) == 20


# Who asks -------------------------------------------------------------------------------------------------------------


def test_somebody_elses_whitelist_is_the_same_404_as_none(one: Lister) -> None:
    address = new_address()
    one.lists(address)
    stranger = one.shop.buyer()
    for path in (one.path, NO_ORDER, "/orders/1/whitelist", "/orders/x/whitelist", f"/orders/{{{one.uuid}}}/whitelist"):
        answers = [
            one.shop.http.get(path, headers=stranger.headers),
            one.shop.http.post(path, json={"address": "::1"}, headers=stranger.headers),
            # Nor is a wrong address told before.
            one.shop.http.post(path, json={"address": "x"}, headers=stranger.headers),
            one.shop.http.delete(f"{path}?address={address}", headers=stranger.headers),
            one.shop.http.delete(path, headers=stranger.headers),
        ]
        for answer in answers:
            assert_refusal(answer, 404, "Order not found.", "order_not_found")
    assert one.addresses == [address]


def test_who_has_no_token_is_told_so_before_anything_else(one: Lister) -> None:
    for method in ("GET", "POST", "DELETE"):
        for path in (one.path, NO_ORDER):
            answer = one.shop.http.request(method, path, content=b"\xff")
            assert_refusal(answer, 401, "Unauthenticated.", "unauthenticated")


def test_an_address_that_is_full_of_escapes_is_only_text(one: Lister) -> None:
    line = (
        f"DELETE {one.path}?address=%00%ff%27 HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {one.buyer.token}\r\n\r\n"
    )
    answer = exchange(one.shop, line.encode())

    assert (answer.status, answer.headers["X-Error-Code"]) == (422, "address_not_valid")
