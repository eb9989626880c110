"""What the shop sells: plans, tiers, durations, options, discount codes.

The same frozen objects are read from the operator's file, stored as a revision's immutable document and held in memory
by every process. Ids are 0 until the store has given lasting ones.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class PlanType(StrEnum):
    """What is sold: an amount of traffic, or time."""

    BANDWIDTH = "bandwidth"
    DURATION = "duration"


class OptionType(StrEnum):
    """How an option is answered: by one of its choices, or by a number."""

    SELECT = "select"
    NUMBER = "number"
    RANGE = "range"


class Delivery(StrEnum):
    """Who delivers an order: the gateway at once, or the operator by hand."""

    GATEWAY = "gateway"
    MANUAL = "manual"


class Rotation(msgspec.Struct, frozen=True):
    """A way in which exits change."""

    code: str
    name: str


class Protocol(msgspec.Struct, frozen=True):
    """An entrance of the proxy."""

    code: str
    host: str
    port: int


class Tier(msgspec.Struct, frozen=True):
    """From *bandwidth_gb* on (GB of 2**30 bytes), each GB costs *price_per_gb_e4*."""

    bandwidth_gb: int
    price_per_gb_e4: int
    id: int = 0


class Choice(msgspec.Struct, frozen=True):
    """One value of a select option; opaque text, or an integer, as the catalog writes it."""

    value: str | int
    label: str
    price_e4: int = 0


class Option(msgspec.Struct, frozen=True):
    """Something the buyer chooses with a duration.

    A select has *choices*; a number and a range have bounds and a price per unit.
    """

    name: str
    label: str
    type: OptionType
    choices: tuple[Choice, ...] = ()
    min: Decimal | None = None
    max: Decimal | None = None
    step: Decimal | None = None
    price_per_unit_e4: int = 0
    id: int = 0


class Duration(msgspec.Struct, frozen=True):
    """A length of time that is sold; its slug says how long (``1_week``)."""

    slug: str
    name: str
    price_e4: int
    options: tuple[Option, ...] = ()
    id: int = 0


class Plan(msgspec.Struct, frozen=True):
    """A product: of type bandwidth with *tiers*, ascending, or of type duration with *durations*."""

    slug: str
    name: str
    type: PlanType
    active: bool = True
    has_geo_targeting: bool = False
    has_ip_whitelist: bool = False
    rotations: tuple[Rotation, ...] = ()
    protocols: tuple[Protocol, ...] = ()
    max_orders_per_account: int | None = None
    validity: str | None = None
    delivery: Delivery = Delivery.GATEWAY
    tiers: tuple[Tier, ...] = ()
    durations: tuple[Duration, ...] = ()
    id: int = 0


class DiscountCode(msgspec.Struct, frozen=True):
    """A code that lowers a price: by *percent_e2* (hundredths of a percent) or by *amount_cents*.

    *plans* are slugs, None is every plan. A None limit is no limit.
    """

    code: str
    percent_e2: int | None = None
    amount_cents: int | None = None
    max_uses: int | None = None
    max_uses_per_account: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    plans: tuple[str, ...] | None = None
    minimum_gross_cents: int | None = None
    first_order_only: bool = False
    id: int = 0


class UpstreamType(StrEnum):
    """How an exit is reached: not at all, since it is this machine, or as a proxy of somebody's."""

    DIRECT = "direct"
    HTTP = "http"
    SOCKS5 = "socks5"


class Upstream(msgspec.Struct, frozen=True):
    """An exit of the operator's: this machine (*direct*, from its address *source* where one is given), or a proxy.

    *name* tells it apart. *country*, *state*, *city* and *tags* are lower case. *plans* are slugs, None is every plan.
    Of several that fit, each is taken as often as its *weight* says. Beside a *username* stands its *password*, or
    *password_env*: the variable of the gateway's environment that holds it.
    """

    name: str
    type: UpstreamType
    host: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = None
    password_env: str | None = None
    source: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    tags: tuple[str, ...] = ()
    weight: int = 1
    plans: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Return its name alone: no log and no traceback shows its password."""
        return f"Upstream({self.name!r})"


class Catalog(msgspec.Struct, frozen=True):
    """One revision of everything that is sold, in the order of the operator's file.

    *currency* is None until a first catalog says it. Codes that are withdrawn are not in it. Without *upstreams* all
    plans leave through this machine itself.
    """

    currency: str | None
    plans: tuple[Plan, ...] = ()
    discount_codes: tuple[DiscountCode, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
