"""How much one may ask: buckets, whose address counts, the door."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaproxy.http.edge import MORE_HEADERS
from novaproxy.http.refusals import AskedTooMuch, TooManyRequests, TooManyWrongCodes, TooManyWrongTokens
from novaproxy.limits.addresses import Addresses
from novaproxy.limits.buckets import SECOND_NS, Buckets, Kept, Policy
from novaproxy.limits.door import TOKENS_OF_AN_ADDRESS, Door
from novaproxy.orders.pace import LARGEST_BATCH, Pace
from novaproxy.settings import Limits

QUOTAS = st.integers(1, 50)
STEPS = st.lists(st.integers(0, 20 * SECOND_NS), max_size=120)


@given(QUOTAS, st.integers(1, 90), STEPS)
def test_no_span_of_time_sees_more_than_the_quota_and_what_came_back_in_it(
    quota: int, seconds: int, steps: list[int]
) -> None:
    policy = Policy("orders", quota, seconds)
    buckets, now, taken = Buckets(policy), 1, []
    for step in steps:
        now += step
        if buckets.take(b"key", now) >= 0:
            taken.append(now)
    for first, begun_at in enumerate(taken):
        for last in range(first, len(taken)):
            came_back = (taken[last] - begun_at) // policy.interval_ns
            assert last - first + 1 <= quota + came_back


@given(QUOTAS, st.integers(1, 90), STEPS)
def test_who_is_refused_may_come_when_he_was_told_and_not_a_moment_sooner(
    quota: int, seconds: int, steps: list[int]
) -> None:
    buckets, now = Buckets(Policy("orders", quota, seconds)), 1
    for step in steps:
        now += step
        wait = buckets.wait_ns(b"key", now)
        if wait:
            assert buckets.take(b"key", now) < 0
            assert buckets.take(b"key", now + wait - 1) < 0, "a refusal costs nothing, and changes nothing"
            assert wait <= Policy("orders", quota, seconds).interval_ns
            now += wait
        assert buckets.take(b"key", now) >= 0


@given(QUOTAS, st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=100))
def test_keys_do_not_share_a_bucket(quota: int, keys: list[bytes]) -> None:
    buckets = Buckets(Policy("orders", quota))
    taken = [key for key in keys if buckets.take(key, 1) >= 0]
    assert all(taken.count(key) == min(quota, keys.count(key)) for key in set(keys))


@given(QUOTAS)
def test_what_is_left_counts_down_and_comes_back(quota: int) -> None:
    buckets = Buckets(Policy("orders", quota))
    assert [buckets.take(b"key", 1) for _ in range(quota + 1)] == [*range(quota - 1, -1, -1), -1]
    assert buckets.take(b"key", 1 + buckets.full_in_ns(b"key", 1)) == quota - 1


@given(st.integers(1, 20), st.lists(st.integers(0, 400).map(lambda number: number.to_bytes(2, "big"))))
def test_no_crowd_of_keys_fills_the_memory_and_the_newest_are_known(most_keys: int, keys: list[bytes]) -> None:
    kept = Kept(most_keys)
    for number, key in enumerate(keys, 1):
        kept.write(key, number)
        assert len(kept) <= 2 * most_keys
    newest = {key: number for number, key in enumerate(keys, 1)}
    for key in keys[-most_keys:]:
        assert kept.read(key) == newest[key]


def scope(peer: str | None = "192.0.2.1", *forwarded: str, token: bytes | None = None) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    return {"client": None if peer is None else (peer, 1), "headers": headers, "token": token}


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "counts"),
    [
        ((), "192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        (("127.0.0.1/32",), "192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        (("127.0.0.1/32",), "127.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        (("127.0.0.1/32",), "127.0.0.1", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        (("127.0.0.1/32",), "127.0.0.1", ("203.0.113.9", "198.51.100.7"), "198.51.100.7"),
        (("127.0.0.0/8", "10.0.0.0/8"), "127.0.0.1", ("203.0.113.9, 198.51.100.7 ,10.1.2.3",), "198.51.100.7"),
        (("127.0.0.0/8",), "127.0.0.1", (), "127.0.0.1"),
        (("127.0.0.0/8",), "127.0.0.1", ("nonsense",), "127.0.0.1"),
        (("127.0.0.0/8",), "127.0.0.1", ("198.51.100.7, nonsense, 127.0.0.2",), "127.0.0.2"),
        (("127.0.0.0/8",), "127.0.0.1", ("1" * 5_000,), "127.0.0.1"),
        (("127.0.0.0/8",), "::ffff:127.0.0.1", ("198.51.100.7:4711",), "198.51.100.7"),
        (("::1/128",), "::1", ("[2001:db8::7]:4711",), "2001:db8::7"),
        (("2001:db8:1::/48",), "2001:db8:1::5", ("2001:db8:2::9",), "2001:db8:2::9"),
        (("127.0.0.0/8",), "127.0.0.1", ("127.0.0.3",), "127.0.0.3"),
    ],
)
def test_the_rightmost_hop_that_is_no_trusted_proxy_counts(
    trusted: tuple[str, ...], peer: str, forwarded: tuple[str, ...], counts: str
) -> None:
    assert Addresses(trusted).key(scope(peer, *forwarded)) == Addresses(()).key(scope(counts))


def test_an_ipv6_network_of_one_customer_counts_once_and_every_ipv4_address_alone() -> None:
    key = Addresses(()).key
    assert key(scope("2001:db8::1")) == key(scope("2001:db8::ffff:1")) != key(scope("2001:db8:0:1::1"))
    assert key(scope("192.0.2.1")) != key(scope("192.0.2.2"))
    assert key(scope("::ffff:192.0.2.1")) == key(scope("192.0.2.1"))
    assert key(scope(None)) == key(scope("/a/socket")) == b""


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


SMALL = Limits(orders_per_minute=6, reads_per_minute=6, wrong_codes_per_minute=2, wrong_tokens_per_minute=2)


def refused(kind: type[AskedTooMuch], asked: Any, *arguments: Any) -> int:  # noqa: ANN401 -- any method of the door
    with pytest.raises(AskedTooMuch) as told:
        asked(*arguments)
    assert type(told.value) is kind
    return told.value.retry_after_seconds


def headers(of: dict[str, Any]) -> dict[bytes, bytes]:
    return dict(of[MORE_HEADERS])


def test_the_orders_of_a_token_are_counted_and_the_headers_say_how_many_are_left() -> None:
    clock, asked = Clock(), scope()
    door = Door(SMALL, clock)
    for left in range(5, -1, -1):
        door.orders(asked, b"token")
        assert headers(asked) == {
            b"ratelimit-policy": b'"orders";q=6;w=60',
            b"ratelimit": b'"orders";r=%d;t=%d' % (left, 10 * (6 - left)),
        }
    assert refused(TooManyRequests, door.orders, asked, b"token") == 10
    assert headers(asked)[b"ratelimit"] == b'"orders";r=0;t=10'
    door.orders(asked, b"another token")
    door.reads(asked, b"token")
    clock.now_ns += 10 * SECOND_NS
    door.orders(asked, b"token")


def test_an_address_may_ask_as_much_as_several_tokens() -> None:
    door, asked = Door(SMALL, Clock()), scope()
    for number in range(6 * TOKENS_OF_AN_ADDRESS):
        door.orders(asked, b"%d" % number)
    refused(TooManyRequests, door.orders, asked, b"one more")
    assert headers(asked)[b"ratelimit-policy"] == b'"orders-address";q=24;w=60'
    door.orders(scope("192.0.2.2"), b"one more")


def test_codes_that_do_not_exist_stop_orders_with_a_code_alone() -> None:
    door, asked = Door(SMALL, Clock()), scope()
    for _ in range(2):
        door.redeems(asked, b"token")
        door.noted_wrong_code(asked, b"token")
    assert refused(TooManyWrongCodes, door.redeems, asked, b"token") == 30
    door.orders(asked, b"token")
    door.redeems(asked, b"another token")


def test_who_guesses_tokens_is_told_to_stop_and_locks_out_nobody_who_has_one() -> None:
    clock, asked = Clock(), scope()
    door = Door(SMALL, clock)
    door.noted_valid(b"customer")
    for guess in (b"first", b"second"):
        door.reads(asked, guess)
        door.noted_wrong_token(asked)
    assert refused(TooManyWrongTokens, door.reads, asked, b"third") == 30
    refused(TooManyWrongTokens, door.noted_wrong_token, asked)
    door.orders(asked, b"customer")
    door.orders(scope("192.0.2.2"), b"third")
    clock.now_ns += 3_600 * SECOND_NS
    door.noted_wrong_token(asked)
    door.noted_wrong_token(asked)
    refused(TooManyWrongTokens, door.orders, asked, b"customer")


def test_a_door_without_limits_lets_everybody_in_and_says_nothing() -> None:
    door, asked = Door(None), scope()
    for _ in range(10_000):
        door.orders(asked, b"token")
        door.noted_wrong_token(asked)
        door.noted_wrong_code(asked, b"token")
    door.redeems(asked, b"token")
    assert MORE_HEADERS not in asked


def test_the_defaults_leave_room_for_races_of_two_hundred_orders() -> None:
    door, asked = Door(Limits(), Clock()), scope()
    for _ in range(10 * 200):
        door.orders(asked, b"token")
        door.redeems(asked, b"token")


@given(st.lists(st.floats(0, 2), min_size=1), st.integers(0, 2_000))
def test_the_expected_wait_grows_with_the_queue_and_lies_between_the_fastest_and_the_slowest_batch(
    batches: list[float], waiting: int
) -> None:
    pace = Pace()
    waits = []
    for seconds in batches:
        pace.note(seconds)
        waits.append(pace.wait_seconds(waiting))
    assert max(waits) <= (waiting // LARGEST_BATCH + 0.5) * max(batches) + 1e-9
    assert all(one <= other for one, other in pairwise(pace.wait_seconds(count) for count in range(0, 2_000, 50)))


def test_a_desk_that_was_slow_once_soon_counts_as_fast_again() -> None:
    pace = Pace()
    for _ in range(20):
        pace.note(5.0)
    assert pace.wait_seconds(1) > 1
    for _ in range(12):
        pace.note(0.003)
    assert pace.wait_seconds(1) < 0.25
