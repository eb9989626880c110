"""The speed that was sold: a bucket in integers, and how gateways share it. Time is the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from novaproxy.usage.speed import NANOSECONDS, Bucket, Demand, bytes_per_second


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


SPEED = 1_000_000


def noted(*windows: tuple[int, int]) -> Demand:
    """Return what is judged after half seconds in which so much passed of so much that might."""
    demand = Demand()
    for passed, rate in windows:
        demand.note(passed, rate, NANOSECONDS // 2)
    return demand


def test_who_passes_all_that_he_may_wishes_for_more() -> None:
    assert noted((500_000, 500_000)).wish(SPEED, is_low=True) == 656_250
    assert noted((900_000, 900_000)).wish(SPEED, is_low=True) == SPEED


def test_who_passes_less_wishes_for_that_and_a_little_to_spare() -> None:
    wish = noted(*[(300_000, 500_000)] * 20).wish(SPEED, is_low=True)
    assert 310_000 <= wish <= 340_000


def test_a_burst_takes_little_from_the_others() -> None:
    wish = noted(*[(40_000, 65_000)] * 20, (65_000, 65_000)).wish(SPEED, is_low=True)
    assert wish <= 100_000


def test_who_begins_wishes_for_a_twentieth_and_who_is_idle_for_nothing() -> None:
    assert Demand().wish(SPEED, is_low=True) == SPEED // 20
    assert Demand().wish(SPEED, is_low=False) == 0
    ended = noted((500_000, 500_000))
    ended.note(0, 500_000, 3 * NANOSECONDS)
    assert ended.wish(SPEED, is_low=False) == 0


def test_nobody_stands_still_who_has_no_part_yet() -> None:
    bucket = Bucket(SPEED, 0)
    bucket.set_rate(0)
    bucket.take(bucket.bytes_at(0))
    assert bucket.is_low
    assert bucket.bytes_at(NANOSECONDS) == SPEED // 20
    assert not bucket.is_low
