"""The decision on one order: what is asked for, what it costs, may they.

Pure: all that it needs, the time included, comes in as an argument (contract, section 3).
"""

from collections.abc import Mapping
from datetime import datetime

from novaproxy.catalog.listing import Listing
from novaproxy.catalog.model import Duration, Plan
from novaproxy.catalog.refusals import PlanNotActive, PlanNotFound, PlanNotText, PlanRequired
from novaproxy.catalog.rules import (
    Chosen,
    asked_bandwidth_gb,
    asked_duration,
    asked_options,
    bandwidth_price_cents,
    duration_price_cents,
)
from novaproxy.discounts.rules import CodeNotText, CodeNotValid, Redemption, discount_cents
from novaproxy.errors import Refusal
from novaproxy.http.body import JsonValue
from novaproxy.money import AMOUNT_CEILING_CENTS
from novaproxy.orders.model import Customer, Terms
from novaproxy.orders.request import OrderRequest


class OrderLimitReached(Refusal):
    """The account has as many orders of the plan as the plan allows."""

    code = "order_limit_reached"

    def __init__(self) -> None:
        super().__init__("You have reached the maximum number of orders for this plan.")


class InsufficientBalance(Refusal):
    """The balance does not cover the net price."""

    code = "insufficient_balance"

    def __init__(self) -> None:
        super().__init__("Insufficient balance.")


def decide(
    request: OrderRequest,
    customer: Customer,
    uses_by_code: Mapping[int, int],
    listing: Listing,
    now: datetime,
) -> Terms:
    """Return the terms on which *request* is accepted; the checks stand in the contract's order.

    *uses_by_code* holds the uses so far of each code of the batch, by code id.

    Raises:
        Refusal: the first check that fails.
    """
    plan = asked_plan(request.plan, listing)
    duration = asked_duration(plan, request.duration)
    options = asked_options(duration, request.config)
    if not plan.active:
        raise PlanNotActive
    bandwidth_gb = asked_bandwidth_gb(plan, request.bandwidth)
    gross_cents = _gross_cents(plan, bandwidth_gb, duration, options)
    if plan.max_orders_per_account is not None and customer.plan_orders.get(plan.id, 0) >= plan.max_orders_per_account:
        raise OrderLimitReached
    code_id, taken_off_cents = _discount(request.discount_code, plan, gross_cents, customer, uses_by_code, listing, now)
    if gross_cents > AMOUNT_CEILING_CENTS or customer.balance_cents < gross_cents - taken_off_cents:
        raise InsufficientBalance
    return Terms(
        plan=plan,
        duration=duration,
        bandwidth_gb=bandwidth_gb,
        options=options,
        gross_cents=gross_cents,
        discount_cents=taken_off_cents,
        discount_code_id=code_id,
        term=duration.slug if duration else plan.validity,
    )


def asked_plan(asked: JsonValue, listing: Listing) -> Plan:
    """Return the plan that is asked for, active or not (row 1).

    Raises:
        PlanRequired, PlanNotText, PlanNotFound.
    """
    if asked is None:
        raise PlanRequired
    if not isinstance(asked, str):
        raise PlanNotText
    plan = listing.plan_by_slug.get(asked)
    if plan is None:
        raise PlanNotFound(asked)
    return plan


def _gross_cents(plan: Plan, bandwidth_gb: int | None, duration: Duration | None, options: tuple[Chosen, ...]) -> int:
    if duration is not None:
        return duration_price_cents(duration, options)
    if bandwidth_gb is None:
        raise AssertionError("a plan sells traffic or time")
    return bandwidth_price_cents(plan, bandwidth_gb)


def _discount(
    asked: JsonValue,
    plan: Plan,
    gross_cents: int,
    customer: Customer,
    uses_by_code: Mapping[int, int],
    listing: Listing,
    now: datetime,
) -> tuple[int | None, int]:
    """Return the id of the code that is redeemed and what it takes off in cents; None and 0 without a code (row 16)."""
    if asked is None:
        return None, 0
    if not isinstance(asked, str):
        raise CodeNotText
    code = listing.code_by_key.get(asked.lower()) if asked.isascii() else None
    # A code that another process added a moment ago is in the catalog, but its uses were not read for this batch.
    if code is None or code.id not in uses_by_code:
        raise CodeNotValid
    redemption = Redemption(
        plan=plan.slug,
        gross_cents=gross_cents,
        uses=uses_by_code[code.id],
        account_uses=customer.code_uses.get(code.id, 0),
        is_first_order=not customer.has_ordered,
        now=now,
    )
    return code.id, discount_cents(code, redemption)
