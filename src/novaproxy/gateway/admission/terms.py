"""What an order may do at the gateway: what was chosen when it was sold, and what its plan allows now."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from novaproxy.catalog.model import Catalog, Delivery, Plan
from novaproxy.gateway.model import Entrance, Wish
from novaproxy.gateway.refusals import ParameterNotValid, WrongPort

STICKY = "sticky"
"""The rotation's code with which a plan sells sessions. What a plan does not list it does not sell: one without any
rotation has no sessions."""

_BITS = 8
_MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Bought:
    """What an order's resolved options say; None: no limit, any country.

    *bytes_per_second* is the option ``speed`` (Mbit/s of 10**6 bits), *threads* the tunnels at once, *country* lower
    case.
    """

    bytes_per_second: int | None = None
    threads: int | None = None
    country: str | None = None

    @property
    def speed_mbits(self) -> int | None:
        """The speed in whole Mbit/s, a part of one for one; None: no limit."""
        return None if self.bytes_per_second is None else -(-self.bytes_per_second * _BITS // _MEGA)


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan allows by the newest catalog. *places* are the ports and entrances on which it is served."""

    slug: str
    has_geo_targeting: bool
    has_sessions: bool
    has_ip_whitelist: bool
    places: frozenset[tuple[int, Entrance]]


def bought(options: str) -> Bought:
    """Return what the JSON array *options* of an order says.

    A speed or a number of threads that is no positive number, such as the choice ``unlimited``, is no limit.
    """
    chosen = {option["name"]: option["value"] for option in json.loads(options, parse_float=Decimal)}
    speed, threads = _positive(chosen.get("speed")), _positive(chosen.get("threads"))
    country = chosen.get("country")
    return Bought(
        None if speed is None else max(1, int(speed * _MEGA / _BITS)),
        # Half a thread was sold as one: less than one would be an order that never works.
        None if threads is None else max(1, int(threads)),
        None if country is None else str(country).lower(),
    )


def _positive(value: str | int | Decimal | None) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number > 0 else None


def plans_terms(catalog: Catalog) -> Mapping[int, PlanTerms]:
    """Return what the plans of *catalog* allow, by their ids."""
    return {plan.id: _plan_terms(plan) for plan in catalog.plans}


def _plan_terms(plan: Plan) -> PlanTerms:
    return PlanTerms(
        slug=plan.slug,
        has_geo_targeting=plan.has_geo_targeting,
        has_sessions=any(rotation.code == STICKY for rotation in plan.rotations),
        has_ip_whitelist=plan.has_ip_whitelist,
        places=_places(plan),
    )


def _places(plan: Plan) -> frozenset[tuple[int, Entrance]]:
    if plan.delivery is Delivery.MANUAL:
        # Its protocols are the entrances of another system.
        return frozenset()
    codes = set(Entrance)
    return frozenset((protocol.port, Entrance(protocol.code)) for protocol in plan.protocols if protocol.code in codes)


def check_place(plan: PlanTerms, port: int, entrance: Entrance) -> None:
    """Check that *plan* is served on *port* with this protocol.

    Raises:
        WrongPort: it is not.
    """
    if (port, entrance) not in plan.places:
        raise WrongPort


def check_wish(plan: PlanTerms, order: Bought, wish: Wish) -> None:
    """Check that what *wish* asks of the exit was sold.

    Raises:
        ParameterNotValid: the plan has no geo-targeting or no sessions, or another country was bought.
    """
    if order.country is not None and wish.country not in (None, order.country):
        raise ParameterNotValid("Another country was bought with this order.")
    is_placed = wish.state is not None or wish.city is not None
    if not plan.has_geo_targeting and (is_placed or wish.country not in (None, order.country)):
        raise ParameterNotValid("This plan has no geo-targeting: leave country, state and city out.")
    if not plan.has_sessions and (wish.session is not None or wish.ttl_seconds is not None):
        raise ParameterNotValid("This plan has no sticky sessions: leave the session out.")
