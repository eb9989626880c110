"""Buys a proxy and fetches a page through it, then tells what that consumed.

    python fetch.py ADDRESS [ORDER [KEY]]     ORDER is JSON, 1 GB of the plan "residential" where none is given

KEY names the purchase, as buy.py tells, which stands beside this file: run again with it, the order is bought once and
used again. NOVAPROXY_URL and NOVAPROXY_TOKEN are read from the environment.
"""

import sys
import time
import uuid
from typing import Any

import requests
from buy import Refused, Shop, Unanswered, asked, given

SEEN_SECONDS = 2
"""Within which an order shows what passed."""


def proxy_of(order: dict[str, Any]) -> str:
    """Return the order's HTTP proxy as clients take it."""
    for entrance in order["plan"]["protocols"]:
        if entrance["code"] == "http":
            return f"http://{order['username']}:{order['password']}@{entrance['host']}:{entrance['port']}"
    sys.exit("This plan has no HTTP proxy.")


def fetch(shop: Shop, address: str, order: dict[str, Any], key: str) -> None:
    """Buy, fetch, and print what was bought, what came, and what that consumed."""
    bought = shop.place(order, key)
    if bought["status"] != "active":
        sys.exit(f"Order {bought['uuid']} is {bought['status']}: run this again later with the key {key}.")
    print(f"Order {bought['uuid']}: charged {bought['price']['net']:.2f}")
    proxy = proxy_of(bought)
    try:
        page = requests.get(address, proxies={"http": proxy, "https": proxy}, timeout=30)
    except requests.exceptions.RequestException as error:
        sys.exit(f"The page did not come: {error}")
    if page.headers.get("X-Error-Code"):
        raise Refused(page.headers["X-Error-Code"], page.json()["error"])
    print(f"{address} answered {page.status_code} with {len(page.content)} bytes")
    time.sleep(SEEN_SECONDS)
    print("Consumed:", shop.call("GET", f"/orders/{bought['uuid']}").json()["consumed_bandwidth_in_bytes"], "bytes")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Name an address; see the top of this file.")
    wanted = asked(sys.argv[2]) if len(sys.argv) > 2 else {"plan": "residential", "bandwidth": 1}
    name = sys.argv[3] if len(sys.argv) > 3 else str(uuid.uuid4())
    try:
        fetch(Shop(given("NOVAPROXY_URL"), given("NOVAPROXY_TOKEN")), sys.argv[1], wanted, name)
    except Refused as refused:
        sys.exit(str(refused))
    except Unanswered:
        sys.exit(f"The shop does not answer. Run this again with the key {name}: nothing is charged twice.")
