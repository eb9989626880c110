"""Which time an order's usage is asked for: pure rules, and each refusal with its sentence.

Usage is kept by the hour of UTC. A range is half open, and is widened to whole intervals: the answer says to which.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from novaproxy.errors import Refusal

LONGEST_RANGE = 1_000
"""How many intervals one answer covers at most."""

USUAL_HOURS = 24
"""How many hours an answer by the hour covers where no beginning is asked for."""

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Interval(StrEnum):
    """How long the time is of which one row tells; days are those of UTC."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The same as a time."""
        return timedelta(hours=1) if self is Interval.HOUR else timedelta(days=1)


class IntervalUnknown(Refusal):
    """Usage was asked for by another interval."""

    code = "interval_unknown"

    def __init__(self) -> None:
        super().__init__(f"The interval must be one of: {', '.join(Interval)}.")


class InstantNotValid(Refusal):
    """The beginning or the end is no time; *parameter* says which."""

    code = "instant_not_valid"

    def __init__(self, parameter: str) -> None:
        super().__init__(f"The {parameter} must be a time such as 2026-01-04T21:00:00Z, or a date such as 2026-01-04.")
        self.parameter = parameter


class RangeEmpty(Refusal):
    """The range ends before it begins, or where it begins."""

    code = "range_empty"

    def __init__(self) -> None:
        super().__init__("The from must be before the to.")


class RangeTooLong(Refusal):
    """The range has more intervals than one answer tells of."""

    code = "range_too_long"

    def __init__(self, interval: Interval) -> None:
        super().__init__(f"The range must be at most {LONGEST_RANGE} {interval}s.")
        self.interval = interval


@dataclass(frozen=True, slots=True)
class Period:
    """Whole intervals from *begins_at* on, *ends_at* itself not among them."""

    interval: Interval
    begins_at: datetime
    ends_at: datetime


def asked_period(query: Mapping[str, str], placed_at: datetime, now: datetime) -> Period:
    """Return the time that a query asks for, of an order that was *placed_at* then.

    Without ``to`` it ends with the interval that runs *now*; without ``from`` it is the last 24 hours before its end,
    or, by days, all since the order was placed, 1000 at most.

    Raises:
        IntervalUnknown, InstantNotValid, RangeEmpty, RangeTooLong.
    """
    interval = _interval(query.get("interval"))
    begins_at, ends_at = (_instant(name, query.get(name)) for name in ("from", "to"))
    if begins_at is not None and ends_at is not None and begins_at >= ends_at:
        raise RangeEmpty
    last = _ceiled("to", now if ends_at is None else ends_at, interval)
    first = _usual(interval, placed_at, last) if begins_at is None else _floored(begins_at, interval)
    if first >= last:
        raise RangeEmpty
    if (last - first) // interval.length > LONGEST_RANGE:
        raise RangeTooLong(interval)
    return Period(interval, first, last)


def _interval(written: str | None) -> Interval:
    if written is None:
        return Interval.HOUR
    try:
        return Interval(written)
    except ValueError:
        raise IntervalUnknown from None


def _instant(parameter: str, written: str | None) -> datetime | None:
    if written is None:
        return None
    if not _INSTANT.fullmatch(written):
        raise InstantNotValid(parameter)
    try:
        read = datetime.fromisoformat(written)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        # There is no such day, or no year for it.
        raise InstantNotValid(parameter) from None


def _usual(interval: Interval, placed_at: datetime, last: datetime) -> datetime:
    try:
        if interval is Interval.HOUR:
            return last - USUAL_HOURS * interval.length
        longest = last - LONGEST_RANGE * interval.length
        return min(max(_floored(placed_at, interval), longest), last - interval.length)
    except OverflowError:
        raise InstantNotValid("to") from None


def _floored(moment: datetime, interval: Interval) -> datetime:
    return moment - (moment - _EPOCH) % interval.length


def _ceiled(parameter: str, moment: datetime, interval: Interval) -> datetime:
    """Return the end of the interval in which *moment* lies, *moment* itself where one ends there."""
    try:
        return moment + (_EPOCH - moment) % interval.length
    except OverflowError:
        raise InstantNotValid(parameter) from None
