"""The operator's catalog file: its shape and its rules (catalog format).

The file is read to the end whatever is wrong with it, so that the operator sees every fault at once, each with its
place and line: ``plans[1].durations[0].options[0].step: must be above 0 (line 14)``. What a single text must look like
stands in ``written``; what may stand together stands here.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from importlib import resources
from typing import Final, assert_never

from novaproxy.catalog import written
from novaproxy.catalog.currency import DEFAULT_CURRENCY, TWO_DECIMAL_CURRENCIES
from novaproxy.catalog.export import exported
from novaproxy.catalog.fields import Faults, Fields
from novaproxy.catalog.model import (
    Catalog,
    Choice,
    Delivery,
    DiscountCode,
    Duration,
    Option,
    OptionType,
    Plan,
    PlanType,
    Protocol,
    Rotation,
    Tier,
)
from novaproxy.catalog.upstream_file import UPSTREAM_KEYS, upstream
from novaproxy.catalog.yaml_nodes import MapNode, TextNode, composed
from novaproxy.errors import OperatorError

__all__ = ["demo_text", "exported", "parsed"]

BANDWIDTH_LIMIT_GB: Final = 8_388_608
"""The greatest tier: 2**53 bytes (contract, section 3, row 14)."""

_CATALOG_KEYS: Final = ("currency", "plans", "discount_codes", "upstreams")
_PLAN_KEYS: Final = (
    "slug",
    "name",
    "type",
    "active",
    "has_geo_targeting",
    "has_ip_whitelist",
    "rotations",
    "protocols",
    "max_orders_per_account",
    "validity",
    "delivery",
    "bandwidths",
    "durations",
)
_ROTATION_KEYS: Final = ("code", "name")
_PROTOCOL_KEYS: Final = ("code", "host", "port")
_TIER_KEYS: Final = ("bandwidth", "price_per_gb")
_DURATION_KEYS: Final = ("slug", "name", "price", "options")
_OPTION_KEYS: Final = ("name", "label", "type", "options", "min", "max", "step", "price_per_unit")
_CHOICE_KEYS: Final = ("value", "label", "price")
_CODE_KEYS: Final = (
    "code",
    "percent",
    "amount",
    "max_uses",
    "max_uses_per_account",
    "starts_at",
    "ends_at",
    "plans",
    "minimum_gross",
    "first_order_only",
)

_LIMIT: Final = written.integer(1, written.EXACT_INTEGER_LIMIT)


def parsed(
    text: bytes,
    *,
    known_types: Mapping[str, PlanType] = {},
    currency: str | None = None,
    currency_fixed: bool = False,
) -> Catalog:
    """Return the catalog that a file says; all ids are 0.

    Args:
        text: the file, UTF-8.
        known_types: the types of the plans of earlier revisions, by slug; they cannot change, and discount codes may
            name these plans too.
        currency: the installation's currency so far; a file without one keeps it, and the first one means USD.
        currency_fixed: whether an account exists, so that the currency cannot change any more.

    Raises:
        OperatorError: one line for each fault of the file, with its place, 100 at most.
    """
    root = composed(text)
    if not isinstance(root, MapNode):
        raise OperatorError(f"line {root.line}: a catalog is a mapping with the keys {', '.join(_CATALOG_KEYS)}")
    faults = Faults()
    fields = Fields(root, "", _CATALOG_KEYS, faults)
    said_currency = _currency(fields, currency, fixed=currency_fixed)
    plans = _plans(fields, known_types)
    # Without a list of plans there is nothing to hold the plans of codes and upstreams against.
    known_slugs = {plan.slug for plan in plans} | known_types.keys() if fields.is_sound("plans") else None
    codes = fields.each(
        "discount_codes",
        _CODE_KEYS,
        partial(_discount_code, known_slugs=known_slugs),
        known_by=("code", lambda code: code.code.lower()),
    )
    upstreams = fields.each(
        "upstreams",
        UPSTREAM_KEYS,
        partial(upstream, named_plans=partial(_named_plans, known_slugs=known_slugs)),
        known_by=("name", lambda upstream: upstream.name),
    )
    if lines := faults.lines():
        raise OperatorError(*lines)
    return Catalog(said_currency, plans, codes, upstreams)


def demo_text() -> bytes:
    """Return the demo catalog's file: the ten documented products (contract, section 2)."""
    return resources.files("novaproxy.catalog").joinpath("demo.yaml").read_bytes()


def _currency(fields: Fields, so_far: str | None, *, fixed: bool) -> str:
    def read(node: TextNode) -> str:
        # The installation's own code stays good when the standard withdraws it.
        if node.text not in TWO_DECIMAL_CURRENCIES and node.text != so_far:
            raise written.NotAsMeant(
                f"must be an ISO 4217 code with two decimals, such as USD: {written.shown(node.text)}"
            )
        if fixed and so_far is not None and node.text != so_far:
            raise written.NotAsMeant(f"cannot change from {so_far} to {node.text}: there are accounts")
        return node.text

    return fields.read("currency", read, so_far or DEFAULT_CURRENCY)


def _plans(fields: Fields, known_types: Mapping[str, PlanType]) -> tuple[Plan, ...]:
    if not fields.is_given("plans"):
        fields.fault("plans", "is required ([] switches all plans off)")
    return fields.each(
        "plans", _PLAN_KEYS, partial(_plan, known_types=known_types), known_by=("slug", lambda plan: plan.slug)
    )


def _plan(fields: Fields, *, known_types: Mapping[str, PlanType]) -> Plan:
    slug = fields.required("slug", written.plan_slug, "")
    name = fields.required("name", written.name, "")
    plan_type = fields.required("type", written.one_of(PlanType), None)
    known_type = known_types.get(slug)
    if plan_type and known_type and plan_type != known_type:
        fields.fault("type", f"cannot change from '{known_type}' to '{plan_type}'; sell a new plan instead")
    return Plan(
        slug=slug,
        name=name,
        type=plan_type or PlanType.BANDWIDTH,
        active=fields.read("active", written.flag, default=True),
        has_geo_targeting=fields.read("has_geo_targeting", written.flag, default=False),
        has_ip_whitelist=fields.read("has_ip_whitelist", written.flag, default=False),
        rotations=fields.each(
            "rotations", _ROTATION_KEYS, _rotation, known_by=("code", lambda rotation: rotation.code)
        ),
        protocols=fields.each("protocols", _PROTOCOL_KEYS, _protocol),
        max_orders_per_account=fields.read("max_orders_per_account", _LIMIT, None),
        validity=_validity(fields, plan_type),
        delivery=fields.read("delivery", written.one_of(Delivery), Delivery.GATEWAY),
        tiers=_tiers(fields, plan_type),
        durations=_durations(fields, plan_type),
    )


def _rotation(fields: Fields) -> Rotation:
    return Rotation(
        code=fields.required("code", written.identity, ""),
        name=fields.required("name", written.name, ""),
    )


def _protocol(fields: Fields) -> Protocol:
    return Protocol(
        code=fields.required("code", written.identity, ""),
        host=fields.required("host", written.host, ""),
        port=fields.required("port", written.integer(1, 65_535), 0),
    )


def _validity(fields: Fields, plan_type: PlanType | None) -> str | None:
    if plan_type is PlanType.DURATION:
        fields.refuse("validity", "is for bandwidth plans; a duration plan ends with its duration")
        return None
    return fields.read("validity", written.duration_slug, None)


def _tiers(fields: Fields, plan_type: PlanType | None) -> tuple[Tier, ...]:
    """Return the tiers, ascending; the file may have them in any order."""
    if plan_type is PlanType.DURATION:
        fields.refuse("bandwidths", "is for bandwidth plans; a duration plan has durations")
        return ()
    tiers = fields.each(
        "bandwidths",
        _TIER_KEYS,
        _tier,
        known_by=("bandwidth", lambda tier: str(tier.bandwidth_gb)),
        at_least_one="tier" if plan_type else None,
    )
    return tuple(sorted(tiers, key=lambda tier: tier.bandwidth_gb))


def _tier(fields: Fields) -> Tier:
    return Tier(
        bandwidth_gb=fields.required("bandwidth", written.integer(1, BANDWIDTH_LIMIT_GB), 0),
        price_per_gb_e4=fields.required("price_per_gb", written.price_e4, 0),
    )


def _durations(fields: Fields, plan_type: PlanType | None) -> tuple[Duration, ...]:
    if plan_type is PlanType.BANDWIDTH:
        fields.refuse("durations", "is for duration plans; a bandwidth plan has bandwidths")
        return ()
    return fields.each(
        "durations",
        _DURATION_KEYS,
        _duration,
        known_by=("slug", lambda duration: duration.slug),
        at_least_one="duration" if plan_type else None,
    )


def _duration(fields: Fields) -> Duration:
    return Duration(
        slug=fields.required("slug", written.duration_slug, ""),
        name=fields.required("name", written.name, ""),
        price_e4=fields.required("price", written.price_e4, 0),
        options=fields.each("options", _OPTION_KEYS, _option, known_by=("name", lambda option: option.name)),
    )


def _option(fields: Fields) -> Option:
    name = fields.required("name", written.identity, "")
    label = fields.required("label", written.name, "")
    option_type = fields.required("type", written.one_of(OptionType), None)
    match option_type:
        case OptionType.SELECT:
            for key in ("min", "max", "step", "price_per_unit"):
                fields.refuse(key, "unknown key of a select; it is for number and range")
            return Option(name, label, option_type, choices=_choices(fields))
        case OptionType.NUMBER | OptionType.RANGE:
            fields.refuse("options", f"unknown key of a {option_type}; it is for select")
            return _measured(fields, name, label, option_type)
        case None:
            return Option(name, label, OptionType.SELECT)
        case _:
            assert_never(option_type)


def _choices(fields: Fields) -> tuple[Choice, ...]:
    # A buyer's 7 and "7" are the same answer (contract, section 3, row 8), so they cannot be two choices.
    return fields.each(
        "options",
        _CHOICE_KEYS,
        _choice,
        known_by=("value", lambda choice: str(choice.value)),
        at_least_one="choice",
    )


def _choice(fields: Fields) -> Choice:
    return Choice(
        value=fields.required("value", written.select_value, ""),
        label=fields.required("label", written.name, ""),
        price_e4=fields.read("price", written.price_e4, 0),
    )


def _measured(fields: Fields, name: str, label: str, option_type: OptionType) -> Option:
    minimum = fields.read("min", written.bound, None)
    maximum = fields.read("max", written.bound, None)
    if minimum is not None and maximum is not None and minimum > maximum:
        fields.fault("min", f"must not be above max: {minimum} > {maximum}")
    return Option(
        name,
        label,
        option_type,
        min=minimum,
        max=maximum,
        step=fields.read("step", written.step, None),
        price_per_unit_e4=fields.read("price_per_unit", written.price_e4, 0),
    )


def _discount_code(fields: Fields, *, known_slugs: AbstractSet[str] | None) -> DiscountCode:
    code = fields.required("code", written.discount_code, "")
    if fields.is_given("percent") and fields.is_given("amount"):
        fields.fault_of_all("needs either percent or amount, not both")
    elif not fields.is_given("percent") and not fields.is_given("amount"):
        fields.fault_of_all("needs either percent or amount")
    return DiscountCode(
        code=code,
        percent_e2=fields.read("percent", written.percent_e2, None),
        amount_cents=fields.read("amount", written.amount_above_zero_cents, None),
        max_uses=fields.read("max_uses", _LIMIT, None),
        max_uses_per_account=fields.read("max_uses_per_account", _LIMIT, None),
        starts_at=fields.read("starts_at", written.moment, None),
        ends_at=_ends_at(fields),
        plans=_named_plans(fields, known_slugs),
        minimum_gross_cents=fields.read("minimum_gross", written.amount_cents, None),
        first_order_only=fields.read("first_order_only", written.flag, default=False),
    )


def _ends_at(fields: Fields) -> datetime | None:
    starts_at = fields.read("starts_at", written.moment, None)
    ends_at = fields.read("ends_at", written.moment, None)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        fields.fault("ends_at", "must be after starts_at")
    return ends_at


def _named_plans(fields: Fields, known_slugs: AbstractSet[str] | None) -> tuple[str, ...] | None:
    def read(node: TextNode) -> str:
        slug = written.identity(node)
        if known_slugs is not None and slug not in known_slugs:
            raise written.NotAsMeant(f"no plan {written.shown(slug)}")
        return slug

    named = fields.texts("plans", read)
    return None if named is None else tuple(dict.fromkeys(named))
