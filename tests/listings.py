"""Orders whose plans have a whitelist, and what buyers do with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from contract import catalog_with
from shop import Buyer, Shop

# Two plans at one port, one at another with one in common, and one without any.
PLANS = """
  - slug: listed
    name: Listed
    type: bandwidth
    has_ip_whitelist: true
    protocols: [{code: http, host: a.example.com, port: 12401}, {code: socks5, host: a.example.com, port: 12402}]
    bandwidths: [{bandwidth: 1, price_per_gb: 1.00}]
  - slug: listed-too
    name: Listed too
    type: duration
    has_ip_whitelist: true
    protocols: [{code: http, host: proxy.example.com, port: 12402}]
    durations: [{slug: 1_day, name: 1 day, price: 1.00}]
  - slug: listed-apart
    name: Listed apart
    type: bandwidth
    has_ip_whitelist: true
    protocols: [{code: http, host: proxy.example.com, port: 12403}]
    bandwidths: [{bandwidth: 1, price_per_gb: 1.00}]
  - slug: listed-by-hand
    name: Listed by hand
    type: bandwidth
    has_ip_whitelist: true
    delivery: manual
    protocols: [{code: http, host: proxy.example.com, port: 12401}]
    bandwidths: [{bandwidth: 1, price_per_gb: 1.00}]
"""
CATALOG = catalog_with(plans=PLANS)
_WISHES: Mapping[str, Mapping[str, Any]] = {"listed-too": {"duration": "1_day"}}


@dataclass(frozen=True, slots=True)
class Lister:
    """A buyer with an order."""

    shop: Shop
    buyer: Buyer
    uuid: str

    @property
    def path(self) -> str:
        """Where its whitelist is."""
        return f"/orders/{self.uuid}/whitelist"

    def lists(self, address: object) -> httpx.Response:
        """Put an address on it."""
        return self.shop.http.post(self.path, json={"address": address}, headers=self.buyer.headers)

    def removes(self, address: str) -> httpx.Response:
        """Take an address off it."""
        return self.shop.http.delete(self.path, params={"address": address}, headers=self.buyer.headers)

    def sees(self) -> list[dict[str, Any]]:
        """Return the whitelist."""
        answer = self.shop.http.get(self.path, headers=self.buyer.headers)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    @property
    def addresses(self) -> list[str]:
        """The addresses alone."""
        return [row["address"] for row in self.sees()]


def lister(shop: Shop, plan: str = "listed", buyer: Buyer | None = None) -> Lister:
    """Return somebody with a new order of *plan*, the *buyer* where one is given."""
    buyer = buyer or shop.buyer()
    placed = shop.order(buyer, plan=plan, **_WISHES.get(plan, {"bandwidth": 1}))
    assert placed.status_code == 201, placed.text
    return Lister(shop, buyer, placed.json()["uuid"])
