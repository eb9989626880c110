"""``novaproxy account suspend`` and ``resume``, seen by the customer over HTTP."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from commands import Operator
from shop import Buyer, Shop

ORDER: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}


@pytest.fixture(scope="module")
def operator(common_shop: Shop, common_operator: Operator) -> Iterator[Operator]:
    """The operator of the module's shop."""
    yield common_operator
    common_shop.assert_books_hold()


def asked_everywhere(shop: Shop, buyer: Buyer, uuid: str) -> list[httpx.Response]:
    """Return the answers of every path that wants a token, with good and with bad bodies."""
    paths = (
        "/orders",
        "/orders?limit=1",
        f"/orders/{uuid}",
        "/balance",
        "/balance/entries",
        "/balance/entries?limit=1",
    )
    broken = {"Content-Type": "application/json"} | buyer.headers
    return [
        *(shop.http.get(path, headers=buyer.headers) for path in paths),
        shop.order(buyer, **ORDER),
        shop.order(buyer, "key", **ORDER),
        shop.order(buyer, plan="nowhere"),
        shop.order_in_form(buyer, ORDER),
        shop.order_urlencoded(buyer, ORDER),
        shop.http.post("/orders", content=b"{", headers=broken),
    ]


def test_a_suspended_customer_is_refused_everywhere_until_he_is_resumed(common_shop: Shop, operator: Operator) -> None:
    buyer, other = common_shop.buyer(), common_shop.buyer()
    uuid = common_shop.order(buyer, "key", **ORDER).json()["uuid"]
    assert operator("account", "suspend", buyer.email.upper()).said == f"Suspended the account {buyer.email}.\n"
    refused = asked_everywhere(common_shop, buyer, uuid)
    assert {(answer.status_code, answer.json()["error"]) for answer in refused} == {(401, "Unauthenticated.")}
    assert {answer.headers["WWW-Authenticate"] for answer in refused} == {"Bearer"}
    assert common_shop.order_count(buyer) == 1
    assert common_shop.http.get("/plans", headers=buyer.headers).status_code == 200
    assert common_shop.order(other, **ORDER).status_code == 201
    assert operator("account", "resume", buyer.email).said == f"Resumed the account {buyer.email}.\n"
    assert common_shop.http.get(f"/orders/{uuid}", headers=buyer.headers).json()["uuid"] == uuid
    replayed = common_shop.order(buyer, "key", **ORDER)
    assert (replayed.status_code, replayed.json()["uuid"]) == (201, uuid)


def test_the_operator_goes_on_with_a_suspended_account(common_shop: Shop, operator: Operator) -> None:
    buyer = common_shop.buyer(10_00)
    operator("account", "suspend", buyer.email)
    assert operator("account", "credit", buyer.email, "5", "--reason", "r").said == "Balance: 15.00 USD\n"
    assert operator("token", "create", buyer.email).status == 0
    assert common_shop.http.get("/balance", headers=buyer.headers).status_code == 401


def test_each_change_leaves_a_row_with_its_cause_and_actor(common_shop: Shop, operator: Operator) -> None:
    buyer = common_shop.buyer()
    suspended = operator("account", "suspend", buyer.email, "--reason", "Card stolen")
    again = operator("account", "suspend", buyer.email, "--reason", "Once more")
    assert suspended.said == f"Suspended the account {buyer.email}.\n"
    assert again.said == f"The account {buyer.email} is suspended already; nothing was changed.\n"
    shown = operator("account", "show", buyer.email, "--json").json
    assert (shown["status"], len(shown["moves"])) == ("suspended", 1)
    operator("account", "resume", buyer.email)
    told = f"The account {buyer.email} is active already; nothing was changed.\n"
    assert operator("account", "resume", buyer.email).said == told
    json, page = operator.all(("account", "show", buyer.email, "--json"), ("account", "show", buyer.email))
    moves = [
        ["active", "suspended", "operator", "Card stolen"],
        ["suspended", "active", "operator", "resumed by the operator"],
    ]
    assert [[move["from"], move["to"], move["actor"], move["cause"]] for move in json.json["moves"]] == moves
    assert [re.split(r"  +", line)[1:] for line in page.said.splitlines()[-2:]] == moves


def test_a_wrong_suspension_changes_nothing(common_shop: Shop, operator: Operator) -> None:
    buyer = common_shop.buyer()
    unknown, empty, long = operator.all(
        ("account", "suspend", "nobody@example.com"),
        ("account", "suspend", buyer.email, "--reason", ""),
        ("account", "resume", buyer.email, "--reason", "x" * 501),
    )
    assert unknown.fault == "There is no account with the e-mail 'nobody@example.com'."
    assert empty.fault == "The reason must not be empty."
    assert long.fault == "The reason must have at most 500 characters."
    assert common_shop.order(buyer, **ORDER).status_code == 201
