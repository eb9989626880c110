"""Paths and methods (contract, section 1): 404 and 405 before everything, and what each answer carries."""

import re

import httpx
import pytest

from contract import Caller, assert_refusal, exchange
from shop import Shop

ALLOWED = {
    "/plans": {"GET", "HEAD"},
    "/plans/residential": {"GET", "HEAD"},
    "/plans/nope": {"GET", "HEAD"},
    "/orders": {"GET", "HEAD", "POST"},
    "/orders/9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f": {"GET", "HEAD"},
    "/orders/9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f/whitelist": {"GET", "HEAD", "POST", "DELETE"},
    "/orders/9bdfe2d6-2c9a-4f7e-9e8c-1a2b3c4d5e6f/usage": {"GET", "HEAD"},
    "/balance": {"GET", "HEAD"},
    "/balance/entries": {"GET", "HEAD"},
    "/health": {"GET", "HEAD"},
    "/ready": {"GET", "HEAD"},
}
UNKNOWN_PATHS = [
    *("/", "/orders/", "/plans/", "/balance/", "/health/", "//orders", "/Orders", "/order", "/api/orders", "/v1/plans"),
    *(
        "/orders/x/y",
        "/orders/x/whitelist/",
        "/orders/x/usage/y",
        "/plans/residential/",
        "/balance/entries/",
        "/.env",
        "/%00",
        "/%FF",
        "/orders%2F",
        "/orders;a=b",
    ),
]


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", UNKNOWN_PATHS)
def test_an_unknown_path_is_not_found_whoever_asks(caller: Caller, path: str, method: str) -> None:
    for headers in ({}, caller.buyer.headers):
        response = caller.shop.http.request(method, path, headers=headers)
        assert_refusal(response, 404, "Not found.", "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_a_path_has_not_is_not_allowed_whoever_asks(caller: Caller, path: str, method: str) -> None:
    if method in ALLOWED[path]:
        return
    for headers in ({}, caller.buyer.headers):
        response = caller.shop.http.request(method, path, headers=headers)
        assert_refusal(response, 405, "This method is not allowed here.", "method_not_allowed")
        assert {name.strip() for name in response.headers["Allow"].split(",")} == ALLOWED[path]


@pytest.mark.parametrize("path", [*ALLOWED, "/nowhere", "/orders?limit=0", "/orders?limit=1"])
@pytest.mark.parametrize("knows_token", [True, False])
def test_a_head_has_the_head_of_the_get_and_no_body(caller: Caller, path: str, *, knows_token: bool) -> None:
    headers = caller.buyer.headers if knows_token else {}
    got = caller.shop.http.get(path, headers=headers)
    head = caller.shop.http.head(path, headers=headers)

    def told(response: httpx.Response) -> list[str | None]:
        names = ("Content-Type", "X-Error-Code", "WWW-Authenticate", "Content-Length", "Link")
        return [str(response.status_code), *(response.headers.get(name) for name in names)]

    assert told(head) == told(got)
    assert head.content == b""
    assert head.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_probe_answers_in_json(common_shop: Shop, path: str) -> None:
    response = common_shop.http.get(path)

    assert response.status_code == 200
    assert set(response.json()) == {"status"}


def test_each_answer_has_a_request_id_of_its_own(caller: Caller) -> None:
    ids = [
        caller.shop.http.get(path, headers=caller.buyer.headers).headers["X-Request-Id"]
        for path in ("/plans", "/plans", "/orders", "/balance", "/nowhere", "/health")
    ]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", request_id) for request_id in ids)


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"\xff", b"<script>", b"a\tb"])
def test_an_odd_request_id_is_not_repeated(common_shop: Shop, given: bytes) -> None:
    response = common_shop.http.get("/plans", headers=[(b"X-Request-Id", given)])

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", response.headers["X-Request-Id"])
    assert response.headers["X-Request-Id"] != given.decode("latin-1")


@pytest.mark.parametrize(
    "path", [b"/orders/\xff", b"/plans/caf\xc3\xa9", b"/\x80", b"/plans?\xff=\xff", b"*", b"/orders?%"]
)
def test_odd_bytes_in_an_address_break_nothing(common_shop: Shop, path: bytes) -> None:
    answer = exchange(common_shop, b"GET " + path + b" HTTP/1.1\r\nHost: shop\r\n\r\n")

    assert answer.status < 500
