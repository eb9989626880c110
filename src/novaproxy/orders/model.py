"""An order and what the decision on it rests on."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from novaproxy.catalog.model import Delivery, Duration, Plan
from novaproxy.catalog.rules import Chosen
from novaproxy.errors import Refusal
from novaproxy.http.body import Fields


class OrderStatus(StrEnum):
    """Where an order stands (contract, section 5)."""

    AWAITING_PAYMENT = "awaiting_payment"
    ACTIVE = "active"
    INACTIVE = "inactive"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    PENDING = "pending"
    FAILED = "failed"
    INVOICE_EXPIRED = "invoice_expired"


class Ask(Struct, frozen=True):
    """One call of ``POST /orders``: who asks, by the hash of his token, under which key, and for what.

    *request_id* is for the log alone; no decision looks at it.
    """

    token_hash: bytes
    idempotency_key: str | None
    fields: Fields
    key_fault: Refusal | None = None
    request_id: str = ""


@dataclass(slots=True)
class Customer:
    """An account as locked by the batch; what earlier orders of the same batch changed is already in it.

    *plan_orders* counts, by plan id, the orders that weigh against the plan's limit; *code_uses* the redemptions by
    code id; *keys* holds the uuid and the request hash of the order behind each idempotency key.
    """

    account_id: int
    balance_cents: int
    ledger_version: int
    plan_orders: dict[int, int] = field(default_factory=dict)
    code_uses: dict[int, int] = field(default_factory=dict)
    keys: dict[str, tuple[UUID, bytes]] = field(default_factory=dict)

    @property
    def has_ordered(self) -> bool:
        """Whether an order outside failed and invoice_expired exists, of any plan."""
        return any(self.plan_orders.values())


class Terms(Struct, frozen=True):
    """What was agreed: the decision's result, before credentials are issued and anything is written."""

    plan: Plan
    duration: Duration | None
    bandwidth_gb: int | None
    options: tuple[Chosen, ...]
    gross_cents: int
    discount_cents: int
    discount_code_id: int | None
    term: str | None

    @property
    def net_cents(self) -> int:
        """What is charged."""
        return self.gross_cents - self.discount_cents

    @property
    def status(self) -> OrderStatus:
        """Active at once where the gateway delivers, pending where the operator does."""
        return OrderStatus.PENDING if self.plan.delivery is Delivery.MANUAL else OrderStatus.ACTIVE


class Order(Struct, frozen=True):
    """An order as a row tells it. Prices in cents; *options* is the JSON array of the resolved choices, as sold."""

    uuid: UUID
    account_id: int
    plan_id: int
    status: OrderStatus
    gross_cents: int
    discount_cents: int
    net_cents: int
    options: bytes
    username: str | None
    password: str | None
    initial_bytes: int | None
    consumed_bytes: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
