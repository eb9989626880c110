"""The answers of status 200 and 201, member by member, for the description alone.

What is really written are the mappings of ``catalog.resource``, ``orders.resource`` and ``ledger.api``; tests hold
real answers against these classes. Their docstrings and descriptions are what a buyer's developer reads.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct
from msgspec import field as msgspec_field
from msgspec.json import schema_components

from novaproxy.orders.model import OrderStatus

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema of the draft 2020-12, as OpenAPI 3.1 takes it."""

REFERENCE = "#/components/schemas/{name}"

_STAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"
_WHOLE_SECOND = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
_NAME = "^[a-z0-9]{15}$"

# A float names JSON's number here, nothing else: no amount is ever computed with these classes.
Amount: TypeAlias = Annotated[float, Meta(ge=0, extra_json_schema={"examples": [19.99]})]
ListPrice: TypeAlias = Annotated[float, Meta(ge=0, extra_json_schema={"examples": [4.5075]})]
Stamp: TypeAlias = Annotated[datetime, Meta(extra_json_schema={"format": "date-time", "pattern": _STAMP})]
WholeSecond: TypeAlias = Annotated[datetime, Meta(extra_json_schema={"format": "date-time", "pattern": _WHOLE_SECOND})]
Name: TypeAlias = Annotated[str, Meta(pattern=_NAME)]
Bytes: TypeAlias = Annotated[int, Meta(ge=0)]
Id: TypeAlias = Annotated[int, Meta(ge=1)]


class Exact(Struct, forbid_unknown_fields=True, kw_only=True):
    """A resource has exactly the members that are described."""


class Rotation(Exact):
    """A way in which the address that websites see changes."""

    code: Annotated[str, Meta(description="The short name of the rotation.", examples=["rotating"])]
    name: Annotated[str, Meta(description="What a checkout shows.", examples=["New address for every request"])]


class Protocol(Exact):
    """An entrance to the proxies of a plan. Connect here with an order's `username` and `password`."""

    code: Annotated[str, Meta(description="The protocol that is spoken there.", examples=["socks5"])]
    port: Annotated[int, Meta(ge=1, le=65_535, description="The port to connect to.")]
    host: Annotated[str, Meta(description="The host to connect to.", examples=["proxy.example.com"])]


class BandwidthTier(Exact):
    """A volume price. The greatest tier not above the amount gives the price of **every** GB of the order."""

    id: Annotated[Id, Meta(description="The tier's lasting id.")]
    bandwidth: Annotated[int, Meta(ge=1, description="From this many GB on.", examples=[10])]
    bandwidth_unit: Annotated[Literal["GB"], Meta(description="1 GB is 2^30 bytes.")]
    bandwidth_in_bytes: Annotated[Bytes, Meta(description="`bandwidth` in bytes.", examples=[10_737_418_240])]
    price_per_gb: Annotated[ListPrice, Meta(description="The price of each GB, with up to four decimals.")]


class OptionChoice(Exact):
    """One value of a `select`."""

    value: Annotated[
        str | int,
        Meta(
            description='What to send in `config`. It is opaque: `10` and `"10"` are the same choice, nothing else is.',
            examples=["us", 10],
        ),
    ]
    label: Annotated[str, Meta(description="What a checkout shows.", examples=["United States"])]
    price: Annotated[ListPrice, Meta(description="What this choice adds to the price of the duration.")]


class Option(Exact):
    """What all options of a duration have."""

    id: Annotated[Id, Meta(description="The option's lasting id.")]
    name: Annotated[str, Meta(description="The option's key in `config`.", examples=["speed"])]
    label: Annotated[str, Meta(description="What a checkout shows.", examples=["Speed in Mbit/s"])]


class SelectOption(Option, tag_field="type", tag="select"):
    """An option that is answered with one of its choices."""

    options: Annotated[list[OptionChoice], Meta(description="The choices, in the order in which to show them.")]


class NumericOption(Option):
    """What the two kinds of options have that are answered with a number."""

    min: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="The least value. Where it is null, 0 is.", examples=[1]),
    ]
    max: Annotated[float | None, Meta(description="The greatest value. Null: there is none.", examples=[100])]
    step: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="The value must be a multiple of it, counted from 0. Null: any value will do.", examples=[1]),
    ]
    price_per_unit: Annotated[ListPrice, Meta(description="The option adds the value times this to the price.")]


class NumberOption(NumericOption, tag_field="type", tag="number"):
    """An option that is answered with a number; a checkout draws a field."""


class RangeOption(NumericOption, tag_field="type", tag="range"):
    """An option that is answered with a number; a checkout draws a slider."""


class PlanDuration(Exact):
    """A length of time that a plan sells, and what must be said with it."""

    slug: Annotated[
        str,
        Meta(
            pattern="^[1-9][0-9]*_(minute|hour|day|week|month|year)s?$",
            description="What to send as `duration`. Months and years are those of the calendar.",
            examples=["1_week"],
        ),
    ]
    id: Annotated[Id, Meta(description="The duration's lasting id.")]
    name: Annotated[str, Meta(description="What a checkout shows.", examples=["1 week"])]
    price: Annotated[ListPrice, Meta(description="The price of the duration, before its options.")]
    options: Annotated[
        list[SelectOption | NumberOption | RangeOption],
        Meta(description="An order must answer each of them in `config`. Empty: `config` is not needed."),
    ]


class Plan(Exact):
    """What all plans have."""

    id: Annotated[Id, Meta(description="The plan's lasting id.")]
    name: Annotated[str, Meta(description="What a checkout shows.", examples=["Residential"])]
    slug: Annotated[str, Meta(description="What to send as `plan` in an order.", examples=["residential"])]
    has_geo_targeting: Annotated[bool, Meta(description="Whether the plan offers geo targeting.")]
    has_ip_whitelist: Annotated[bool, Meta(description="Whether the plan offers an IP whitelist.")]
    rotations: list[Rotation]
    protocols: list[Protocol]


class BandwidthPlan(Plan, tag_field="type", tag="bandwidth"):
    """A plan that sells an amount of traffic. An order names `bandwidth`, in whole GB."""

    bandwidths: Annotated[
        list[BandwidthTier],
        Meta(min_length=1, description="The volume prices, ascending. The first is also the smallest order."),
    ]


class DurationPlan(Plan, tag_field="type", tag="duration"):
    """A plan that sells time. An order names `duration`, and answers its options in `config`."""

    durations: Annotated[list[PlanDuration], Meta(min_length=1, description="The lengths of time to choose from.")]


PlanResource: TypeAlias = BandwidthPlan | DurationPlan


class Price(Exact):
    """What an order costs, as it was sold."""

    gross: Annotated[Amount, Meta(description="The price before the discount code.")]
    discount: Annotated[Amount, Meta(description="What the discount code took off; 0 without one.", examples=[2])]
    net: Annotated[Amount, Meta(description="What was charged to the balance: gross less discount.", examples=[17.99])]


class ResolvedOption(Exact):
    """An answer to one option of the duration, and its line of the price, as they were sold."""

    name: Annotated[str, Meta(description="The option's name.", examples=["speed"])]
    label: Annotated[str, Meta(description="The option's label.", examples=["Speed in Mbit/s"])]
    value: Annotated[
        str | float,
        Meta(description="The choice's value as in the catalog, or the number in its shortest form.", examples=[10]),
    ]
    value_label: Annotated[str, Meta(description="The choice's label, or the number as text.", examples=["10"])]
    price: Annotated[Amount, Meta(description="This line of the price.", examples=[1])]


class Owner(Exact):
    """Whose order it is."""

    uuid: UUID
    email: Annotated[str, Meta(examples=["ada@example.com"])]
    name: Annotated[str, Meta(description="Empty where none was given.", examples=["Ada Lane"])]


class UserPlanResource(Exact):
    """An order: what was sold, and how it stands."""

    uuid: Annotated[UUID, Meta(description="The order's only identifier.")]
    username: Annotated[
        Name | None,
        Meta(
            description="The name for the proxies. Null in `pending`, `awaiting_payment` and `invoice_expired`, and in "
            "`failed` where nothing was ever delivered; in every other status it is there.",
            examples=["k3v9q0x7m2c8r5t"],
        ),
    ]
    password: Annotated[
        Name | None,
        Meta(
            description="The password for the proxies; null exactly where `username` is.", examples=["p7w1z4n6h0d2s8b"]
        ),
    ]
    initial_bandwidth_in_bytes: Annotated[
        Bytes | None,
        Meta(description="The traffic that was bought: GB x 2^30. Null where traffic is not metered."),
    ]
    remaining_bandwidth_in_bytes: Annotated[
        Bytes | None,
        Meta(description="What is left: initial less consumed. Null where traffic is not metered."),
    ]
    consumed_bandwidth_in_bytes: Annotated[Bytes, Meta(description="What was used so far.")]
    expires_at: Annotated[
        WholeSecond | None,
        Meta(
            description="When the order ends, in UTC, without fractions of a second. Null while it is pending, and "
            "where traffic has no end.",
            examples=["2026-06-03T12:00:00Z"],
        ),
    ]
    status: Annotated[
        str,
        Meta(
            description="Where the order stands. `active`: the credentials work. `pending`: paid, and not delivered "
            "yet. `failed`: delivery failed, and the net price went back to the balance. `inactive`: switched off by "
            "the operator. `expired`: `expires_at` has passed. `exhausted`: nothing remains. `awaiting_payment` and "
            "`invoice_expired` are of orders made on the web with an invoice; this API never makes one.",
            extra_json_schema={"enum": [str(status) for status in OrderStatus]},
        ),
    ]
    price: Price
    plan: Annotated[
        PlanResource,
        Meta(description="The plan as the catalog has it now; price, options, bytes and expiry are as they were sold."),
    ]
    duration_options: Annotated[
        list[ResolvedOption], Meta(description="The answers to the duration's options. Empty where it has none.")
    ]
    created_at: Annotated[
        Stamp,
        Meta(description="When it was placed, in UTC.", examples=["2026-01-04T21:19:12.000000Z"]),
    ]
    updated_at: Annotated[
        Stamp,
        Meta(description="When it last changed, in UTC.", examples=["2026-01-04T21:19:12.000000Z"]),
    ]


class UserPlanResourceWithUser(UserPlanResource):
    """An order, and whose it is. The answer to `POST /orders` is the same without `user`."""

    user: Owner


class AccountBalance(Exact):
    """What the account may spend."""

    balance: Annotated[Amount, Meta(description="The balance; never below 0.", examples=[93.2])]
    currency: Annotated[
        Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None,
        Meta(description="The shop's one currency (ISO 4217). Null until the shop has a catalog.", examples=["USD"]),
    ]


class BalanceEntry(Exact):
    """One movement of the balance. All entries together sum to it."""

    amount: Annotated[float, Meta(description="Below 0 where money left the balance.", examples=[-17.99])]
    balance_after: Annotated[Amount, Meta(description="The balance right after this entry.", examples=[32.01])]
    kind: Annotated[
        Literal["charge", "refund", "credit", "debit"],
        Meta(
            description="`charge`: an order was paid. `refund`: an order failed and its price came back. `credit` and "
            "`debit`: the operator put money on the balance, or took it off.",
        ),
    ]
    order_uuid: Annotated[
        UUID | None, Meta(description="The order of a charge or a refund; null for a credit or debit.")
    ]
    reason: Annotated[
        str | None,
        Meta(
            description="What the operator wrote to a credit or debit, or why an order failed; null for a charge.",
            examples=["Bank transfer"],
        ),
    ]
    created_at: Annotated[Stamp, Meta(examples=["2026-01-04T21:19:12.000000Z"])]


class WhitelistAddress(Exact):
    """An address from which the proxy of the order needs no password."""

    address: Annotated[
        str,
        Meta(
            description="One IPv4 or IPv6 address, in its usual form; an IPv4 address that was sent mapped into IPv6 "
            "is shown as such.",
            examples=["203.0.113.7", "2001:db8::7"],
        ),
    ]
    created_at: Annotated[
        Stamp, Meta(description="Since when it is listed, in UTC.", examples=["2026-01-04T21:19:12.000000Z"])
    ]


class UsageTotals(Exact):
    """What passed through the proxy of the order in some time, and what did not."""

    bytes_up: Annotated[Bytes, Meta(description="Bytes that came from the client.")]
    bytes_down: Annotated[Bytes, Meta(description="Bytes that went to the client.")]
    bytes_lost: Annotated[
        Bytes,
        Meta(
            description="Bytes that were charged for a gateway that was lost: what it had reserved, of which nobody "
            "knows how much had passed. Nearly always 0."
        ),
    ]
    bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="All three together. The sum over the order's whole time is its `consumed_bandwidth_in_bytes`.",
        ),
    ]
    connections: Annotated[int, Meta(ge=0, description="Connections through the proxy that were opened.")]
    refusals: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]],
        Meta(
            description="How many connections the proxy refused once it knew the order, by their `X-Error-Code`.",
            examples=[{"no_exit": 2}],
        ),
    ]


class UsageRow(UsageTotals):
    """The same of one hour, or of one day of UTC."""

    from_: Annotated[WholeSecond, Meta(description="When it begins, in UTC.", examples=["2026-01-04T21:00:00Z"])] = (
        msgspec_field(name="from")
    )


class Usage(Exact):
    """What passed through the proxy of an order, by the hour or by the day."""

    interval: Annotated[Literal["hour", "day"], Meta(description="Of how long one row tells.")]
    from_: Annotated[
        WholeSecond,
        Meta(description="When the first interval begins, in UTC.", examples=["2026-01-04T00:00:00Z"]),
    ] = msgspec_field(name="from")
    to: Annotated[
        WholeSecond, Meta(description="When the last interval ends, in UTC.", examples=["2026-01-05T00:00:00Z"])
    ]
    rows: Annotated[
        list[UsageRow],
        Meta(description="The intervals in which there was anything, in their order; empty ones have no row."),
    ]
    totals: Annotated[UsageTotals, Meta(description="All rows together.")]


class Health(Exact):
    """The process is there."""

    status: Literal["ok"]


class Readiness(Exact):
    """The database answers, and its schema is this version's."""

    status: Literal["ready"]


class Error(Exact):
    """Each answer of status 400 and above, and nothing else in it."""

    error: Annotated[
        str,
        Meta(
            description="One sentence for people. Programs act on `X-Error-Code`.", examples=["Insufficient balance."]
        ),
    ]


_UNIONS: dict[str, tuple[Any, str]] = {
    "PlanResource": (PlanResource, "Something that is sold: traffic (`bandwidth`) or time (`duration`)."),
    "OptionResource": (
        SelectOption | NumberOption | RangeOption,
        "Something that is chosen with a duration: one of its choices (`select`), or a number (`number`, `range`).",
    ),
}
_RESOURCES = (
    UserPlanResource,
    UserPlanResourceWithUser,
    WhitelistAddress,
    Usage,
    AccountBalance,
    BalanceEntry,
    Health,
    Readiness,
    Error,
)


def resource_schemas() -> dict[str, Schema]:
    """Return the schemas of all answers by name; the two unions stand once, and are referred to."""
    kinds = [union for union, _ in _UNIONS.values()]
    roots, components = schema_components([*kinds, *_RESOURCES], ref_template=REFERENCE)
    unions = dict(zip(_UNIONS, roots, strict=False))
    named = {name: {"title": name, "description": says, **unions[name]} for name, (_, says) in _UNIONS.items()}
    return named | {name: _told(schema, unions) for name, schema in components.items()}


def _told(schema: Any, unions: dict[str, Schema]) -> Any:  # noqa: ANN401 -- any part of a schema
    """Return *schema* with references to the unions, and with the type of each enumeration of texts."""
    if isinstance(schema, list):
        return [_told(part, unions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    for name, union in unions.items():
        if schema.get("anyOf") == union["anyOf"]:
            rest = {key: part for key, part in schema.items() if key not in union}
            return {"$ref": REFERENCE.format(name=name), **rest}
    told = {key: _told(part, unions) for key, part in schema.items()}
    return {"type": "string", **told} if "enum" in told else told
