"""An order as admission reads it from the database, and what stands in its way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from novaproxy.gateway.refusals import (
    AccountSuspended,
    CredentialsNotValid,
    OrderExhausted,
    OrderExpired,
    OrderInactive,
    ProxyRefusal,
)
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.moves import status_at


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order's row, as of *read_at*. *password_digest* is None where its seal cannot be opened here.

    *is_by_hand*: the operator delivered it, so that its credentials are those of another system, whatever the catalog
    says by now. *is_used_up*: all that was bought is counted. *initial_bytes* is None where it is unmetered.
    """

    id: int
    uuid: UUID
    account_id: int
    plan_id: int
    username: str
    password_sealed: bytes | None = field(repr=False)
    password_digest: bytes | None = field(repr=False)
    status: OrderStatus
    is_suspended: bool
    is_by_hand: bool
    is_used_up: bool
    initial_bytes: int | None
    options: str
    expires_at: datetime | None
    read_at: datetime


def found_order(row: Mapping[str, Any] | asyncpg.Record, password_digest: bytes | None) -> FoundOrder:
    """Return the order of *row*, which has one."""
    return FoundOrder(
        id=row["id"],
        uuid=row["uuid"],
        account_id=row["account_id"],
        plan_id=row["plan_id"],
        username=row["username"],
        password_sealed=row["password_sealed"],
        password_digest=password_digest,
        status=OrderStatus(row["status"]),
        is_suspended=row["account_status"] != "active",
        is_by_hand=bool(row["is_by_hand"]),
        is_used_up=bool(row["is_used_up"]),
        initial_bytes=row["initial_bytes"],
        options=row["options"],
        expires_at=row["expires_at"],
        read_at=row["read_at"],
    )


def standing(order: FoundOrder, now: datetime) -> type[ProxyRefusal] | None:
    """Return why nothing may pass for *order*, None where it may."""
    if order.is_by_hand:
        return CredentialsNotValid
    if order.is_suspended:
        return AccountSuspended
    status = status_at(order.status, order.expires_at, now)
    if status is OrderStatus.ACTIVE:
        return OrderExhausted if order.is_used_up else None
    # Of the others nothing was ever delivered, or no longer is.
    return _REASONS.get(status, CredentialsNotValid)


_REASONS: Mapping[OrderStatus, type[ProxyRefusal]] = {
    OrderStatus.INACTIVE: OrderInactive,
    OrderStatus.EXPIRED: OrderExpired,
    OrderStatus.EXHAUSTED: OrderExhausted,
}
