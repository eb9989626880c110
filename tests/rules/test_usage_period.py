"""Which hours or days an answer about usage covers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.errors import Refusal
from novaproxy.usage.period import (
    InstantNotValid,
    Interval,
    IntervalUnknown,
    Period,
    RangeEmpty,
    RangeTooLong,
    asked_period,
)

NOW = datetime(2026, 3, 10, 14, 30, 5, tzinfo=UTC)
PLACED_AT = datetime(2026, 3, 1, 8, 15, tzinfo=UTC)


def period(**query: str) -> tuple[str, str]:
    """Return the beginning and the end that a query means now; ``from_`` is ``from``."""
    asked = asked_period({name.rstrip("_"): value for name, value in query.items()}, PLACED_AT, NOW)
    return asked.begins_at.isoformat()[:16], asked.ends_at.isoformat()[:16]


@pytest.mark.parametrize(
    ("query", "begins_at", "ends_at"),
    [
        ({}, "2026-03-09T15:00", "2026-03-10T15:00"),
        ({"interval": "hour"}, "2026-03-09T15:00", "2026-03-10T15:00"),
        ({"interval": "day"}, "2026-03-01T00:00", "2026-03-11T00:00"),
        ({"from_": "2026-03-10T12:00:00Z"}, "2026-03-10T12:00", "2026-03-10T15:00"),
        ({"to": "2026-03-05T12:00:00Z"}, "2026-03-04T12:00", "2026-03-05T12:00"),
        ({"to": "2026-02-05", "interval": "day"}, "2026-02-04T00:00", "2026-02-05T00:00"),
        ({"from_": "2026-03-02", "to": "2026-03-04", "interval": "day"}, "2026-03-02T00:00", "2026-03-04T00:00"),
        ({"from_": "2026-03-02", "to": "2026-03-03"}, "2026-03-02T00:00", "2026-03-03T00:00"),
        # Widened to whole intervals.
        ({"from_": "2026-03-02T10:59:59.9Z", "to": "2026-03-02T11:00:00.1Z"}, "2026-03-02T10:00", "2026-03-02T12:00"),
        (
            {"from_": "2026-03-02T23:59Z", "to": "2026-03-03T00:00:01Z", "interval": "day"},
            "2026-03-02T00:00",
            "2026-03-04T00:00",
        ),
        # In other zones than UTC, also of half an hour.
        ({"from_": "2026-03-02T01:00+01:00", "to": "2026-03-01T20:00-05:30"}, "2026-03-02T00:00", "2026-03-02T02:00"),
    ],
)
def test_a_query_means_whole_intervals(query: dict[str, str], begins_at: str, ends_at: str) -> None:
    assert period(**query) == (begins_at, ends_at)


def test_an_old_order_shows_its_last_thousand_days() -> None:
    asked = asked_period({"interval": "day"}, NOW - timedelta(days=5_000), NOW)

    assert (asked.ends_at - asked.begins_at) == timedelta(days=1_000)
    assert asked.ends_at == datetime(2026, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize("interval", Interval)
def test_a_thousand_intervals_are_told_and_not_one_more(interval: Interval) -> None:
    first = datetime(2020, 1, 1, tzinfo=UTC)
    query = {"interval": str(interval), "from": first.isoformat().replace("+00:00", "Z")}
    last = first + 1_000 * interval.length
    assert asked_period(query | {"to": f"{last:%Y-%m-%dT%H:%M:%SZ}"}, PLACED_AT, NOW) == Period(interval, first, last)

    with pytest.raises(RangeTooLong) as refused:
        asked_period(query | {"to": f"{last:%Y-%m-%dT%H:%M}:01Z"}, PLACED_AT, NOW)
    assert refused.value.sentence == f"The range must be at most 1000 {interval}s."


@pytest.mark.parametrize("written", ["", "Hour", "week", "minute", "hour ", "1"])
def test_an_interval_is_one_of_two(written: str) -> None:
    with pytest.raises(IntervalUnknown):
        period(interval=written)


@pytest.mark.parametrize(
    "written",
    [
        *("", "now", "2026", "2026-03", "20260310", "2026-W10-2", "2026-3-1", "2026-02-30", "2026-13-01", "2026-00-10"),
        *("2026-03-10T12", "2026-03-10T12:00", "2026-03-10T12:00:00", "2026-03-10 12:00:00Z", "2026-03-10T24:01:00Z"),
        *("2026-03-10T12:60:00Z", "2026-03-10T12:00:00z", "2026-03-10T12:00:00+25:00", "2026-03-10T12:00:00 00:00"),
        *("0000-01-01", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:00-00:01", "2026-03-10Z", "1773144000", "-1"),
        *("\u0662026-03-10", "2026-03-10T12:00:00.Z", "2026-03-10T12:00:00.1234567890Z", "2026-03-10\n"),
    ],
)
@pytest.mark.parametrize("parameter", ["from", "to"])
def test_what_is_no_time_is_refused_by_its_name(parameter: str, written: str) -> None:
    with pytest.raises(InstantNotValid) as refused:
        asked_period({parameter: written}, PLACED_AT, NOW)
    assert refused.value.sentence.startswith(f"The {parameter} must be a time such as 2026-01-04T21:00:00Z")


@pytest.mark.parametrize("interval", Interval)
def test_the_ends_of_the_calendar_are_refused_and_break_nothing(interval: Interval) -> None:
    for query in ({"to": "9999-12-31T23:59:59Z"}, {"to": "0001-01-01"}, {"to": "0001-01-01T00:00:00Z"}):
        with pytest.raises((InstantNotValid, RangeTooLong)):
            asked_period(query | {"interval": str(interval)}, PLACED_AT, NOW)
    with pytest.raises(RangeTooLong):
        asked_period({"from": "0001-01-01", "interval": str(interval)}, PLACED_AT, NOW)


@pytest.mark.parametrize(
    ("begins_at", "ends_at"),
    [
        ("2026-03-02T11:00:00Z", "2026-03-02T11:00:00Z"),
        ("2026-03-02T11:30:00Z", "2026-03-02T11:29:59Z"),
        ("2026-03-02T11:30:00Z", "2026-03-02T11:30:00Z"),
        ("2026-03-03", "2026-03-02"),
        ("2026-03-10T15:00:00Z", None),
        ("2999-01-01", None),
    ],
)
def test_a_range_that_holds_no_time_is_refused(begins_at: str, ends_at: str | None) -> None:
    query = {"from": begins_at} | ({} if ends_at is None else {"to": ends_at})
    with pytest.raises(RangeEmpty):
        asked_period(query, PLACED_AT, NOW)


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59), timezones=st.just(UTC))  # noqa: DTZ001 -- as hypothesis wants them


@given(
    begins_at=MOMENTS | st.none(),
    ends_at=MOMENTS | st.none(),
    placed_at=st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- as above
    interval=st.sampled_from(Interval),
)
def test_whatever_is_asked_is_refused_or_whole_and_covers_it(
    begins_at: datetime | None, ends_at: datetime | None, placed_at: datetime, interval: Interval
) -> None:
    asked = {"from": begins_at, "to": ends_at}
    query = {name: f"{moment.isoformat()[:26]}Z".replace("+00:00", "") for name, moment in asked.items() if moment}
    try:
        found = asked_period(query | {"interval": str(interval)}, placed_at, NOW)
    except Refusal:
        return
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert (found.begins_at - epoch) % interval.length == (found.ends_at - epoch) % interval.length == timedelta()
    assert 1 <= (found.ends_at - found.begins_at) // interval.length <= 1_000
    assert begins_at is None or found.begins_at <= begins_at < found.begins_at + interval.length
    assert ends_at is None or found.ends_at - interval.length < ends_at <= found.ends_at
