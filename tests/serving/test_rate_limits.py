"""Rate limits of the service as it is started: what is counted apart, what is said, and what is never limited."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from novaproxy.database.pool import Target
from services import Service, on_database, within
from shop import CATALOG, Shop
from volleys import Asked, volley

ORDER: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}
SMALL = {
    "NOVAPROXY_RATE_LIMIT": "on",
    "NOVAPROXY_TRUSTED_PROXIES": "127.0.0.1",
    "NOVAPROXY_LIMIT_ORDERS": "6",
    "NOVAPROXY_LIMIT_READS": "6",
    "NOVAPROXY_LIMIT_CODES": "2",
    "NOVAPROXY_LIMIT_TOKENS": "3",
}


def limited(database: Target, settings: dict[str, str]) -> Iterator[Shop]:
    with Service({**on_database(database), **settings}) as service:
        opened = Shop(database, service.address)
        opened.apply_catalog(CATALOG.read_text())
        yield opened
        opened.http.close()
        opened.assert_books_hold()


@pytest.fixture(scope="module")
def small(module_database: Target) -> Iterator[Shop]:
    yield from limited(module_database, SMALL)


@pytest.fixture
def usual(database: Target) -> Iterator[Shop]:
    yield from limited(database, {"NOVAPROXY_RATE_LIMIT": "on"})


def ask(shop: Shop, path: str, peer: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask as a trusted proxy does for *peer*."""
    return shop.http.get(path, headers={"X-Forwarded-For": peer, **(headers or {})})


def assert_limited(answer: httpx.Response, code: str, policy: str) -> int:
    assert (answer.status_code, answer.headers["x-error-code"]) == (429, code), answer.text
    assert list(answer.json()) == ["error"]
    seconds = int(answer.headers["retry-after"])
    assert seconds >= 1
    assert answer.headers["ratelimit-policy"].startswith(f'"{policy}";q=')
    assert answer.headers["ratelimit"] == f'"{policy}";r=0;t={seconds}'
    assert answer.headers["x-request-id"]
    return seconds


def test_orders_and_reads_of_a_token_are_counted_apart_and_replays_count_too(small: Shop) -> None:
    buyer = small.buyer()
    for left in range(5, -1, -1):
        answer = small.order(buyer, "one key", **ORDER)
        assert answer.status_code == 201
        assert answer.headers["ratelimit-policy"] == '"orders";q=6;w=60'
        assert answer.headers["ratelimit"].startswith(f'"orders";r={left};t=')
    assert assert_limited(small.order(buyer, "one key", **ORDER), "too_many_requests", "orders") <= 10
    assert small.order_count(buyer) == 1
    read = small.http.get("/balance", headers=buyer.headers)
    assert read.headers["ratelimit"].startswith('"reads";r=5;t=')
    for _ in range(5):
        read = small.http.get("/orders", headers=buyer.headers)
        assert read.status_code == 200
    assert_limited(small.http.get("/orders", headers=buyer.headers), "too_many_requests", "reads")
    assert small.order(small.buyer(), **ORDER).status_code == 201


def test_two_hundred_repetitions_of_a_key_pass_with_the_usual_limits(usual: Shop) -> None:
    buyer = usual.buyer()
    first = usual.order(buyer, "key", **ORDER).json()["uuid"]
    statuses = [answer.status for answer in volley([Asked(usual.address, buyer, ORDER, "key")] * 200)]
    assert statuses == [201] * 200
    assert usual.order_count(buyer) == 1
    assert usual.order(buyer, "key", **ORDER).json()["uuid"] == first


def test_races_of_two_hundred_pass_with_the_usual_limits(usual: Shop) -> None:
    buyer = usual.buyer(balance_cents=8_00 * 150)
    statuses = [answer.status for answer in volley([Asked(usual.address, buyer, ORDER)] * 200)]
    assert sorted(statuses) == [201] * 150 + [422] * 50


def test_discount_codes_that_do_not_exist_end_orders_with_codes_alone(small: Shop) -> None:
    buyer = small.buyer()
    for code in ("GUESS1", "GUESS2"):
        assert small.order(buyer, discount_code=code, **ORDER).headers["x-error-code"] == "discount_code_not_valid"
    guessed = small.order(buyer, discount_code="GUESS3", **ORDER)
    assert assert_limited(guessed, "too_many_wrong_codes", "wrong-codes") <= 30
    assert small.order(buyer, **ORDER).status_code == 201
    assert small.order_count(buyer) == 1


def test_guessing_tokens_ends_at_an_address_and_customers_there_stay(small: Shop) -> None:
    buyer = small.buyer()
    assert ask(small, "/balance", "192.0.2.1", buyer.headers).status_code == 200
    for number in range(2):
        guess = {"Authorization": f"Bearer guess-{number}"}
        assert ask(small, "/balance", "192.0.2.1", guess).status_code == 401
    assert ask(small, "/orders", "192.0.2.1").status_code == 401
    guessed = ask(small, "/balance", "192.0.2.1", {"Authorization": "Bearer guess-3"})
    assert assert_limited(guessed, "too_many_wrong_tokens", "wrong-tokens") <= 20
    assert_limited(ask(small, "/orders", "192.0.2.1"), "too_many_wrong_tokens", "wrong-tokens")
    posted = small.http.post("/orders", headers={"X-Forwarded-For": "192.0.2.1", "Authorization": "Bearer 4"}, json={})
    assert_limited(posted, "too_many_wrong_tokens", "wrong-tokens")
    assert ask(small, "/balance", "192.0.2.1", buyer.headers).status_code == 200
    assert ask(small, "/balance", "192.0.2.2", {"Authorization": "Bearer guess-5"}).status_code == 401
    assert small.http.get("/balance", headers={"Authorization": "Bearer guess-6"}).status_code == 401


def test_an_address_has_a_limit_of_its_own_and_probes_have_none(small: Shop) -> None:
    statuses = [ask(small, "/plans", "198.51.100.1, 192.0.2.9").status_code for _ in range(25)]
    assert statuses == [200] * 24 + [429]
    assert_limited(ask(small, "/openapi.json", "192.0.2.9"), "too_many_requests", "reads-address")
    assert ask(small, "/plans", "198.51.100.1").status_code == 200
    for path in ("/health", "/ready", "/metrics"):
        assert {small.http.get(path).status_code for _ in range(30)} == {200}
    time.sleep(0.6)
    told = small.http.get("/metrics").text
    assert 'novaproxy_refusals_total{code="too_many_requests"}' in told
    assert 'status="429"' in told


def test_a_proxy_that_nobody_named_is_told_once(database: Target) -> None:
    with Service({**on_database(database), "NOVAPROXY_RATE_LIMIT": "on"}) as service:
        shop = Shop(database, service.address)
        for number in range(3):
            assert ask(shop, "/balance", f"192.0.2.{number}", shop.buyer().headers).status_code == 200
        within(5, lambda: "NOVAPROXY_TRUSTED_PROXIES" in service.log(), "the warning")
        assert service.log().count("NOVAPROXY_TRUSTED_PROXIES") == 1
        shop.http.close()
