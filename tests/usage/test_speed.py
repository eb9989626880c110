"""The speed that was sold: a bucket in integers, and how gateways share it. Time is the test's own."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.usage.speed import NANOSECONDS, Bucket, bytes_per_second, share_of

ROUND_NS = NANOSECONDS // 2
STEP_NS = NANOSECONDS // 200


def test_a_megabit_is_a_million_bits() -> None:
    assert bytes_per_second(8) == 1_000_000


@given(
    speed=st.integers(1, 10_000),
    steps_ns=st.lists(st.integers(1, NANOSECONDS), min_size=1, max_size=50),
)
def test_no_more_passes_than_the_speed_and_a_moment_allow(speed: int, steps_ns: list[int]) -> None:
    rate = bytes_per_second(speed)
    bucket = Bucket(rate, 0)
    now_ns = passed = 0
    for step_ns in steps_ns:
        now_ns += step_ns
        ready = bucket.bytes_at(now_ns)
        bucket.take(ready)
        passed += ready
        assert passed <= rate * now_ns // NANOSECONDS + rate // 20 + 2 * 1_500


@given(speed=st.integers(1, 10_000), count=st.integers(1, 1_000))
def test_bytes_that_come_in_small_steps_are_all_there(speed: int, count: int) -> None:
    rate = bytes_per_second(speed)
    bucket = Bucket(rate, 0)
    bucket.take(bucket.bytes_at(0))
    for number in range(1, count + 1):
        bucket.bytes_at(number * 1_000)
    assert bucket.bytes_at(count * 1_000) == min(rate * count * 1_000 // NANOSECONDS, bucket.bytes_at(10**15))


def test_what_did_not_pass_is_there_again_and_a_turn_is_waited_for() -> None:
    bucket = Bucket(1_000_000, 0)
    bucket.take(bucket.bytes_at(0))
    assert bucket.ns_until_turn() == bucket.turn_bytes * 1_000
    bucket.put_back(bucket.turn_bytes)
    assert (bucket.bytes_at(0), bucket.ns_until_turn()) == (bucket.turn_bytes, 0)


def test_a_clock_that_goes_backwards_gives_nothing() -> None:
    bucket = Bucket(1_000_000, NANOSECONDS)
    bucket.take(bucket.bytes_at(NANOSECONDS))
    assert bucket.bytes_at(0) == 0


@dataclass(slots=True)
class Simulated:
    """A gateway whose clients want *wanted* bytes a second, and that tells the others of it each half a second."""

    bucket: Bucket
    wanted: int
    passed: int = 0
    told: int = 0
    told_passed: int = 0
    credit: int = 0

    def step(self, now_ns: int) -> None:
        self.credit += self.wanted * STEP_NS
        count = min(self.bucket.bytes_at(now_ns), self.credit // NANOSECONDS)
        self.credit = min(self.credit - count * NANOSECONDS, self.wanted * STEP_NS)
        self.bucket.take(count)
        self.passed += count


def passed_together(speed: int, wanted: list[int], seconds: int) -> list[int]:
    """Return what each gateway passes in the last *seconds*, after two in which they found their shares."""
    gateways = [Simulated(Bucket(speed, 0), each) for each in wanted]
    before: list[int] = []
    for now_ns in range(0, (seconds + 2) * NANOSECONDS, STEP_NS):
        if now_ns == 2 * NANOSECONDS:
            before = [gateway.passed for gateway in gateways]
        for place, gateway in enumerate(gateways):
            gateway.step(now_ns)
            # They do not tell at the same moment.
            if now_ns % ROUND_NS == place * STEP_NS * 7:
                gateway.told = (gateway.passed - gateway.told_passed) * NANOSECONDS // ROUND_NS
                gateway.told_passed = gateway.passed
                others = [other.told for other in gateways if other is not gateway]
                gateway.bucket.set_rate(share_of(speed, sum(others), sum(1 for rate in others if rate)))
    return [gateway.passed - earlier for gateway, earlier in zip(gateways, before, strict=True)]


@pytest.mark.parametrize(
    "wanted",
    [[10**9], [10**9, 10**9], [10**9] * 3, [10**9] * 5, [10**9, 1_000_000], [10**9, 2_000_000, 10**9], [10**9, 0]],
)
def test_gateways_that_want_all_pass_the_speed_together_within_a_tenth(wanted: list[int]) -> None:
    speed = bytes_per_second(100)

    passed = passed_together(speed, wanted, seconds=10)

    assert 0.9 * speed * 10 <= sum(passed) <= 1.1 * speed * 10
    for each, count in zip(wanted, passed, strict=True):
        assert count >= 0.9 * 10 * min(each, speed // len(wanted))
