"""What a buyer may choose, and what each choice costs: durations, options, tiers, terms.

The refusals of contract section 3, rows 1 to 14, stand in ``catalog.refusals``.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from novaproxy.catalog.model import Duration, Option, OptionType, Plan
from novaproxy.catalog.refusals import (
    BandwidthNotValid,
    BandwidthRequired,
    ConfigNotObject,
    ConfigRequired,
    DurationFormatInvalid,
    DurationNotAvailable,
    DurationNotText,
    DurationRequired,
    OptionMissing,
    OptionUnknown,
    ValueAboveMaximum,
    ValueBelowMinimum,
    ValueInvalid,
    ValueNotMultiple,
    ValueNotNumeric,
)
from novaproxy.http.body import JsonValue
from novaproxy.money import cents_of_e4, plain, plain_number, rounded

MAX_BANDWIDTH_GB = 8_388_608
"""2**53 bytes: the greatest amount that a JSON number holds exactly in every client."""

MAX_DIGITS = 15
"""Significant digits of an option's number (contract, section 3, row 9)."""

MAX_MAGNITUDE = 30
"""Powers of ten beyond which a number that no bound caught is not worked with: 1e999999999 has a billion digits."""

_TERM = re.compile(r"([1-9][0-9]*)_(minute|hour|day|week|month|year)s?")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WHOLE = re.compile(r"[1-9][0-9]*")
_FIXED_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True)
class Chosen:
    """An option as sold: the choice's value as in the catalog, or the number in shortest form, and its line's price."""

    name: str
    label: str
    value: str | int | Decimal
    value_label: str
    price_cents: int


def asked_duration(plan: Plan, asked: JsonValue) -> Duration | None:
    """Return the duration that is asked for, None for a bandwidth plan (rows 2 to 4).

    Raises:
        DurationRequired, DurationNotText, DurationFormatInvalid, DurationNotAvailable.
    """
    if asked is None:
        if plan.durations:
            raise DurationRequired
        return None
    if not isinstance(asked, str):
        raise DurationNotText
    if plan.durations and not _TERM.fullmatch(asked):
        raise DurationFormatInvalid(asked)
    for duration in plan.durations:
        if duration.slug == asked:
            return duration
    raise DurationNotAvailable(asked, plan.slug)


def asked_options(duration: Duration | None, config: JsonValue) -> tuple[Chosen, ...]:
    """Return the options as chosen, in plan order (rows 5 to 12); *config* is None where absent.

    Raises:
        ConfigRequired, ConfigNotObject, OptionMissing, OptionUnknown, and the refusals of a value.
    """
    options = duration.options if duration else ()
    if config is None:
        if options:
            raise ConfigRequired
        return ()
    if not isinstance(config, dict):
        raise ConfigNotObject
    for option in options:
        if config.get(option.name) in (None, ""):
            raise OptionMissing(option.name)
    names = {option.name for option in options}
    for name in config:
        if name not in names:
            raise OptionUnknown(name)
    return tuple(_chosen(option, config[option.name]) for option in options)


def _chosen(option: Option, asked: JsonValue) -> Chosen:
    if option.type is OptionType.SELECT:
        return _chosen_choice(option, asked)
    number = _numeric(option, asked)
    _check_bounds(option, number)
    price_cents = _line_cents(number, option.price_per_unit_e4)
    return Chosen(option.name, option.label, plain_number(number), plain(number), price_cents)


def _chosen_choice(option: Option, asked: JsonValue) -> Chosen:
    written = asked if isinstance(asked, str) else _integral_text(asked)
    for choice in option.choices:
        if written is not None and str(choice.value) == written:
            return Chosen(option.name, option.label, choice.value, choice.label, cents_of_e4(choice.price_e4))
    raise ValueInvalid(option.name)


def _integral_text(asked: JsonValue) -> str | None:
    """Return a JSON number of integral value in its shortest form (10.0 is ``10``), else None (row 8)."""
    if not isinstance(asked, Decimal) or not _is_workable(asked) or asked != asked.to_integral_value():
        return None
    return str(int(asked))


def _numeric(option: Option, asked: JsonValue) -> Decimal:
    if isinstance(asked, str) and _NUMBER.fullmatch(asked):
        asked = Decimal(asked)
    if not isinstance(asked, Decimal) or _significant_digits(asked) > MAX_DIGITS:
        raise ValueNotNumeric(option.name)
    # Exact, for 15 digits are fewer than the context's 28; sixty thousand trailing zeros cost nothing from here on.
    return asked.normalize() if _is_workable(asked) else asked


def _significant_digits(number: Decimal) -> int:
    digits = "".join(map(str, number.as_tuple().digits))
    return len(digits.strip("0"))


def _is_workable(number: Decimal) -> bool:
    return number.is_finite() and (not number or abs(number.adjusted()) <= MAX_MAGNITUDE)


def _check_bounds(option: Option, number: Decimal) -> None:
    minimum = option.min or Decimal(0)
    if number < minimum:
        raise ValueBelowMinimum(option.name, minimum)
    if option.max is not None and number > option.max:
        raise ValueAboveMaximum(option.name, option.max)
    if not _is_workable(number):
        # No step is so small that such a fraction could be a multiple of it.
        if option.step is not None and number.adjusted() < 0:
            raise ValueNotMultiple(option.name, option.step)
        raise ValueNotNumeric(option.name)
    if option.step is not None and not is_multiple(number, option.step):
        raise ValueNotMultiple(option.name, option.step)


def is_multiple(number: Decimal, step: Decimal) -> bool:
    """Return whether *number* is a multiple of *step* itself, exactly (row 12)."""
    number_top, number_bottom = number.as_integer_ratio()
    step_top, step_bottom = step.as_integer_ratio()
    return (number_top * step_bottom) % (number_bottom * step_top) == 0


def _line_cents(number: Decimal, price_per_unit_e4: int) -> int:
    """Return the price of *number* units in cents, rounded half up; the contract rounds each line by itself."""
    top, bottom = number.as_integer_ratio()
    return rounded(top * price_per_unit_e4, bottom * 100)


def asked_bandwidth_gb(plan: Plan, asked: JsonValue) -> int | None:
    """Return the GB (of 2**30 bytes) that are asked for, None for a duration plan (row 14).

    Raises:
        BandwidthRequired, BandwidthNotValid.
    """
    if asked is None:
        if plan.tiers:
            raise BandwidthRequired
        return None
    if not plan.tiers:
        raise BandwidthNotValid
    bandwidth_gb = _whole(asked)
    if bandwidth_gb is None or not plan.tiers[0].bandwidth_gb <= bandwidth_gb <= MAX_BANDWIDTH_GB:
        raise BandwidthNotValid
    return bandwidth_gb


def _whole(asked: JsonValue) -> int | None:
    if isinstance(asked, str):
        # The greatest amount has seven digits; int() never meets five thousand of them.
        fits = _WHOLE.fullmatch(asked) and len(asked) <= len(str(MAX_BANDWIDTH_GB))
        return int(asked) if fits else None
    if not isinstance(asked, Decimal) or not _is_workable(asked) or asked != asked.to_integral_value():
        return None
    return int(asked)


def bandwidth_price_cents(plan: Plan, bandwidth_gb: int) -> int:
    """Return the gross price in cents of *bandwidth_gb* (GB of 2**30 bytes), at least the smallest tier.

    The tier with the greatest bandwidth not above the amount gives the price of every GB (contract, section 3).
    """
    tier = max((t for t in plan.tiers if t.bandwidth_gb <= bandwidth_gb), key=lambda t: t.bandwidth_gb)
    return cents_of_e4(bandwidth_gb * tier.price_per_gb_e4)


def duration_price_cents(duration: Duration, options: tuple[Chosen, ...]) -> int:
    """Return the gross price in cents: the duration's line and one line an option, each rounded by itself."""
    return cents_of_e4(duration.price_e4) + sum(option.price_cents for option in options)


def is_term(slug: str) -> bool:
    """Return whether *slug* says a length of time, such as ``30_days`` (row 3)."""
    return _TERM.fullmatch(slug) is not None


def expiry(term: str, activated_at: datetime) -> datetime:
    """Return when *term* ends: the activation, rounded up to the whole second, plus the term (contract, section 4).

    Minutes to weeks are fixed seconds; months and years are calendar ones, clamped to the month's last day.
    """
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError(f"not a term: {term!r}")
    amount, unit = int(match[1]), match[2]
    start = activated_at.replace(microsecond=0)
    if start != activated_at:
        start += timedelta(seconds=1)
    if unit in _FIXED_SECONDS:
        return start + timedelta(seconds=amount * _FIXED_SECONDS[unit])
    years, month_index = divmod(start.month - 1 + amount * _MONTHS[unit], 12)
    year, month = start.year + years, month_index + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))
