"""PlanResource: a plan on the wire (contract, section 2), encoded once a revision."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from novaproxy.catalog.listing import Listing
from novaproxy.catalog.model import Choice, Duration, Option, OptionType, Plan, PlanType, Tier
from novaproxy.http.kept import JSON, Kept, kept
from novaproxy.http.wire import ENCODER, plain_json
from novaproxy.money import json_e4

BYTES_PER_GB = 2**30


@dataclass(frozen=True, slots=True)
class Showcase:
    """A revision as it is shown.

    Attributes:
        plan_json: each plan by id, as it stands in orders too.
        plan_pages: each active plan by slug.
        plans_page: the list of active plans.
    """

    listing: Listing
    plan_json: dict[int, msgspec.Raw]
    plan_pages: dict[str, Kept]
    plans_page: Kept


def showcase(listing: Listing) -> Showcase:
    """Return *listing* with its plans encoded."""
    encoded = {plan.id: msgspec.Raw(ENCODER.encode(plan_resource(plan))) for plan in listing.catalog.plans}
    return Showcase(
        listing,
        encoded,
        {plan.slug: kept(JSON, bytes(encoded[plan.id])) for plan in listing.active_plans},
        kept(JSON, ENCODER.encode([encoded[plan.id] for plan in listing.active_plans])),
    )


def plan_resource(plan: Plan) -> dict[str, Any]:
    """Return the members of a PlanResource."""
    resource: dict[str, Any] = {
        "id": plan.id,
        "name": plan.name,
        "slug": plan.slug,
        "type": plan.type,
        "has_geo_targeting": plan.has_geo_targeting,
        "has_ip_whitelist": plan.has_ip_whitelist,
        "rotations": [{"code": rotation.code, "name": rotation.name} for rotation in plan.rotations],
        "protocols": [
            {"code": protocol.code, "port": protocol.port, "host": protocol.host} for protocol in plan.protocols
        ],
    }
    if plan.type is PlanType.BANDWIDTH:
        resource["bandwidths"] = [_tier_resource(tier) for tier in plan.tiers]
    else:
        resource["durations"] = [_duration_resource(duration) for duration in plan.durations]
    return resource


def _tier_resource(tier: Tier) -> dict[str, Any]:
    return {
        "id": tier.id,
        "bandwidth": tier.bandwidth_gb,
        "bandwidth_unit": "GB",
        "bandwidth_in_bytes": tier.bandwidth_gb * BYTES_PER_GB,
        "price_per_gb": json_e4(tier.price_per_gb_e4),
    }


def _duration_resource(duration: Duration) -> dict[str, Any]:
    return {
        "slug": duration.slug,
        "id": duration.id,
        "name": duration.name,
        "price": json_e4(duration.price_e4),
        "options": [_option_resource(option) for option in duration.options],
    }


def _option_resource(option: Option) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "id": option.id,
        "name": option.name,
        "label": option.label,
        "type": option.type,
    }
    if option.type is OptionType.SELECT:
        resource["options"] = [_choice_resource(choice) for choice in option.choices]
    else:
        resource["min"] = _bound(option.min)
        resource["max"] = _bound(option.max)
        resource["step"] = _bound(option.step)
        resource["price_per_unit"] = json_e4(option.price_per_unit_e4)
    return resource


def _choice_resource(choice: Choice) -> dict[str, Any]:
    return {"value": choice.value, "label": choice.label, "price": json_e4(choice.price_e4)}


def _bound(number: Decimal | None) -> msgspec.Raw | None:
    return None if number is None else plain_json(number)
