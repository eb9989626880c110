"""The rules of admission by themselves: terms, the database's clock, refusals that are remembered, look-ups."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.lookups import LookUps
from novaproxy.gateway.admission.refused import KEPT_SECONDS, RecentRefusals, Refused
from novaproxy.gateway.admission.terms import Bought, bought
from novaproxy.gateway.refusals import CredentialsNotValid, GatewayUnavailable, OrderInactive

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

OPTIONS: list[tuple[dict[str, object], Bought]] = [
    ({}, Bought()),
    ({"size": 5}, Bought()),
    ({"speed": 8}, Bought(bytes_per_second=1_000_000)),
    ({"speed": 0.5}, Bought(bytes_per_second=62_500)),
    ({"speed": "100"}, Bought(bytes_per_second=12_500_000)),
    ({"speed": "unlimited"}, Bought()),
    ({"speed": 0}, Bought()),
    ({"speed": "NaN"}, Bought()),
    ({"threads": 7}, Bought(threads=7)),
    ({"threads": 2.5}, Bought(threads=2)),
    ({"threads": 0.5}, Bought(threads=1)),
    ({"country": "DE"}, Bought(country="de")),
    ({"country": 7}, Bought(country="7")),
]


@pytest.mark.parametrize(("chosen", "terms"), OPTIONS)
def test_what_was_chosen_says_what_an_order_may(chosen: dict[str, object], terms: Bought) -> None:
    assert bought(json.dumps([{"name": name, "value": value} for name, value in chosen.items()])) == terms


def test_a_tenth_of_a_megabit_is_exact() -> None:
    terms = bought('[{"name": "speed", "value": 0.1}]')
    assert terms.bytes_per_second == int(Decimal("0.1") * 125_000) == 12_500
    assert terms.speed_mbits == 1


class Hands:
    """The hands of a clock, turned by the test."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def clock(hands: Hands) -> DatabaseClock:
    return DatabaseClock(hands)


def test_the_clock_goes_on_from_the_last_look_and_is_never_ahead(clock: DatabaseClock, hands: Hands) -> None:
    # The database said noon somewhen between 99.5 and 100: at 100 it is noon at least.
    clock.noted(99.5, NOON, 100.0)
    assert clock.now() == NOON
    hands.seconds = 160.25
    assert clock.now() == NOON + timedelta(seconds=60.25)


def test_a_slow_look_says_less_than_a_quick_one_before(clock: DatabaseClock, hands: Hands) -> None:
    clock.noted(100.0, NOON, 100.0)
    clock.noted(100.0, NOON + timedelta(seconds=0.1), 101.0)
    hands.seconds = 101.0
    assert clock.now() == NOON + timedelta(seconds=1)
    clock.noted(101.0, NOON + timedelta(seconds=1.001), 101.0)
    assert clock.now() == NOON + timedelta(seconds=1.001)


@pytest.mark.parametrize("step", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_clock_that_somebody_set_is_followed_however_slow_the_look(
    clock: DatabaseClock, hands: Hands, step: timedelta
) -> None:
    clock.noted(100.0, NOON, 100.0)
    clock.noted(100.0, NOON + step, 103.0)
    hands.seconds = 103.0
    assert clock.now() == NOON + step


def test_a_refusal_holds_for_a_second_and_the_oldest_go_first() -> None:
    recent = RecentRefusals(most=3)
    for number in range(5):
        recent.keep(bytes([number]), Refused(CredentialsNotValid), now=number / 10)
    assert [recent.find(bytes([number]), 0.5) is not None for number in range(5)] == [False, False, True, True, True]
    assert len(recent) == 3
    assert recent.find(bytes([4]), 0.4 + KEPT_SECONDS) is None
    recent.keep(b"x", Refused(OrderInactive, 1, 2), now=100.0)
    assert len(recent) == 1


class Reads:
    """A database that answers when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.failed: list[Exception] = []
        self.fails_with: Exception | None = None
        self.answers = asyncio.Event()

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(keys))
        await self.answers.wait()
        if self.fails_with is not None:
            raise self.fails_with
        return {key: key.upper() for key in keys}

    def look_ups(self, most_waiting: int = 100) -> LookUps[str, str]:
        return LookUps(self, self.failed.append, most_waiting)


async def until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not happens():  # noqa: ASYNC110 -- what happens is a list that grows
            await asyncio.sleep(0)


async def test_what_is_asked_while_a_look_up_is_under_way_is_the_next_one() -> None:
    reads = Reads()
    look_ups = reads.look_ups()
    first = asyncio.create_task(look_ups.find("a"))
    await until(lambda: bool(reads.asked))
    others = [asyncio.create_task(look_ups.find(key)) for key in ("b", "a", "c", "b")]
    await asyncio.sleep(0)
    reads.answers.set()
    assert await asyncio.gather(first, *others) == ["A", "B", "A", "C", "B"]
    assert reads.asked == [["a"], ["b", "c"]]


async def test_more_than_may_wait_are_told_to_come_again() -> None:
    reads = Reads()
    look_ups = reads.look_ups(most_waiting=2)
    tasks = [asyncio.create_task(look_ups.find("a"))]
    await until(lambda: bool(reads.asked))
    tasks += [asyncio.create_task(look_ups.find(key)) for key in ("b", "c")]
    await asyncio.sleep(0)
    with pytest.raises(GatewayUnavailable):
        await look_ups.find("d")
    reads.answers.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    assert await look_ups.find("d") == "D"


async def test_whoever_goes_away_takes_the_answer_from_nobody() -> None:
    reads = Reads()
    look_ups = reads.look_ups()
    impatient, patient = [asyncio.create_task(look_ups.find("a")) for _ in range(2)]
    await until(lambda: bool(reads.asked))
    impatient.cancel()
    await asyncio.sleep(0)
    reads.answers.set()
    assert await patient == "A"
    assert reads.asked == [["a"]]


async def test_an_error_is_told_to_all_who_wait_and_the_next_is_asked_anew() -> None:
    reads = Reads()
    look_ups = reads.look_ups()
    reads.fails_with = OSError("away")
    reads.answers.set()
    answers = await asyncio.gather(look_ups.find("a"), look_ups.find("b"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [GatewayUnavailable] * 2
    assert [str(error) for error in reads.failed] == ["away"]
    reads.fails_with = None
    assert await look_ups.find("a") == "A"


async def test_a_database_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaproxy.gateway.admission.lookups.LOOK_UP_SECONDS", 0.05)
    look_ups = Reads().look_ups()
    with pytest.raises(GatewayUnavailable):
        await look_ups.find("a")


async def test_who_waits_at_the_end_is_told_so() -> None:
    reads = Reads()
    look_ups = reads.look_ups()
    waiting = asyncio.create_task(look_ups.find("a"))
    await until(lambda: bool(reads.asked))
    await look_ups.close()
    with pytest.raises(GatewayUnavailable):
        await waiting
