"""``GET /metrics``: what it tells, and to whom (contract, section 6)."""

import asyncio
import time
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from figures import figures, parsed, series
from novaproxy.database.pool import Target
from novaproxy.errors import Refusal
from novaproxy.http.refusals import Unauthenticated
from novaproxy.metrics.api import MetricsPage
from novaproxy.metrics.figures import Metrics
from services import held, within
from shop import Shop, serving
from volleys import Asked, opened, volley

TOKEN = "a-token-of-the-operator"
GIGABYTE: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}


def asked_by(page: MetricsPage, peer: str | None, **headers: str) -> Refusal | str:
    """Return what *page* answers to a peer: its text, or its refusal."""
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        sent.append(message)

    scope = {
        "type": "http",
        "client": None if peer is None else (peer, 40_000),
        "headers": [
            (name.lower().replace("_", "-").encode(), word.encode())
            for name, word in ({"host": "localhost"} | headers).items()
        ],
    }
    try:
        asyncio.run(page.show(Request(scope), send))
    except Refusal as refusal:
        return refusal
    return str(b"".join(message.get("body", b"") for message in sent).decode())


@pytest.fixture
def page() -> MetricsPage:
    return MetricsPage(Metrics("0.0.0"), TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_reads_without_a_token(page: MetricsPage, host: str) -> None:
    assert 'novaproxy_build_info{version="0.0.0"} 1.0' in str(asked_by(page, host))


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "::", "a name", None])
def test_every_other_machine_needs_the_token(page: MetricsPage, host: str | None) -> None:
    assert isinstance(asked_by(page, host), Unauthenticated)
    assert "novaproxy_build_info" in str(asked_by(page, host, authorization=f"Bearer {TOKEN}"))
    assert "novaproxy_build_info" in str(asked_by(page, host, authorization=f"bearer  {TOKEN} "))


@pytest.mark.parametrize(
    "given", ["Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \u00fc"]
)
def test_no_other_token_opens_it(page: MetricsPage, given: str) -> None:
    assert isinstance(asked_by(page, "192.0.2.1", authorization=given), Unauthenticated)


def test_where_no_token_is_set_none_opens_it() -> None:
    page = MetricsPage(Metrics("0.0.0"), None)
    for given in ("Bearer ", "Bearer None", "Bearer"):
        assert isinstance(asked_by(page, "192.0.2.1", authorization=given), Unauthenticated)


@pytest.mark.parametrize(
    "name", ["localhost", "LocalHost:8000", "127.0.0.1", "127.9.0.1:80", "[::1]", "[::1]:8000", "127.0.0.1:"]
)
def test_a_name_of_this_machine_itself_reads(page: MetricsPage, name: str) -> None:
    assert "novaproxy_build_info" in str(asked_by(page, "127.0.0.1", host=name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "shop.example.com",
        "127.0.0.1.example.com",
        "localhost.example.com:80",
        "127.0.0.999",
        "10.0.0.1",
        "::1",
        "[::2]",
        "localhost:80:80",
        "user@localhost",
        "localhost, localhost",
        "127.0.0.1\n",
    ],
)
def test_a_name_that_only_leads_here_does_not(page: MetricsPage, name: str) -> None:
    # A browser here is led to 127.0.0.1 by whoever owns the name of a page (DNS rebinding).
    assert isinstance(asked_by(page, "127.0.0.1", host=name), Unauthenticated)
    assert "novaproxy_build_info" in str(asked_by(page, "127.0.0.1", host=name, authorization=f"Bearer {TOKEN}"))


@pytest.mark.parametrize(
    ("target", "hosts", "status"),
    [
        ("/metrics", ["localhost"], 200),
        ("/metrics", [], 401),
        ("/metrics", ["localhost", "localhost"], 401),
        ("http://shop.example.com/metrics", ["localhost"], 401),
        ("http://localhost/metrics", ["localhost"], 401),
    ],
)
def test_a_target_that_is_a_whole_address_is_a_proxys(
    common_shop: Shop, target: str, hosts: list[str], status: int
) -> None:
    head = "".join(f"Host: {host}\r\n" for host in hosts)
    with opened(common_shop.address) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
        assert line.recv(4096).startswith(f"HTTP/1.1 {status}".encode())


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Real-IP",
        "Via",
        "X-Forwarded-Proto",
        "x-forwarded-host",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
    ],
)
def test_a_proxy_on_this_machine_is_not_its_clients(common_shop: Shop, header: str) -> None:
    answer = common_shop.http.get("/metrics", headers={header: "127.0.0.1"})
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthenticated."})
    assert answer.headers["x-error-code"] == "unauthenticated"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_it_is_prometheus_text(common_shop: Shop) -> None:
    answer = common_shop.http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert parsed(answer.text)("build_info", version=version("novaproxy")) == 1
    assert answer.headers["x-request-id"]
    explained = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# HELP novaproxy_")}
    assert len(explained) >= 15
    assert common_shop.http.post("/metrics").headers["allow"] == "GET, HEAD"
    assert common_shop.http.delete("/orders").headers["allow"] == "GET, HEAD, POST"


def test_orders_are_counted_by_plan_and_replays_apart(shop: Shop) -> None:
    buyer = shop.buyer()
    for _ in range(2):
        assert shop.order(buyer, **GIGABYTE).status_code == 201
    for _ in range(3):
        assert shop.order(buyer, "a key", plan="residential", bandwidth=2).status_code == 201

    told = figures(shop.address)
    assert told("orders_placed_total", plan="mobile") == 2
    assert told("orders_placed_total", plan="residential") == 1
    assert told("orders_replayed_total") == 2
    assert told("http_requests_total", route="/orders", status="201") == 5
    assert told("http_request_duration_seconds_count", route="/orders") == 5
    assert told("order_database_seconds_count") == 5
    assert told("order_queue_seconds_count") == 5
    assert told("orders_waiting") == 0


def test_a_batch_tells_its_size(shop: Shop) -> None:
    buyers = [shop.buyer() for _ in range(8)]
    assert {one.status for one in volley([Asked(shop.address, buyer, GIGABYTE) for buyer in buyers * 8])} == {201}

    told = figures(shop.address)
    assert told("order_batch_size_sum") == 64
    assert told("order_queue_seconds_count") == 64
    batches = told("order_batch_size_count") or 0
    assert 1 <= batches < 64
    assert told("order_batch_size_bucket", le="64.0") == batches
    assert told("order_database_seconds_count") == batches
    assert (told("order_database_seconds_sum") or 0) > 0


def test_orders_that_wait_are_counted_while_they_wait(shop: Shop) -> None:
    buyer = shop.buyer()
    with held(shop.target, "SELECT FROM account WHERE id = $1 FOR UPDATE", buyer.account_id), ExitStack() as lines:
        for _ in range(3):
            # The first one is in the database, the others are behind it.
            lines.enter_context(opened(shop.address)).sendall(Asked(shop.address, buyer, GIGABYTE).wire())
            time.sleep(0.05)
        within(1, lambda: figures(shop.address)("orders_waiting") == 2, "two orders that wait")
    within(5, lambda: figures(shop.address)("orders_waiting") == 0, "nobody who waits")


def test_every_refusal_is_counted_by_its_code(shop: Shop) -> None:
    buyer = shop.buyer(0)
    shop.order(buyer, **GIGABYTE)
    shop.order(buyer, plan="no-such-plan")
    shop.order(buyer, plan="no-other-plan")
    shop.http.post("/orders", content=b"{", headers=buyer.headers | {"Content-Type": "application/json"})
    shop.http.get("/orders")
    shop.http.delete("/plans/mobile")
    shop.http.get("/plans/nothing")
    shop.http.get("/nowhere")

    told = figures(shop.address)
    codes = {
        "insufficient_balance": 1,
        "plan_not_found": 3,
        "invalid_json": 1,
        "unauthenticated": 1,
        "method_not_allowed": 1,
        "not_found": 1,
    }
    assert {code: told("refusals_total", code=code) for code in codes} == codes
    assert told("http_requests_total", route="/orders", status="422") == 3
    assert told("http_requests_total", route="/orders", status="401") == 1
    assert told("http_requests_total", route="/plans/{slug}", status="405") == 1
    assert told("http_requests_total", route="/plans/{slug}", status="404") == 1
    assert told("http_requests_total", route="other", status="404") == 1


def test_no_caller_can_make_a_label(shop: Shop) -> None:
    buyer = shop.buyer()

    def ask(mark: int) -> None:
        shop.order(buyer, plan=f"plan-{mark}", bandwidth=1)
        shop.http.get(f"/plans/plan-{mark}")
        shop.http.get(f"/path-{mark}?query={mark}")
        shop.http.get("/health", headers={"X-Request-Id": f"id-{mark}"})
        shop.http.request(f"METHOD{mark}", "/health")

    ask(0)
    before = series(shop.address)
    for mark in range(1, 30):
        ask(mark)
    assert {one for one in series(shop.address) - before if 'route="/metrics"' not in one} == set()


def test_it_answers_while_the_database_is_away(database: Target) -> None:
    with serving({**database, "host": "/nowhere"}) as address:
        assert httpx.get(f"{address}/plans").status_code == 503
        assert httpx.get(f"{address}/ready").status_code == 503
        told = figures(address)
        assert told("refusals_total", code="unavailable") == 2
        assert told("http_requests_total", route="/plans", status="503") == 1


def test_shops_in_one_process_count_apart(database: Target) -> None:
    with serving(database) as one, serving(database) as other:
        httpx.get(f"{one}/health")
        assert figures(one)("http_requests_total", route="/health", status="200") == 1
        assert figures(other)("http_requests_total", route="/health", status="200") is None
