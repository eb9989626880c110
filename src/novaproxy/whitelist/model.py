"""An address from which an order's proxy needs no password."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from novaproxy.orders.model import OrderStatus

Address: TypeAlias = IPv4Address | IPv6Address
"""A client's; one that came mapped into IPv6 is an IPv4Address."""

MOST_ADDRESSES = 20
"""How many an order may list."""


@dataclass(frozen=True, slots=True)
class ListedAddress:
    """An address on an order's whitelist, and since when it is there."""

    address: Address
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListingOrder:
    """The order whose whitelist it is; *status* as a read shows it now."""

    id: int
    account_id: int
    plan_id: int
    status: OrderStatus
