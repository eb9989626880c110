"""Whitelists and usage are served as they are described."""

from typing import Any

import pytest

from contract import JSON
from described import Described
from listings import CATALOG, Lister, lister
from shop import Shop
from usages import Hour, settle, usage_of

WHITELIST = "/orders/{uuid}/whitelist"
USAGE = "GET /orders/{uuid}/usage"


@pytest.fixture(scope="module")
def described(common_shop: Shop) -> Described:
    common_shop.apply_catalog(CATALOG)
    return Described(common_shop.http.get("/openapi.json").json())


@pytest.fixture
def one(common_shop: Shop, described: Described) -> Lister:
    assert described.document
    return lister(common_shop)


@pytest.mark.parametrize(
    ("address", "status"), [("203.0.113.7", 201), ("::ffff:203.0.113.8", 201), ("x", 422), (1, 422)]
)
def test_listing_is_as_described(one: Lister, described: Described, address: object, status: int) -> None:
    answers = [one.lists(address)] + ([one.lists(address)] if status == 201 else [])
    schema = described.document["paths"][WHITELIST]["post"]["requestBody"]["content"][JSON]["schema"]

    assert [answer.status_code for answer in answers] == [status, 200][: len(answers)]
    for answer in answers:
        described.assert_describes(f"POST {WHITELIST}", answer)
    # What is taken is never unsound by the description.
    assert status == 422 or described.validator(schema).is_valid({"address": address})
    described.assert_describes(f"GET {WHITELIST}", one.shop.http.get(one.path, headers=one.buyer.headers))
    for row in one.sees():
        for _ in range(2):
            described.assert_describes(f"DELETE {WHITELIST}", one.removes(row["address"]))


def test_what_is_refused_of_a_whitelist_is_as_described(one: Lister, described: Described) -> None:
    def send(body: bytes, kind: str = JSON, path: str = one.path) -> int:
        answer = one.shop.http.post(path, content=body, headers=one.buyer.headers | {"Content-Type": kind})
        described.assert_describes(f"POST {WHITELIST}", answer)
        return answer.status_code

    assert send(b"{") == 400
    assert send(b'{"address": "::1"}', path="/orders/x/whitelist") == 404
    assert send(b" " * 70_000) == 413
    assert send(b"::1", "text/plain") == 415
    assert send(b'{"address": "::1", "more": 1}') == 422
    described.assert_describes(f"DELETE {WHITELIST}", one.removes("x"))


@pytest.mark.parametrize(
    "query", [{}, {"interval": "day"}, {"interval": "week"}, {"from_": "x"}, {"from_": "2999-01-01"}]
)
def test_usage_is_as_described(one: Lister, described: Described, query: dict[str, str]) -> None:
    hour = one.shop.value("SELECT to_char(now(), 'YYYY-MM-DD\"T\"HH24:00:00Z')")
    settle(one.shop, one.uuid, Hour(hour, 1, 2, 3, 4, {"no_exit": 5}))

    answer = usage_of(one.shop, one.buyer, one.uuid, **query)

    described.assert_describes(USAGE, answer)
    described.assert_describes(USAGE, usage_of(one.shop, one.buyer, "x", **query))
    if answer.status_code == 200:
        validator = described.validator(described.body_schema(USAGE, 200))
        for odd in with_a_member_less_or_more(answer.json()):
            assert not validator.is_valid(odd)


def with_a_member_less_or_more(shown: dict[str, Any]) -> list[dict[str, Any]]:
    (row,) = shown["rows"]
    odd = [
        shown | {"more": 1},
        shown | {"totals": shown["totals"] | {"more": 1}},
        shown | {"rows": [row | {"more": 1}]},
    ]
    odd += [{name: value for name, value in shown.items() if name != gone} for gone in shown]
    odd += [shown | {"rows": [{name: value for name, value in row.items() if name != gone}]} for gone in row]
    return odd
