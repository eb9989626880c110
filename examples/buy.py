"""Buys proxies with requests: what is sold, one order, its credentials, all orders, the balance.

    python buy.py [ORDER [KEY]]     ORDER is JSON, 2 GB of the plan "residential" where none is given

KEY names this purchase, by an invoice number of your own for instance: however often the order is sent with it, it is
placed once and charged once. NOVAPROXY_URL and NOVAPROXY_TOKEN are read from the environment.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import requests

ATTEMPTS = 5
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Refused(Exception):
    """The shop's answer is no; *code* stays the same for good, *sentence* is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{sentence} ({code})")
        self.code = code
        self.sentence = sentence


class Unanswered(Exception):
    """Whether the order was placed is not known; to send it again with its key is safe."""


class Shop:
    """A shop at *url*, as the customer of *token* sees it."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **request: Any) -> requests.Response:
        """Return the answer; asks again after 429, 5xx, a time-out or a broken connection."""
        pause = 0.0
        for attempt in range(ATTEMPTS):
            time.sleep(pause)
            pause = 2**attempt / 2
            try:
                answer = self.session.request(method, urljoin(self.url, path), timeout=30, **request)
            except BROKEN:
                continue
            if answer.status_code == 429 or answer.status_code >= 500:
                pause = float(answer.headers.get("Retry-After", pause))
                continue
            if not answer.ok:
                raise Refused(answer.headers.get("X-Error-Code", ""), answer.json()["error"])
            return answer
        raise Unanswered

    def plans(self) -> list[dict[str, Any]]:
        """Return what is sold."""
        return self.call("GET", "/plans").json()

    def place(self, order: dict[str, Any], key: str) -> dict[str, Any]:
        """Place *order* once, however often it is sent with *key*."""
        return self.call("POST", "/orders", json=order, headers={"Idempotency-Key": key}).json()

    def orders(self) -> Iterator[dict[str, Any]]:
        """Give all orders, newest first, read a page at a time."""
        path = "/orders?limit=100"
        while path:
            page = self.call("GET", path)
            yield from page.json()
            path = page.links.get("next", {}).get("url")

    def balance(self) -> str:
        """Return what is left, with its currency."""
        held = self.call("GET", "/balance").json()
        return f"{held['balance']:.2f} {held['currency']}"


def buy(shop: Shop, order: dict[str, Any], key: str) -> None:
    """Buy, and print what was bought."""
    print("For sale:", ", ".join(plan["slug"] for plan in shop.plans()))
    try:
        bought = shop.place(order, key)
    except Refused as refused:
        if refused.code == "insufficient_balance":
            sys.exit(f"{refused.sentence} You hold {shop.balance()}.")
        raise
    print(f"Order {bought['uuid']}: {bought['status']}, charged {bought['price']['net']:.2f}")
    if bought["username"]:
        print("Username", bought["username"])
        print("Password", bought["password"])
    else:
        print("The credentials follow.")
    print("All orders:")
    for each in shop.orders():
        print(each["uuid"], each["status"], f"{each['price']['net']:.2f}")
    print("Balance:", shop.balance())


def given(variable: str) -> str:
    """Return a variable of the environment that this program needs."""
    return os.environ.get(variable) or sys.exit(f"Set {variable}; see the top of this file.")


def asked(text: str) -> dict[str, Any]:
    """Return the order in *text*, which must be JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        sys.exit(f"ORDER is not JSON: {error}")


if __name__ == "__main__":
    wanted = asked(sys.argv[1]) if len(sys.argv) > 1 else {"plan": "residential", "bandwidth": 2}
    name = sys.argv[2] if len(sys.argv) > 2 else str(uuid.uuid4())
    try:
        buy(Shop(given("NOVAPROXY_URL"), given("NOVAPROXY_TOKEN")), wanted, name)
    except Refused as refused:
        sys.exit(str(refused))
    except Unanswered:
        sys.exit(f"The shop does not answer. Run this again with the key {name}: nothing is charged twice.")
