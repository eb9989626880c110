"""How much traffic is asked for (contract, section 3, row 14)."""

from decimal import Decimal
from fractions import Fraction
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.catalog.refusals import BandwidthNotValid, BandwidthRequired
from novaproxy.catalog.rules import MAX_BANDWIDTH_GB, asked_bandwidth_gb
from novaproxy.http.body import JsonValue
from rule_cases import HOSTILE_NUMBERS, HOSTILE_ZEROS, duration, read_number, time, traffic

PLAN = traffic((2, "5.00"), (10, "4.50"))
FROM_ONE = traffic((1, "5.00"))


def amount(asked: JsonValue) -> int | None:
    """The GB that *asked* means on a plan from 1 GB, None where it is refused."""
    try:
        return asked_bandwidth_gb(FROM_ONE, asked)
    except BandwidthNotValid:
        return None


def test_a_bandwidth_plan_wants_a_bandwidth() -> None:
    with pytest.raises(BandwidthRequired):
        asked_bandwidth_gb(PLAN, None)


def test_a_duration_plan_wants_none_and_refuses_any() -> None:
    assert asked_bandwidth_gb(time(duration()), None) is None
    for asked in (Decimal(2), "2", "nonsense"):
        with pytest.raises(BandwidthNotValid):
            asked_bandwidth_gb(time(duration()), asked)


@pytest.mark.parametrize(
    "asked", [Decimal(2), Decimal("2.0"), Decimal("2.000"), Decimal("0.2e1"), Decimal("20e-1"), "2"]
)
def test_two_is_two_in_every_spelling(asked: JsonValue) -> None:
    gb = asked_bandwidth_gb(PLAN, asked)
    assert (gb, type(gb)) == (2, int)


@pytest.mark.parametrize(
    "asked",
    [
        *("2.0", "+2", "02", " 2", "2 ", "2\n", "2e0", "0x2", "٢", "two", "-2", "0", "1_0", "2GB", "9" * 5_000),
        *(
            True,
            False,
            [Decimal(2)],
            [],
            {"gb": Decimal(2)},
            Decimal("2.5"),
            Decimal(0),
            Decimal(-2),
            Decimal("2.0001"),
        ),
    ],
)
def test_what_is_no_amount(asked: JsonValue) -> None:
    with pytest.raises(BandwidthNotValid) as refused:
        asked_bandwidth_gb(FROM_ONE, asked)
    assert refused.value.sentence == "The entered bandwidth is not valid."


@pytest.mark.parametrize("asked", [Decimal(1), "1"])
def test_less_than_the_smallest_tier_is_not_valid(asked: JsonValue) -> None:
    with pytest.raises(BandwidthNotValid):
        asked_bandwidth_gb(PLAN, asked)


def test_the_greatest_amount_is_two_to_the_53_bytes() -> None:
    assert MAX_BANDWIDTH_GB * 2**30 == 2**53
    assert amount(Decimal(8_388_608)) == amount("8388608") == 8_388_608
    assert amount(Decimal(8_388_609)) is None
    assert amount("8388609") is None
    assert amount("10000000") is None


@pytest.mark.parametrize("written", HOSTILE_NUMBERS + HOSTILE_ZEROS)
def test_a_hostile_number_is_refused_at_once(written: str) -> None:
    number = read_number(written)
    before = process_time()
    assert amount(number) is None
    assert process_time() - before < 0.5


@given(st.integers(1, 8_388_608))
@example(1)
@example(9_999_999)
def test_a_whole_number_means_itself_as_number_and_as_text(gb: int) -> None:
    expected = gb if gb <= 8_388_608 else None
    assert amount(Decimal(gb)) == amount(str(gb)) == amount(Decimal(f"{gb}.00")) == expected


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_a_json_number_is_accepted_exactly_when_it_is_whole_and_sold(written: str) -> None:
    number = read_number(written)
    exact = Fraction(written)
    is_sold = exact.denominator == 1 and 1 <= exact <= 8_388_608
    assert amount(number) == (exact.numerator if is_sold else None)


@given(st.text(max_size=8))
def test_a_text_is_accepted_exactly_when_it_is_the_shortest_form(text: str) -> None:
    gb = amount(text)
    assert gb is None or (str(gb) == text and 1 <= gb <= 8_388_608)
