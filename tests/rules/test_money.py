"""Money: integers in, integers out, equal to exact fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.http.wire import ENCODER
from novaproxy.money import (
    AMOUNT_CEILING_CENTS,
    cents_of_e4,
    json_cents,
    json_e4,
    parsed_cents,
    plain,
    plain_number,
    rounded,
    text_cents,
    text_e4,
)
from rule_cases import HOSTILE_ZEROS, half_up, read_number

amounts_cents = st.integers(0, AMOUNT_CEILING_CENTS)


@given(st.integers(0, 10**30), st.integers(1, 10**20))
@example(1, 2)
@example(3, 2)
@example(1, 3)
@example(2, 3)
@example(0, 1)
def test_rounding_is_half_up_of_the_exact_quotient(numerator: int, denominator: int) -> None:
    assert rounded(numerator, denominator) == half_up(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("top", "bottom", "whole"), [(0, 2, 0), (1, 2, 1), (2, 2, 1), (3, 2, 2), (5, 2, 3), (49, 100, 0)]
)
def test_a_half_goes_up_and_not_to_the_even_number(top: int, bottom: int, whole: int) -> None:
    assert rounded(top, bottom) == whole


@given(st.integers(0, 10**20))
def test_a_list_price_becomes_cents_rounded_half_up(amount_e4: int) -> None:
    assert cents_of_e4(amount_e4) == half_up(Fraction(amount_e4, 100))


@pytest.mark.parametrize(("amount_e4", "cents"), [(0, 0), (49, 0), (50, 1), (149, 1), (150, 2), (45_075, 451), (99, 1)])
def test_the_cents_of_a_list_price(amount_e4: int, cents: int) -> None:
    assert cents_of_e4(amount_e4) == cents


def test_the_ceiling_is_the_contracts_one() -> None:
    assert text_cents(AMOUNT_CEILING_CENTS) == "9999999999.99"


@given(amounts_cents)
def test_an_amount_written_out_is_read_back(cents: int) -> None:
    assert parsed_cents(text_cents(cents)) == cents


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("5", 500),
        ("5.0", 500),
        ("5.5", 550),
        ("5.05", 505),
        ("0", 0),
        ("0.01", 1),
        ("007", 700),
        ("0" * 9_000 + "3", 300),
    ],
)
def test_an_amount_may_have_up_to_two_decimals(text: str, cents: int) -> None:
    assert parsed_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    ["", ".", "5.", ".5", "5.001", "-5", "+5", "5,00", " 5", "5 ", "5\n", "1e3", "NaN", "٣", "0x1", "5.5.5", "1_000"],
)
def test_what_is_no_amount_is_none(text: str) -> None:
    assert parsed_cents(text) is None


@pytest.mark.parametrize("text", ["9" * 13, "9" * 5_000, "1" + "0" * 13, "9" * 5_000 + ".99"])
def test_an_amount_of_any_length_is_above_the_ceiling_and_never_misread(text: str) -> None:
    assert parsed_cents(text) == AMOUNT_CEILING_CENTS + 1


def test_an_amount_just_above_the_ceiling_is_read_exactly() -> None:
    assert parsed_cents("9999999999.99") == AMOUNT_CEILING_CENTS
    assert parsed_cents("10000000000") == AMOUNT_CEILING_CENTS + 1
    assert parsed_cents("999999999999.99") == 99_999_999_999_999


@given(st.integers(-AMOUNT_CEILING_CENTS, AMOUNT_CEILING_CENTS))
@example(-10)
@example(-500)
@example(10)
def test_cents_are_the_same_json_number(cents: int) -> None:
    written = ENCODER.encode(json_cents(cents)).decode()
    assert Fraction(written) == Fraction(cents, 100)
    assert "e" not in written.lower()
    assert not ("." in written and written.endswith("0"))


@pytest.mark.parametrize(
    ("cents", "written"),
    [(1999, "19.99"), (9320, "93.2"), (500, "5"), (0, "0"), (1, "0.01"), (-1, "-0.01"), (-10, "-0.1"), (-500, "-5")],
)
def test_cents_in_json(cents: int, written: str) -> None:
    assert ENCODER.encode(json_cents(cents)).decode() == written


@given(st.integers(0, 99_999_999_999_999))
@example(9_999)
@example(10_001)
def test_a_list_price_is_the_same_json_number(amount_e4: int) -> None:
    written = ENCODER.encode(json_e4(amount_e4)).decode()
    assert Fraction(written) == Fraction(amount_e4, 10_000)
    assert "e" not in written.lower()
    assert not ("." in written and written.endswith("0"))


@pytest.mark.parametrize(("amount_e4", "written"), [(45_075, "4.5075"), (50_000, "5"), (1, "0.0001"), (45_000, "4.5")])
def test_a_list_price_in_json(amount_e4: int, written: str) -> None:
    assert ENCODER.encode(json_e4(amount_e4)).decode() == written


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (0, "0.00"),
        (5, "0.05"),
        (500, "5.00"),
        (-1999, "-19.99"),
        (-5, "-0.05"),
        (-1, "-0.01"),
        (-100, "-1.00"),
        (110, "1.10"),
    ],
)
def test_cents_as_people_write_them(cents: int, text: str) -> None:
    assert text_cents(cents) == text


@pytest.mark.parametrize(
    ("amount_e4", "text"),
    [(50_000, "5.00"), (45_075, "4.5075"), (45_500, "4.55"), (45_010, "4.501"), (0, "0.00"), (1, "0.0001")],
)
def test_a_list_price_as_people_write_it(amount_e4: int, text: str) -> None:
    assert text_e4(amount_e4) == text


@given(st.integers(0, 99_999_999_999_999))
def test_a_list_price_as_text_is_exact(amount_e4: int) -> None:
    text = text_e4(amount_e4)
    assert Fraction(text) * 10_000 == amount_e4
    assert len(text.partition(".")[2]) >= 2


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(lambda number: abs(number.adjusted()) < 60)
)
@example(Decimal("1e2"))
@example(Decimal(100))
@example(Decimal("-0.00"))
@example(Decimal("0.50"))
@example(Decimal("1e-20"))
def test_the_shortest_form_is_the_same_number_with_nothing_left_to_drop(number: Decimal) -> None:
    text = plain(number)
    assert Fraction(text) == Fraction(number)
    assert "E" not in text
    assert not ("." in text and text.endswith(("0", ".")))
    assert not text.startswith(("-0", "0")) or "." in text or text == "0"


@pytest.mark.parametrize(
    ("written", "text"), [("10.0", "10"), ("100", "100"), ("1e2", "100"), ("0.50", "0.5"), ("-0.0", "0")]
)
def test_the_shortest_form(written: str, text: str) -> None:
    assert plain(Decimal(written)) == text


@pytest.mark.parametrize("written", HOSTILE_ZEROS)
def test_every_spelling_of_zero_is_0_at_once(written: str) -> None:
    number = read_number(written)
    assert isinstance(number, Decimal)
    assert plain(number) == "0"
    assert plain_number(number) == 0


@pytest.mark.parametrize(
    ("written", "number", "kind"),
    [("10.0", 10, int), ("1e2", 100, int), ("0.50", Decimal("0.5"), Decimal), ("-0", 0, int)],
)
def test_a_whole_number_is_an_integer_in_json(written: str, number: object, kind: type) -> None:
    shortest = plain_number(Decimal(written))
    assert shortest == number
    assert type(shortest) is kind
    assert str(shortest) == str(number)
