"""Asking for orders in each body format, and what an answer of the contract must look like."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any, TypeAlias
from urllib.parse import quote_plus

import httpx

from novaproxy.database.pool import opened_connection
from shop import CATALOG, Buyer, Shop

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = "----contract-7MA4YWxk"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

_LEFT_BEHIND = """
    SELECT (SELECT count(*) FROM orders) AS orders,
           (SELECT count(*) FROM meter) AS meters,
           (SELECT count(*) FROM order_move) AS moves,
           (SELECT count(*) FROM transfer) AS transfers,
           (SELECT sum(balance_cents) FROM account) AS balances,
           (SELECT sum(ledger_version) FROM account) AS versions,
           (SELECT count(*) FROM account_plan) AS plans,
           (SELECT sum(orders) FROM account_plan) AS plan_orders,
           (SELECT sum(uses) FROM discount_code) AS uses,
           (SELECT count(*) FROM account_code) AS codes,
           (SELECT sum(uses) FROM account_code) AS code_uses
"""


def catalog_with(plans: str = "", codes: str = "") -> str:
    """Return the test catalog with more plans and codes, each written as it stands in the file."""
    return CATALOG.read_text().replace("discount_codes:\n", f"{plans}discount_codes:\n") + codes


Footprint: TypeAlias = dict[str, Any]
"""The count or sum of everything that an order changes, by what is counted."""


@contextmanager
def footprints(shop: Shop) -> Iterator[Callable[[], Footprint]]:
    """Give a function that reads the shop's footprint, each time on the same connection."""
    with asyncio.Runner() as runner:
        connection = runner.run(opened_connection(shop.target))

        async def read() -> Footprint:
            (row,) = await connection.fetch(_LEFT_BEHIND)
            return dict(row)

        try:
            yield lambda: runner.run(read())
        finally:
            runner.run(connection.close())


@contextmanager
def nothing_left_behind(shop: Shop) -> Iterator[None]:
    """Assert that the block changes no order, balance, ledger row, counter or code."""
    with footprints(shop) as read:
        before = read()
        yield
        assert read() == before


def assert_refusal(response: httpx.Response, status: int, sentence: str, code: str) -> None:
    """Assert that an answer is this refusal and says no more than it."""
    assert (response.status_code, response.json()) == (status, {"error": sentence})
    assert response.headers["X-Error-Code"] == code
    assert response.headers["X-Request-Id"]
    assert response.headers["Content-Type"] == JSON


def form_pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return *fields* as a form writes them: nested members in brackets, every value as text."""
    pairs = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}[{member}]", form_text(inner)) for member, inner in value.items()]
        else:
            pairs.append((name, form_text(value)))
    return pairs


def form_text(value: Any) -> str:  # noqa: ANN401 -- any JSON
    """Return the text that stands for a JSON value in a form."""
    return value if isinstance(value, str) else json.dumps(value)


def multipart_body(pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return *pairs* as a multipart/form-data body."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in pairs]
    return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode()


def urlencoded_body(pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return *pairs* as an application/x-www-form-urlencoded body."""
    return "&".join(f"{quote_plus(name)}={quote_plus(text)}" for name, text in pairs).encode()


@dataclass(frozen=True, slots=True)
class Caller:
    """A buyer who sends bodies as he likes."""

    shop: Shop
    buyer: Buyer

    def send(self, body: bytes | str, content_type: str = JSON, **headers: str) -> httpx.Response:
        """Post *body* to ``/orders``; ``Idempotency_Key="k"`` is the header ``Idempotency-Key: k``."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.shop.http.post(
            "/orders",
            content=body,
            headers=self.buyer.headers | {"Content-Type": content_type} | more,
        )

    def in_json(self, fields: Any, **headers: str) -> httpx.Response:  # noqa: ANN401 -- any JSON
        """Ask in JSON."""
        return self.send(json.dumps(fields), JSON, **headers)

    def in_multipart(self, pairs: Sequence[tuple[str, str]], **headers: str) -> httpx.Response:
        """Ask in multipart/form-data."""
        return self.send(multipart_body(pairs), MULTIPART, **headers)

    def in_urlencoded(self, pairs: Sequence[tuple[str, str]], **headers: str) -> httpx.Response:
        """Ask in application/x-www-form-urlencoded."""
        return self.send(urlencoded_body(pairs), URLENCODED, **headers)

    def in_each_format(self, fields: Mapping[str, Any], **headers: str) -> Iterator[httpx.Response]:
        """Ask for the same in JSON and in both kinds of form."""
        yield self.in_json(fields, **headers)
        yield self.in_multipart(form_pairs(fields), **headers)
        yield self.in_urlencoded(form_pairs(fields), **headers)

    def is_refused(self, fields: Mapping[str, Any], sentence: str, code: str, **headers: str) -> None:
        """Assert that *fields* are refused so in each format, and that nothing is left behind."""
        with nothing_left_behind(self.shop):
            for response in self.in_each_format(fields, **headers):
                assert_refusal(response, 422, sentence, code)

    def is_refused_in_json(self, body: Any, sentence: str, code: str) -> None:  # noqa: ANN401 -- any JSON
        """Assert the same of JSON alone; *body* is the text itself or what is to be written as JSON."""
        with nothing_left_behind(self.shop):
            response = self.send(body) if isinstance(body, str) else self.in_json(body)
            assert_refusal(response, 422, sentence, code)

    def places(self, fields: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        """Ask in JSON, assert that the order was placed, and return it."""
        return placed(self.in_json(fields, **headers))


def placed(response: httpx.Response) -> dict[str, Any]:
    """Return the order of a 201."""
    assert response.status_code == 201, response.text
    order: dict[str, Any] = response.json()
    return order


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer to bytes that no well-behaved client sends."""

    status: int
    headers: HTTPMessage
    body: bytes


def exchange(shop: Shop, request: bytes) -> RawAnswer:
    """Send *request* to the last byte, then read one answer."""
    address = httpx.URL(shop.address)
    with socket.create_connection((address.host, address.port or 80), timeout=20) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        return RawAnswer(response.status, response.headers, response.read())


def raw_post(buyer: Buyer, body: bytes, *headers: bytes) -> bytes:
    """Return the bytes of a ``POST /orders`` with just these *headers* and the buyer's token."""
    head = (b"POST /orders HTTP/1.1", b"Host: shop", f"Authorization: Bearer {buyer.token}".encode(), *headers)
    return b"\r\n".join(head) + b"\r\n\r\n" + body
