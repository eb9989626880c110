"""What a buyer chooses with a duration (contract, section 3, rows 2 to 12)."""

from decimal import Decimal
from fractions import Fraction
from time import process_time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from novaproxy.catalog.model import Duration, Option, OptionType
from novaproxy.catalog.refusals import (
    ConfigNotObject,
    ConfigRequired,
    DurationFormatInvalid,
    DurationNotAvailable,
    DurationNotText,
    DurationRequired,
    OptionMissing,
    OptionUnknown,
    ValueAboveMaximum,
    ValueBelowMinimum,
    ValueInvalid,
    ValueNotMultiple,
    ValueNotNumeric,
)
from novaproxy.catalog.rules import Chosen, asked_duration, asked_options, is_multiple
from novaproxy.errors import Refusal
from novaproxy.http.body import JsonValue
from novaproxy.http.wire import ENCODER
from rule_cases import (
    HOSTILE_NUMBERS,
    HOSTILE_ZEROS,
    body,
    duration,
    half_up,
    measured,
    prices_e4,
    read_number,
    select,
    time,
    traffic,
    units,
)

WEEK = time(duration("1_week"), duration("1_day"))
# A reader of one number takes a tenth of this at most; one that writes out a billion digits never ends.
SECONDS = 0.5


def one(option: Option, asked: JsonValue) -> Chosen:
    (chosen,) = asked_options(Duration("1_day", "D", 0, (option,)), {option.name: asked})
    return chosen


def refusal(option: Option, asked: JsonValue) -> type[Refusal] | None:
    try:
        one(option, asked)
    except Refusal as refused:
        return type(refused)
    return None


def test_a_duration_plan_wants_a_duration() -> None:
    with pytest.raises(DurationRequired):
        asked_duration(WEEK, None)
    assert asked_duration(traffic(), None) is None


@pytest.mark.parametrize("asked", [Decimal(1), True, False, ["1_week"], {"slug": "1_week"}])
def test_a_duration_is_text(asked: JsonValue) -> None:
    for plan in (WEEK, traffic()):
        with pytest.raises(DurationNotText):
            asked_duration(plan, asked)


@pytest.mark.parametrize(
    "slug",
    [
        *(
            "1_fortnight",
            "week",
            "1",
            "1_",
            "_week",
            "0_days",
            "01_day",
            "-1_day",
            "+1_day",
            "1.5_days",
            "1__day",
            "1_Day",
        ),
        *("1_week\n", "1_weeks_", "x1_week", "1_weekss", "1 week", "٣_days", "1_day_2", "1_week 1_day"),
    ],
)
def test_a_duration_says_a_length_of_time(slug: str) -> None:
    with pytest.raises(DurationFormatInvalid) as refused:
        asked_duration(WEEK, slug)
    assert (
        refused.value.sentence == f"Invalid duration format '{slug}'. Expected e.g. '30_days', '1_day', '20_minutes'."
    )


@pytest.mark.parametrize("slug", ["1_weeks", "7_days", "2_week", "10_minutes", "999999999999_years"])
def test_a_well_formed_duration_that_is_not_sold_is_not_available(slug: str) -> None:
    with pytest.raises(DurationNotAvailable) as refused:
        asked_duration(WEEK, slug)
    assert refused.value.sentence == f"Duration '{slug}' is not available for plan 'time'."


@pytest.mark.parametrize("slug", ["1_week", "nonsense"])
def test_a_bandwidth_plan_has_no_duration_well_formed_or_not(slug: str) -> None:
    with pytest.raises(DurationNotAvailable):
        asked_duration(traffic(), slug)


def test_the_duration_asked_for_is_found() -> None:
    assert asked_duration(WEEK, "1_day") is WEEK.durations[1]


SPEED, COUNTRY = measured("speed", minimum="1", maximum="100", step="1"), select("country", ("us", "1.00"), (7, "0"))
TWO = duration("1_week", "9.00", SPEED, COUNTRY)


def test_options_want_a_config() -> None:
    with pytest.raises(ConfigRequired):
        asked_options(TWO, None)


@pytest.mark.parametrize("plain", [None, duration()])
def test_no_config_is_wanted_where_there_are_no_options(plain: Duration | None) -> None:
    assert asked_options(plain, None) == ()
    with pytest.raises(OptionUnknown):
        asked_options(plain, {"speed": Decimal(1)})
    with pytest.raises(ConfigNotObject):
        asked_options(plain, "speed=1")


@pytest.mark.parametrize("config", ["text", Decimal(0), True, False, [Decimal(1)], ["speed"]])
def test_a_config_is_an_object(config: JsonValue) -> None:
    with pytest.raises(ConfigNotObject):
        asked_options(TWO, config)


@pytest.mark.parametrize("nothing", [None, ""])
def test_the_first_option_without_a_value_is_told(nothing: JsonValue) -> None:
    with pytest.raises(OptionMissing) as refused:
        asked_options(TWO, {"country": nothing, "speed": nothing})
    assert refused.value.option == "speed"
    with pytest.raises(OptionMissing) as refused:
        asked_options(TWO, {"nonsense": "x", "speed": "nonsense"})
    assert refused.value.option == "country"


@pytest.mark.parametrize("value", [[], {}, False])
def test_an_empty_list_and_false_are_values_and_wrong_ones(value: JsonValue) -> None:
    assert refusal(COUNTRY, value) is ValueInvalid
    assert refusal(SPEED, value) is ValueNotNumeric


def test_the_first_unknown_key_in_request_order_is_told_before_any_value_is_read() -> None:
    with pytest.raises(OptionUnknown) as refused:
        asked_options(TWO, {"zeta": "1", "alpha": "1", "country": "nowhere", "speed": "fast"})
    assert refused.value.option == "zeta"
    with pytest.raises(OptionUnknown):
        asked_options(TWO, {"speed": "1", "country": "us", "Speed": None})


def test_values_are_read_in_plan_order() -> None:
    with pytest.raises(ValueNotNumeric):
        asked_options(TWO, {"country": "nowhere", "speed": "fast"})
    chosen = asked_options(TWO, {"country": "us", "speed": "10"})
    assert [option.name for option in chosen] == ["speed", "country"]


def test_a_choice_is_sold_as_the_catalog_writes_it() -> None:
    assert one(COUNTRY, "us") == Chosen("country", "Country", "us", "<us>", 100)
    for asked in ("7", Decimal(7), Decimal("7.0"), Decimal("70e-1"), Decimal("0.7e1")):
        chosen = one(COUNTRY, asked)
        assert (chosen.value, type(chosen.value)) == (7, int)


@pytest.mark.parametrize(
    "asked", ["07", "7.0", "7e0", "+7", " 7", "US", "<us>", True, Decimal("7.5"), ["us"], {"us": "us"}]
)
def test_nothing_else_is_a_choice(asked: JsonValue) -> None:
    assert refusal(COUNTRY, asked) is ValueInvalid


def test_true_is_not_the_choice_1_and_no_text_is_another_text() -> None:
    option = select("o", (1, "0"), ("True", "0"), ("010", "0"), ("10.0", "0"))
    assert refusal(option, read_number("true")) is ValueInvalid
    assert refusal(option, Decimal(10)) is ValueInvalid
    assert refusal(option, Decimal("10.0")) is ValueInvalid
    assert one(option, "010").value == "010"
    assert one(option, "10.0").value == "10.0"
    assert one(select("o", ("10", "0")), Decimal("1e1")).value == "10"


@given(st.integers(-100, 100), st.integers(-20, 20), st.integers(-100, 100))
def test_a_number_chooses_the_choice_of_its_shortest_form(choice: int, exponent: int, digits: int) -> None:
    number = Decimal(digits).scaleb(exponent)
    option = select("o", (str(choice), "0"))
    assert (refusal(option, number) is None) == (Fraction(number) == choice)


def test_a_choices_price_is_rounded_half_up() -> None:
    assert [one(select("o", ("x", price)), "x").price_cents for price in ("0.0049", "0.005", "1.015")] == [0, 1, 102]


@pytest.mark.parametrize("asked", ["1", "10", "1.0", "007", "10.50", "-0", "0.000", "123456789012345", "1" + "0" * 20])
def test_texts_that_are_numbers(asked: str) -> None:
    assert Fraction(one(measured(), asked).value_label) == Fraction(asked)


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "+1",
            ".5",
            "5.",
            "1e1",
            "0x1A",
            "NaN",
            "Infinity",
            "1,5",
            "1 0",
            "٣",
            "1_0",
            "--1",
            "-",
            "1.2.3",
            "1\n",
            "ten",
        ),
        *("1234567890123456", "0.1234567890123456", "1000000000000001", "10000000.00000001"),
        *(True, False, ["1"], [], {}, {"value": "1"}),
    ],
)
def test_values_that_are_no_numbers(asked: JsonValue) -> None:
    assert refusal(measured(), asked) is ValueNotNumeric


@pytest.mark.parametrize(
    "written", ["1234567890123456", "0.1234567890123456", "1000000000000001e3", "1.000000000000001"]
)
def test_a_json_number_has_at_most_15_significant_digits(written: str) -> None:
    assert refusal(measured(), read_number(written)) is ValueNotNumeric


@pytest.mark.parametrize(
    "written", ["123456789012345", "0.00123456789012345", "1234567890123450000", "1e15", "5E-1", "-0.0"]
)
def test_zeros_at_either_end_are_not_significant(written: str) -> None:
    assert Fraction(one(measured(), read_number(written)).value_label) == Fraction(written)


@pytest.mark.parametrize(("minimum", "told"), [("1", "1"), ("0.50", "0.5"), (None, "0"), ("10.0", "10")])
def test_the_minimum_itself_is_enough(minimum: str | None, told: str) -> None:
    option = measured(minimum=minimum)
    floor = Decimal(minimum or 0)
    assert one(option, floor).value_label == told
    with pytest.raises(ValueBelowMinimum) as refused:
        one(option, floor - Decimal("0.001"))
    assert refused.value.sentence == f"Value for option 'speed' must be at least {told}."


@pytest.mark.parametrize(("maximum", "told"), [("100", "100"), ("0", "0"), ("20.250", "20.25")])
def test_the_maximum_itself_is_allowed(maximum: str, told: str) -> None:
    option = measured(maximum=maximum)
    assert one(option, Decimal(maximum)).value_label == told
    with pytest.raises(ValueAboveMaximum) as refused:
        one(option, Decimal(maximum) + Decimal("0.001"))
    assert refused.value.sentence == f"Value for option 'speed' must be at most {told}."


def test_a_step_counts_from_zero_and_not_from_the_minimum() -> None:
    option = measured(minimum="1", step="2")
    assert refusal(option, "1") is ValueNotMultiple
    assert refusal(option, "3") is ValueNotMultiple
    assert one(option, "2").value == 2
    with pytest.raises(ValueNotMultiple) as refused:
        one(measured(step="0.50"), "0.7")
    assert refused.value.sentence == "Value for option 'speed' must be a multiple of 0.5."


@pytest.mark.parametrize(
    ("value", "step"), [("0.3", "0.1"), ("1.1", "0.1"), ("4.35", "0.05"), ("0", "7"), ("123456789.01", "0.01")]
)
def test_multiples_that_floats_deny(value: str, step: str) -> None:
    assert one(measured(step=step), value).value_label == value


decimals = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(0, 10**15 - 1), st.integers(-15, 0)
)


@given(decimals, decimals.filter(bool), st.integers(0, 10**6))
def test_a_multiple_is_one_exactly(number: Decimal, step: Decimal, factor: int) -> None:
    assert is_multiple(number, step) == ((Fraction(number) / Fraction(step)).denominator == 1)
    exact = Fraction(step) * factor
    assume(len(str(factor)) + len(step.as_tuple().digits) < 28)
    assert Fraction(step * factor) == exact
    assert is_multiple(step * factor, step)


def exact_refusal(option: Option, number: Fraction) -> type[Refusal] | None:
    if number < (Fraction(option.min) if option.min is not None else 0):
        return ValueBelowMinimum
    if option.max is not None and number > Fraction(option.max):
        return ValueAboveMaximum
    if option.step is not None and (number / Fraction(option.step)).denominator != 1:
        return ValueNotMultiple
    return None


small = st.decimals(0, 20, places=2)
bounds = st.none() | small


@given(
    st.decimals(-5, 25, places=2),
    bounds,
    bounds,
    st.none() | small.filter(bool),
    prices_e4,
    st.sampled_from(["number", "range"]),
)
@example(Decimal("0.00"), None, None, Decimal("0.01"), 1, "range")
def test_a_number_is_judged_and_priced_exactly(
    number: Decimal, minimum: Decimal | None, maximum: Decimal | None, step: Decimal | None, price_e4: int, kind: str
) -> None:
    option = Option("n", "N", OptionType(kind), min=minimum, max=maximum, step=step, price_per_unit_e4=price_e4)
    expected = exact_refusal(option, Fraction(number))
    for asked in (number, str(number), number.normalize()):
        assert refusal(option, asked) is expected
    if expected is None:
        chosen = one(option, number)
        assert chosen.price_cents == half_up(Fraction(number) * units(price_e4) * 100)
        assert Fraction(chosen.value_label) == Fraction(number)
        assert ENCODER.encode(chosen.value).decode() == chosen.value_label
        assert not chosen.value_label.endswith((".", "0")) or "." not in chosen.value_label


@pytest.mark.parametrize(
    ("value", "price", "cents"), [("0.5", "0.01", 1), ("1", "0.0149", 1), ("3", "0.0333", 10), ("0.25", "0.005", 0)]
)
def test_a_line_is_rounded_half_up(value: str, price: str, cents: int) -> None:
    assert one(measured(price=price), value).price_cents == cents


@pytest.mark.parametrize("written", HOSTILE_NUMBERS)
@pytest.mark.parametrize(
    "option", [measured(price="0.01"), measured(minimum="1", maximum="100", step="1"), measured(step="0.01"), COUNTRY]
)
def test_a_hostile_number_is_refused_at_once(option: Option, written: str) -> None:
    number = read_number(written)
    before = process_time()
    assert refusal(option, number) is not None
    assert process_time() - before < SECONDS


@pytest.mark.parametrize("written", HOSTILE_ZEROS)
def test_every_spelling_of_zero_is_zero_at_once(written: str) -> None:
    number = read_number(written)
    before = process_time()
    assert one(measured(price="1"), number) == Chosen("speed", "Speed", 0, "0", 0)
    assert one(measured(step="1"), number).value == 0
    assert one(select("o", (0, "0")), number).value == 0
    assert refusal(measured(minimum="1"), number) is ValueBelowMinimum
    assert process_time() - before < SECONDS


@pytest.mark.parametrize("written", ["1." + "0" * 60_000, "0.5" + "0" * 60_000])
def test_a_number_with_endless_zeros_is_that_number_at_once(written: str) -> None:
    before = process_time()
    assert one(measured(step="0.5", price="1"), read_number(written)).value_label == written[:3].removesuffix(".0")
    assert process_time() - before < 0.1


@pytest.mark.parametrize(
    ("written", "option", "expected"),
    [
        ("1e400", measured(maximum="100"), ValueAboveMaximum),
        ("1e99999999999999999999999", measured(maximum="100"), ValueAboveMaximum),
        ("-1e400", measured(), ValueBelowMinimum),
        ("-1e99999999999999999999999", measured(), ValueBelowMinimum),
        ("1e-400", measured(minimum="1"), ValueBelowMinimum),
        ("-1e-400", measured(), ValueBelowMinimum),
        ("1e-400", measured(step="1"), ValueNotMultiple),
        ("1e-999999999", measured(step="0.000000000000001", maximum="5"), ValueNotMultiple),
        ("1e-400", measured(), ValueNotNumeric),
        ("1e400", measured(), ValueNotNumeric),
        ("1e400", measured(step="1"), ValueNotNumeric),
        ("1e99999999999999999999999", measured(step="1"), ValueNotNumeric),
    ],
)
def test_an_extreme_number_gets_the_refusal_of_its_row(written: str, option: Option, expected: type[Refusal]) -> None:
    assert refusal(option, read_number(written)) is expected


@pytest.mark.parametrize(
    ("written", "fits"), [("1e30", True), ("9e30", True), ("1e31", False), ("1e-30", True), ("9e-31", False)]
)
def test_beyond_thirty_powers_of_ten_a_number_is_none(written: str, fits: bool) -> None:  # noqa: FBT001 -- a table's column
    assert (refusal(measured(), read_number(written)) is None) == fits


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,12})?", fullmatch=True))
@example("1e30")
@example("1e-30")
def test_whatever_number_json_allows_is_refused_or_stored_in_its_shortest_form(written: str) -> None:
    number = body(f'{{"n": {written}}}').values["n"]
    assert isinstance(number, Decimal)
    before = process_time()
    if refusal(measured(price="0.0333"), number) is None:
        chosen = one(measured(price="0.0333"), number)
        assert Fraction(chosen.value_label) == Fraction(number) >= 0
        assert "e" not in chosen.value_label.lower()
        assert Fraction(ENCODER.encode(chosen.value).decode()) == Fraction(number)
        assert isinstance(chosen.value, int) == (Fraction(number).denominator == 1)
        assert chosen.price_cents == half_up(Fraction(number) * 333 / 100)
    assert process_time() - before < SECONDS


@given(st.text(max_size=12))
def test_no_text_but_a_plain_decimal_is_a_number(text: str) -> None:
    is_plain = text.isascii() and text.removeprefix("-").replace(".", "0", 1).isdigit()
    is_plain = is_plain and not text.startswith((".", "-.")) and not text.endswith(".")
    assert (refusal(measured(), text) in {None, ValueBelowMinimum}) == (is_plain and text != "")
