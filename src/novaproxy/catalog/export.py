"""The catalog as a file again: the same catalog always gives the same bytes, and reading them gives the same catalog.

The YAML is written here and not by a library, so that prices stay decimals, every small mapping keeps to one line, and
no release of a library changes the bytes an operator keeps under version control.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from novaproxy.catalog.model import (
    Catalog,
    Choice,
    Delivery,
    DiscountCode,
    Duration,
    Option,
    OptionType,
    Plan,
    Upstream,
)
from novaproxy.money import text_cents, text_e4

# Without quotes stand only texts that are nothing but text to every reader of YAML, 1.1 and 1.2, inside braces too.
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.()/&+-]*(?: [A-Za-z0-9_.()/&+-]+)*")
_LIKE_A_NUMBER: Final = re.compile(r"[0-9][0-9A-FXOa-fxo_.+-]*")
_WORDS_OF_YAML: Final = frozenset(("y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan", "inf"))

Pairs = list[tuple[str, str]]


def exported(catalog: Catalog) -> str:
    """Return *catalog* as YAML that can be applied again: everything but ids and keys that equal their default.

    The passwords of upstreams are in it.
    """
    return "".join(f"{line}\n" for line in _catalog_lines(catalog))


def _catalog_lines(catalog: Catalog) -> Iterator[str]:
    if catalog.currency is not None:
        yield f"currency: {_text(catalog.currency)}"
    if not catalog.plans:
        yield "plans: []"
    else:
        yield "plans:"
        for plan in catalog.plans:
            yield from _entry(_plan_lines(plan), 2)
    if catalog.discount_codes:
        yield "discount_codes:"
        for code in catalog.discount_codes:
            yield from _entry((f"{key}: {value}" for key, value in _code_pairs(code)), 2)
    if catalog.upstreams:
        yield "upstreams:"
        for upstream in catalog.upstreams:
            yield from _entry((f"{key}: {value}" for key, value in _upstream_pairs(upstream)), 2)


def _plan_lines(plan: Plan) -> Iterator[str]:
    yield f"slug: {_text(plan.slug)}"
    yield f"name: {_text(plan.name)}"
    yield f"type: {plan.type.value}"
    if not plan.active:
        yield "active: false"
    if plan.has_geo_targeting:
        yield "has_geo_targeting: true"
    if plan.has_ip_whitelist:
        yield "has_ip_whitelist: true"
    yield from _flow_list(
        "rotations", [[("code", _text(rotation.code)), ("name", _text(rotation.name))] for rotation in plan.rotations]
    )
    yield from _flow_list(
        "protocols",
        [
            [("code", _text(protocol.code)), ("host", _text(protocol.host)), ("port", str(protocol.port))]
            for protocol in plan.protocols
        ],
    )
    if plan.max_orders_per_account is not None:
        yield f"max_orders_per_account: {plan.max_orders_per_account}"
    if plan.validity is not None:
        yield f"validity: {_text(plan.validity)}"
    if plan.delivery is not Delivery.GATEWAY:
        yield f"delivery: {plan.delivery.value}"
    yield from _flow_list(
        "bandwidths",
        [
            [("bandwidth", str(tier.bandwidth_gb)), ("price_per_gb", text_e4(tier.price_per_gb_e4))]
            for tier in plan.tiers
        ],
    )
    if plan.durations:
        yield "durations:"
        for duration in plan.durations:
            yield from _entry(_duration_lines(duration), 2)


def _duration_lines(duration: Duration) -> Iterator[str]:
    yield f"slug: {_text(duration.slug)}"
    yield f"name: {_text(duration.name)}"
    yield f"price: {text_e4(duration.price_e4)}"
    if duration.options:
        yield "options:"
        for option in duration.options:
            yield from _entry(_option_lines(option), 2)


def _option_lines(option: Option) -> Iterator[str]:
    pairs: Pairs = [("name", _text(option.name)), ("label", _text(option.label)), ("type", option.type.value)]
    if option.type is OptionType.SELECT:
        yield from (f"{key}: {value}" for key, value in pairs)
        yield from _flow_list("options", [_choice_pairs(choice) for choice in option.choices])
        return
    bounds = (("min", option.min), ("max", option.max), ("step", option.step))
    pairs += [(key, _decimal(number)) for key, number in bounds if number is not None]
    if option.price_per_unit_e4:
        pairs.append(("price_per_unit", text_e4(option.price_per_unit_e4)))
    yield _flow(pairs)


def _choice_pairs(choice: Choice) -> Pairs:
    value = str(choice.value) if isinstance(choice.value, int) else _text(choice.value)
    pairs = [("value", value), ("label", _text(choice.label))]
    if choice.price_e4:
        pairs.append(("price", text_e4(choice.price_e4)))
    return pairs


def _code_pairs(code: DiscountCode) -> Iterator[tuple[str, str]]:
    yield "code", _text(code.code)
    if code.percent_e2 is not None:
        yield "percent", _decimal(Decimal(code.percent_e2).scaleb(-2))
    if code.amount_cents is not None:
        yield "amount", text_cents(code.amount_cents)
    if code.max_uses is not None:
        yield "max_uses", str(code.max_uses)
    if code.max_uses_per_account is not None:
        yield "max_uses_per_account", str(code.max_uses_per_account)
    if code.starts_at is not None:
        yield "starts_at", _moment(code.starts_at)
    if code.ends_at is not None:
        yield "ends_at", _moment(code.ends_at)
    if code.plans is not None:
        yield "plans", f"[{', '.join(_text(slug) for slug in code.plans)}]"
    if code.minimum_gross_cents is not None:
        yield "minimum_gross", text_cents(code.minimum_gross_cents)
    if code.first_order_only:
        yield "first_order_only", "true"


def _upstream_pairs(upstream: Upstream) -> Iterator[tuple[str, str]]:
    yield "name", _text(upstream.name)
    yield "type", upstream.type.value
    for key in ("host", "port", "username", "password", "password_env", "source", "country", "state", "city"):
        value: str | int | None = getattr(upstream, key)
        if value is not None:
            yield key, str(value) if isinstance(value, int) else _text(value)
    if upstream.tags:
        yield "tags", f"[{', '.join(_text(tag) for tag in upstream.tags)}]"
    if upstream.weight != 1:
        yield "weight", str(upstream.weight)
    if upstream.plans is not None:
        yield "plans", f"[{', '.join(_text(slug) for slug in upstream.plans)}]"


def _entry(lines: Iterator[str], indent: int) -> Iterator[str]:
    """Yield *lines* as one entry of a block list."""
    mark = "- "
    for line in lines:
        yield " " * indent + mark + line
        mark = "  "


def _flow_list(key: str, entries: list[Pairs]) -> Iterator[str]:
    if entries:
        yield f"{key}:"
        yield from (f"  - {_flow(pairs)}" for pairs in entries)


def _flow(pairs: Pairs) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


def _text(text: str) -> str:
    """Return *text*, in quotes if a reader of YAML could take it for anything else."""
    if _PLAIN.fullmatch(text) and not _LIKE_A_NUMBER.fullmatch(text) and text.lower() not in _WORDS_OF_YAML:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    # Line separators, no-break spaces and the like would be folded, or could not be seen.
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _decimal(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
