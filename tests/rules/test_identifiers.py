"""Identifiers and credentials that are made up here."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122

from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.credentials.issue import ALPHABET, LENGTH, new_name
from novaproxy.identifiers import new_uuid
from rule_cases import NOW

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(EPOCH.replace(tzinfo=None), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- the strategy adds UTC


@given(moments)
@example(datetime(2026, 7, 1, 12, 0, 0, 1_000, tzinfo=UTC))
@example(EPOCH)
def test_a_uuid_is_of_version_7_and_tells_its_millisecond(now: datetime) -> None:
    uuid = new_uuid(now)
    assert (uuid.version, uuid.variant) == (7, RFC_4122)
    assert uuid.int >> 80 == (now - EPOCH) // timedelta(milliseconds=1)


def test_every_millisecond_of_a_second_is_told_exactly() -> None:
    second = datetime(2026, 1, 1, tzinfo=UTC)
    for milliseconds in range(1_000):
        now = second + timedelta(milliseconds=milliseconds)
        assert new_uuid(now).int >> 80 == (now - EPOCH) // timedelta(milliseconds=1)


def test_the_zone_of_the_time_does_not_count() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert new_uuid(there).int >> 80 == new_uuid(NOW).int >> 80


def test_later_uuids_are_greater_and_none_comes_twice() -> None:
    uuids = [new_uuid(NOW + timedelta(milliseconds=step)) for step in range(1_000)]
    assert uuids == sorted(uuids)
    at_once = {new_uuid(NOW) for _ in range(10_000)}
    assert len(at_once) == 10_000


def test_every_random_bit_of_a_uuid_varies() -> None:
    ones, zeros = 0, 0
    for _ in range(200):
        number = new_uuid(NOW).int
        ones, zeros = ones | number, zeros | ~number
    random_bits = (2**80 - 1) & ~(0xF << 76) & ~(0x3 << 62)
    assert ones & zeros & (2**128 - 1) == random_bits


def test_a_name_is_15_lower_case_letters_and_digits() -> None:
    names = [new_name() for _ in range(5_000)]
    assert all(re.fullmatch("[a-z0-9]{15}", name) for name in names)
    assert len(set(names)) == len(names)


def test_every_letter_is_as_likely_at_every_place() -> None:
    assert sorted(ALPHABET) == sorted("abcdefghijklmnopqrstuvwxyz0123456789")
    names = [new_name() for _ in range(7_200)]
    for place in range(LENGTH):
        counts = Counter(name[place] for name in names)
        # 200 of each are expected; 90 away is beyond six standard deviations.
        assert set(counts) == set(ALPHABET)
        assert all(110 < count < 290 for count in counts.values())
