"""Usage as gateways would have settled it, written by the owner of the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from shop import Buyer, Shop


@dataclass(frozen=True, slots=True)
class Hour:
    """What was settled in the hour that begins *at*."""

    at: str
    up_bytes: int = 0
    down_bytes: int = 0
    lost_bytes: int = 0
    connections: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        """What it took of the order's bandwidth."""
        return self.up_bytes + self.down_bytes + self.lost_bytes


def settle(shop: Shop, uuid: str, *hours: Hour) -> None:
    """Write *hours* of an order down, and what they consumed on its meter."""
    (order,) = shop.sql("SELECT id, account_id FROM orders WHERE uuid = $1", UUID(uuid))
    for hour in hours:
        at = datetime.fromisoformat(hour.at)
        shop.sql(
            "INSERT INTO usage_hour (order_id, hour, account_id, up_bytes, down_bytes, lost_bytes, connections) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *(order["id"], at, order["account_id"], hour.up_bytes, hour.down_bytes, hour.lost_bytes, hour.connections),
        )
        if hour.lost_bytes:
            _charge_lost_gateway(shop, order, at, hour.lost_bytes)
        for reason, refusals in hour.refusals.items():
            shop.sql(
                "INSERT INTO usage_refusal (order_id, hour, reason, account_id, refusals) VALUES ($1, $2, $3, $4, $5)",
                *(order["id"], at, reason, order["account_id"], refusals),
            )
    shop.sql(
        "UPDATE meter SET consumed_bytes = consumed_bytes + $2 WHERE order_id = $1",
        order["id"],
        sum(hour.total_bytes for hour in hours),
    )


def _charge_lost_gateway(shop: Shop, order: Mapping[str, Any], at: datetime, lost_bytes: int) -> None:
    shop.sql(
        "WITH lost AS (INSERT INTO gateway (uuid, host, started_at, seen_at, ended_at, is_lost) "
        "VALUES (gen_random_uuid(), 'lost.example.com', $1, $1, $1, true) RETURNING id) "
        "INSERT INTO lost_lease (gateway_id, order_id, account_id, bytes, charged_at) "
        "SELECT id, $2, $3, $4, $1 FROM lost",
        *(at, order["id"], order["account_id"], lost_bytes),
    )


def usage_of(shop: Shop, buyer: Buyer, uuid: str, **query: str) -> httpx.Response:
    """Ask for an order's usage; ``from_`` is ``from``."""
    params: dict[str, Any] = {name.rstrip("_"): value for name, value in query.items()}
    return shop.http.get(f"/orders/{uuid}/usage", params=params, headers=buyer.headers)
