"""What made-up buyers ask for: any plan on sale, any answer that its options allow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from random import Random

from novaproxy.catalog.listing import Listing
from novaproxy.catalog.model import Duration, Option, Plan, Tier
from novaproxy.catalog.rules import MAX_BANDWIDTH_GB
from novaproxy.http.body import JsonValue
from novaproxy.orders.request import OrderRequest

MOST_ANSWERS = 1_000
"""How many numbers at most an option is answered with; it may have no maximum."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account asked for, and when."""

    account_id: int
    request: OrderRequest
    at: datetime


def wishes(
    listing: Listing, account_ids: Sequence[int], begin: datetime, end: datetime, count: int, chance: Random
) -> list[Wish]:
    """Return *count* wishes of any of *account_ids*, at any time from *begin* to *end*, oldest first."""
    plans = listing.active_plans
    moments = sorted(begin + chance.random() * (end - begin) for _ in range(count))
    return [Wish(chance.choice(account_ids), wish(chance.choice(plans), chance), moment) for moment in moments]


def wish(plan: Plan, chance: Random) -> OrderRequest:
    """Return an order of *plan*; bounds that leave no value are for the rules to refuse."""
    if plan.tiers:
        return OrderRequest(plan=plan.slug, bandwidth=Decimal(_bandwidth_gb(plan.tiers, chance)))
    duration = chance.choice(plan.durations)
    return OrderRequest(plan=plan.slug, duration=duration.slug, config=_config(duration, chance) or None)


def _bandwidth_gb(tiers: Sequence[Tier], chance: Random) -> int:
    """Return an amount within some tier, oftener a small one."""
    place = min(chance.randrange(len(tiers)), chance.randrange(len(tiers)))
    least = tiers[place].bandwidth_gb
    most = tiers[place + 1].bandwidth_gb - 1 if place + 1 < len(tiers) else 2 * least
    return chance.randint(least, min(most, MAX_BANDWIDTH_GB))


def _config(duration: Duration, chance: Random) -> dict[str, JsonValue]:
    return {option.name: _answer(option, chance) for option in duration.options}


def _answer(option: Option, chance: Random) -> str | Decimal:
    if option.choices:
        return str(chance.choice(option.choices).value)
    least, step = option.min or Decimal(0), option.step or Decimal(1)
    first = int((least / step).to_integral_value(ROUND_CEILING))
    last = first + MOST_ANSWERS - 1
    if option.max is not None:
        last = min(last, int((option.max / step).to_integral_value(ROUND_FLOOR)))
    return chance.randint(first, last) * step if first <= last else least
