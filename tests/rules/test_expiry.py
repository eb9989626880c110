"""When an order ends (contract, section 4, expires_at), against a calendar computed in another way."""

from calendar import isleap
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.catalog.rules import expiry, is_term

DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SECONDS = {"minute": 60, "hour": 60 * 60, "day": 24 * 60 * 60, "week": 7 * 24 * 60 * 60}
# As far as the catalog lets a term reach: ten years.
LONGEST = {"minute": 5_258_880, "hour": 87_648, "day": 3_652, "week": 521, "month": 120, "year": 10}

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- the strategy adds UTC
terms = st.sampled_from(sorted(LONGEST)).flatmap(lambda unit: st.tuples(st.integers(1, LONGEST[unit]), st.just(unit)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def length_of(month: int, year: int) -> int:
    return 29 if month == 2 and isleap(year) else DAYS[month - 1]


def month_by_month(start: datetime, months: int) -> datetime:
    """Walk on the calendar, one month's name after the other, and only then look for the day."""
    year, month = start.year, start.month
    for _ in range(months):
        month += 1
        if month == 13:
            year, month = year + 1, 1
    midnight = datetime.combine(date(year, month, 1), start.time(), UTC)
    return midnight + timedelta(days=min(start.day, length_of(month, year)) - 1)


def whole_second_after(moment: datetime) -> datetime:
    since = moment - datetime(2000, 1, 1, tzinfo=UTC)
    seconds = -(-since // timedelta(seconds=1))
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


@given(moments, terms, st.sampled_from(["", "s"]))
@example(at("2024-02-29T23:59:59.000001+00:00"), (1, "year"), "")
@example(at("2026-01-31T23:59:59.999999+00:00"), (1, "month"), "s")
@example(at("2026-12-31T00:00:00+00:00"), (2, "month"), "s")
def test_a_term_ends_where_an_independent_calendar_says(
    activated_at: datetime, term: tuple[int, str], ending: str
) -> None:
    amount, unit = term
    start = whole_second_after(activated_at)
    if unit in SECONDS:
        expected = start + timedelta(seconds=amount * SECONDS[unit])
    else:
        expected = month_by_month(start, amount * (12 if unit == "year" else 1))
    ends_at = expiry(f"{amount}_{unit}{ending}", activated_at)
    assert ends_at == expected
    assert ends_at.microsecond == 0
    assert ends_at.tzinfo is UTC
    assert ends_at > activated_at


@pytest.mark.parametrize(
    ("term", "activated_at", "ends_at"),
    [
        ("1_month", "2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z"),
        ("1_month", "2024-01-31T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("1_month", "2026-01-30T12:00:00Z", "2026-02-28T12:00:00Z"),
        ("1_month", "2026-02-28T12:00:00Z", "2026-03-28T12:00:00Z"),
        ("2_months", "2026-01-31T12:00:00Z", "2026-03-31T12:00:00Z"),
        ("1_month", "2026-12-15T12:00:00Z", "2027-01-15T12:00:00Z"),
        ("11_months", "2026-01-15T12:00:00Z", "2026-12-15T12:00:00Z"),
        ("12_months", "2026-12-31T12:00:00Z", "2027-12-31T12:00:00Z"),
        ("13_months", "2026-12-31T12:00:00Z", "2028-01-31T12:00:00Z"),
        ("1_year", "2024-02-29T12:00:00Z", "2025-02-28T12:00:00Z"),
        ("4_years", "2024-02-29T12:00:00Z", "2028-02-29T12:00:00Z"),
        ("1_year", "2023-02-28T12:00:00Z", "2024-02-28T12:00:00Z"),
        ("30_days", "2026-01-31T12:00:00Z", "2026-03-02T12:00:00Z"),
        ("1_day", "2026-03-29T00:30:00Z", "2026-03-30T00:30:00Z"),
        ("1_week", "2026-12-28T12:00:00Z", "2027-01-04T12:00:00Z"),
        ("1_hour", "2026-12-31T23:30:00Z", "2027-01-01T00:30:00Z"),
        ("20_minutes", "2026-06-03T11:40:00Z", "2026-06-03T12:00:00Z"),
    ],
)
def test_ends_of_months_leap_days_and_years(term: str, activated_at: str, ends_at: str) -> None:
    assert expiry(term, at(activated_at)) == at(ends_at)


@pytest.mark.parametrize(
    ("activated_at", "ends_at"),
    [
        ("2026-06-03T11:59:59.000000Z", "2026-06-04T11:59:59Z"),
        ("2026-06-03T11:59:59.000001Z", "2026-06-04T12:00:00Z"),
        ("2026-06-03T11:59:59.999999Z", "2026-06-04T12:00:00Z"),
        ("2026-12-31T23:59:59.500000Z", "2027-01-02T00:00:00Z"),
    ],
)
def test_the_activation_is_rounded_up_to_the_whole_second(activated_at: str, ends_at: str) -> None:
    assert expiry("1_day", at(activated_at)) == at(ends_at)


def test_the_second_is_rounded_before_the_month_is_added() -> None:
    # Rounded afterwards, the clamp would be to the 28th of February.
    assert expiry("1_month", at("2026-01-31T23:59:59.500000Z")) == at("2026-03-01T00:00:00Z")


@pytest.mark.parametrize("term", ["", "day", "0_days", "1_fortnight", "01_day", "1_day ", "1_days_", "-1_day", "1 day"])
def test_what_is_no_term_has_no_end(term: str) -> None:
    assert not is_term(term)
    with pytest.raises(ValueError, match=f"^not a term: {term!r}$"):
        expiry(term, at("2026-06-03T12:00:00Z"))


@pytest.mark.parametrize("unit", sorted(LONGEST))
def test_every_unit_is_a_term_with_and_without_its_s(unit: str) -> None:
    moment = at("2026-06-03T12:00:00Z")
    assert is_term(f"2_{unit}")
    assert expiry(f"2_{unit}", moment) == expiry(f"2_{unit}s", moment)
