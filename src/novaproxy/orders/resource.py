"""UserPlanResource: an order on the wire (contract, section 4)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from novaproxy.accounts.model import Account
from novaproxy.catalog.resource import Showcase
from novaproxy.catalog.rules import Chosen
from novaproxy.http.wire import ENCODER, json_moment, json_second, plain_json
from novaproxy.money import json_cents
from novaproxy.orders.model import Order
from novaproxy.orders.moves import status_at


def order_json(order: Order, showcase: Showcase, now: datetime, account: Account | None = None) -> bytes:
    """Return *order* as JSON; *account* is shown where it is given (list and get), not in the answer to a create."""
    return ENCODER.encode(order_resource(order, showcase, now, account))


def order_resource(order: Order, showcase: Showcase, now: datetime, account: Account | None = None) -> dict[str, Any]:
    """Return the members of a UserPlanResource."""
    initial = order.initial_bytes
    resource: dict[str, Any] = {
        "uuid": order.uuid,
        "username": order.username,
        "password": order.password,
        "initial_bandwidth_in_bytes": initial,
        "remaining_bandwidth_in_bytes": None if initial is None else initial - order.consumed_bytes,
        "consumed_bandwidth_in_bytes": order.consumed_bytes,
        "expires_at": None if order.expires_at is None else json_second(order.expires_at),
        "status": status_at(order.status, order.expires_at, now),
        "price": {
            "gross": json_cents(order.gross_cents),
            "discount": json_cents(order.discount_cents),
            "net": json_cents(order.net_cents),
        },
    }
    if account is not None:
        resource["user"] = {"uuid": account.uuid, "email": account.email, "name": account.name}
    resource["plan"] = showcase.plan_json[order.plan_id]
    resource["duration_options"] = msgspec.Raw(order.options)
    resource["created_at"] = json_moment(order.created_at)
    resource["updated_at"] = json_moment(order.updated_at)
    return resource


def options_json(options: tuple[Chosen, ...]) -> bytes:
    """Return the resolved choices as the JSON array that is stored with an order and shown."""
    return ENCODER.encode(
        [
            {
                "name": option.name,
                "label": option.label,
                "value": plain_json(option.value) if isinstance(option.value, Decimal) else option.value,
                "value_label": option.value_label,
                "price": json_cents(option.price_cents),
            }
            for option in options
        ],
    )
