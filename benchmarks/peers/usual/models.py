"""NovaProxy's tables as ORM classes, with the columns that an order of traffic needs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity
from sqlalchemy.dialects.postgresql import JSON, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 -- as SQLAlchemy documents it
        int: BigInteger,
        datetime: TIMESTAMP(timezone=True),
        list[dict[str, Any]]: JSONB,
    }


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID]
    email: Mapped[str | None]
    name: Mapped[str]
    status: Mapped[str]
    balance_cents: Mapped[int]
    ledger_version: Mapped[int]


class ApiToken(Base):
    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    token_hash: Mapped[bytes]
    revoked_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()


class Plan(Base):
    __tablename__ = "peer_plan"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]
    slug: Mapped[str]
    name: Mapped[str]
    type: Mapped[str]
    active: Mapped[bool]
    has_geo_targeting: Mapped[bool]
    has_ip_whitelist: Mapped[bool]
    rotations: Mapped[list[dict[str, Any]]]
    protocols: Mapped[list[dict[str, Any]]]
    max_orders_per_account: Mapped[int | None]

    tiers: Mapped[list["Tier"]] = relationship(order_by="Tier.bandwidth_gb")


class Tier(Base):
    __tablename__ = "peer_tier"

    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("peer_plan.id"))
    bandwidth_gb: Mapped[int]
    price_per_gb_e4: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    uuid: Mapped[UUID]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("peer_plan.id"))
    catalog_revision: Mapped[int]
    status: Mapped[str]
    gross_cents: Mapped[int]
    discount_cents: Mapped[int]
    net_cents: Mapped[int]
    bandwidth_gb: Mapped[int]
    options: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    username: Mapped[str]
    password_sealed: Mapped[bytes]
    sealing_key_id: Mapped[int]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    plan: Mapped[Plan] = relationship()
    meter: Mapped["Meter"] = relationship()
    charge: Mapped["Transfer"] = relationship(
        primaryjoin="and_(Transfer.order_id == Order.id, Transfer.kind == 'charge')"
    )


class Meter(Base):
    __tablename__ = "meter"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    initial_bytes: Mapped[int]
    consumed_bytes: Mapped[int]
    leased_bytes: Mapped[int]


class Transfer(Base):
    __tablename__ = "transfer"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    debit_account_id: Mapped[int]
    credit_account_id: Mapped[int]
    amount_cents: Mapped[int]
    kind: Mapped[str]
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    actor: Mapped[str]
    version: Mapped[int]
    balance_after_cents: Mapped[int]
    created_at: Mapped[datetime]
