"""What goes over the wire, as pydantic models."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Amount = Annotated[Decimal, PlainSerializer(float, when_used="json")]
"""A JSON number, as the contract wants it."""


class OrderCreate(BaseModel):
    plan: str
    bandwidth: int = Field(ge=1, le=8_388_608)


class Resource(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TierResource(Resource):
    id: int
    bandwidth: int
    bandwidth_unit: str
    bandwidth_in_bytes: int
    price_per_gb: Amount


class PlanResource(Resource):
    id: int
    name: str
    slug: str
    type: str
    has_geo_targeting: bool
    has_ip_whitelist: bool
    rotations: list[dict[str, Any]]
    protocols: list[dict[str, Any]]
    bandwidths: list[TierResource]


class PriceResource(Resource):
    gross: Amount
    discount: Amount
    net: Amount


class OrderResource(Resource):
    uuid: UUID
    username: str
    password: str
    initial_bandwidth_in_bytes: int
    remaining_bandwidth_in_bytes: int
    consumed_bandwidth_in_bytes: int
    expires_at: datetime | None
    status: str
    price: PriceResource
    plan: PlanResource
    duration_options: list[dict[str, Any]]
    created_at: datetime
    updated_at: datetime
