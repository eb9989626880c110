"""What an apply changes, told to the operator line by line in the words of the file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from novaproxy.catalog.model import (
    Catalog,
    Choice,
    Delivery,
    DiscountCode,
    Duration,
    Option,
    Plan,
    Protocol,
    Rotation,
    Tier,
    Upstream,
    UpstreamType,
)
from novaproxy.money import plain, text_cents, text_e4

_Change = tuple[str, str]
"""A sign and what it is about, such as ``~`` and ``bandwidth 10: price_per_gb 4.50 -> 4.25``."""


def changes(before: Catalog, wanted: Catalog) -> list[str]:
    """Return one line a change from the catalog *before* to a different one as the file *wanted* it.

    ``+`` is new, with what it sells in short; ``-`` gone; ``~`` changed; the lines stand in the order of the file. A
    plan that the file leaves out is switched off and a code withdrawn. Ids are not told.
    """
    lines: list[_Change] = []
    if before.currency != wanted.currency:
        lines.append(("~", f"currency: {_told(before.currency)} -> {_told(wanted.currency)}"))
    lines += _compared(_PLANS, before.plans, wanted.plans)
    lines += _compared(_CODES, before.discount_codes, wanted.discount_codes)
    lines += _compared(_UPSTREAMS, before.upstreams, wanted.upstreams)
    # What else can differ is the place of a plan that was left out before: it goes to the end.
    return [_on_one_line(f"{sign} {what}") for sign, what in lines] or ["~ order of the plans"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A list of the catalog: how one of it is called, the member it is known by, and what leaving it out means."""

    name: str
    known_by: str
    gone: str = ""

    def key(self, thing: msgspec.Struct) -> str:
        """Return what *thing* is known by: its text, of a code without case."""
        key = str(getattr(thing, self.known_by))
        return key.lower() if self is _CODES else key


_PLANS = _Kind("plan", "slug", " (switched off)")
_CODES = _Kind("discount code", "code", " (withdrawn)")
_UPSTREAMS = _Kind("upstream", "name")
_LISTS: Mapping[str, _Kind] = {
    "tiers": _Kind("bandwidth", "bandwidth_gb"),
    "durations": _Kind("duration", "slug"),
    "options": _Kind("option", "name"),
    "choices": _Kind("choice", "value"),
}


def _compared(kind: _Kind, before: tuple[msgspec.Struct, ...], after: tuple[msgspec.Struct, ...]) -> Iterator[_Change]:
    old = {kind.key(thing): thing for thing in before}
    new = {kind.key(thing): thing for thing in after}
    for key, thing in new.items():
        title = f"{kind.name} {getattr(thing, kind.known_by)}"
        if key not in old:
            yield "+", f"{title}: {_sold(thing)}"
        else:
            yield from ((sign, f"{title}: {what}") for sign, what in _members(old[key], thing))
    for key, thing in old.items():
        # A plan that was off already does not go off.
        if key not in new and getattr(thing, "active", True):
            yield "-", f"{kind.name} {getattr(thing, kind.known_by)}{kind.gone}"
    if [key for key in old if key in new] != [key for key in new if key in old]:
        yield "~", f"order of the {kind.name}s"


def _sold(thing: msgspec.Struct) -> str:
    """Return what is sold with something new, and for how much."""
    match thing:
        case Plan():
            return ", ".join(_plan_notes(thing))
        case Tier():
            return f"price_per_gb {text_e4(thing.price_per_gb_e4)}"
        case Duration():
            options = ", ".join(option.name for option in thing.options)
            return f"price {text_e4(thing.price_e4)}" + (f", options {options}" if options else "")
        case Option():
            return _counted(thing.choices, "choice") if thing.choices else f"{thing.type}{_per_unit(thing)}"
        case Choice():
            return f"price {text_e4(thing.price_e4)}"
        case DiscountCode() | Upstream():
            return ", ".join(_code_notes(thing) if isinstance(thing, DiscountCode) else _upstream_notes(thing))
        case _:
            raise AssertionError(f"{thing} stands in no list of the catalog")


def _plan_notes(plan: Plan) -> Iterator[str]:
    yield str(plan.type)
    if plan.tiers:
        cheapest_e4 = min(tier.price_per_gb_e4 for tier in plan.tiers)
        yield f"{_counted(plan.tiers, 'tier')} from {text_e4(cheapest_e4)} per GB"
    if plan.durations:
        cheapest_e4 = min(duration.price_e4 for duration in plan.durations)
        yield f"{_counted(plan.durations, 'duration')} from {text_e4(cheapest_e4)}"
    if plan.delivery is Delivery.MANUAL:
        yield "delivery manual"
    if not plan.active:
        yield "not active"


def _per_unit(option: Option) -> str:
    return f", price_per_unit {text_e4(option.price_per_unit_e4)}" if option.price_per_unit_e4 else ""


def _code_notes(code: DiscountCode) -> Iterator[str]:
    if code.percent_e2 is not None:
        yield _percent(code.percent_e2)
    if code.amount_cents is not None:
        yield f"amount {text_cents(code.amount_cents)}"
    if code.plans is not None:
        yield f"plans {_plans(code.plans)}"


def _upstream_notes(upstream: Upstream) -> Iterator[str]:
    where = upstream.source if upstream.type is UpstreamType.DIRECT else f"{upstream.host}:{upstream.port}"
    yield str(upstream.type) + (f" {where}" if where else "")
    yield from (place for place in (upstream.country, upstream.state, upstream.city) if place is not None)
    if upstream.plans is not None:
        yield f"plans {_plans(upstream.plans)}"


def _counted(things: Sequence[object], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _members(before: msgspec.Struct, after: msgspec.Struct) -> Iterator[_Change]:
    for member in after.__struct_fields__:
        old, new = getattr(before, member), getattr(after, member)
        if member in _LISTS:
            yield from _compared(_LISTS[member], old, new)
        elif member == "password" and old != new:
            # Neither is told.
            yield "~", "password " + ("added" if old is None else "removed" if new is None else "changed")
        elif member != "id" and old != new:
            name, told = _TOLD.get(member, (member, _told))
            yield "~", f"{name} {told(old)} -> {told(new)}"


def _or_none(told: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "none" if value is None else told(value)


def _percent(percent_e2: int) -> str:
    return f"{plain(Decimal(percent_e2).scaleb(-2))} %"


def _rotations(rotations: tuple[Rotation, ...]) -> str:
    return ", ".join(f"{rotation.code} ({rotation.name})" for rotation in rotations) or "none"


def _protocols(protocols: tuple[Protocol, ...]) -> str:
    return ", ".join(f"{protocol.code} {protocol.host}:{protocol.port}" for protocol in protocols) or "none"


def _plans(slugs: tuple[str, ...] | None) -> str:
    return "all" if slugs is None else ", ".join(slugs) or "none"


def _value(value: str | int) -> str:
    # The quotes tell the text "7" from the integer 7: a client sees the difference.
    return f'"{value}"' if isinstance(value, str) else str(value)


_TOLD: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "price_per_gb_e4": ("price_per_gb", text_e4),
    "price_e4": ("price", text_e4),
    "price_per_unit_e4": ("price_per_unit", text_e4),
    "percent_e2": ("percent", _or_none(_percent)),
    "amount_cents": ("amount", _or_none(text_cents)),
    "minimum_gross_cents": ("minimum_gross", _or_none(text_cents)),
    "rotations": ("rotations", _rotations),
    "protocols": ("protocols", _protocols),
    "plans": ("plans", _plans),
    "tags": ("tags", lambda tags: ", ".join(tags) or "none"),
    "value": ("value", _value),
}
"""Members that are called or written in the file otherwise than they are held."""


def _told(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return plain(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return str(value)


def _on_one_line(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
