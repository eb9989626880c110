"""Discount codes (contract, section 3, row 16 and "Price")."""

from datetime import datetime, timedelta
from fractions import Fraction

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.catalog.model import DiscountCode
from novaproxy.discounts.rules import (
    CodeAlreadyUsed,
    CodeExpired,
    CodeForFirstOrder,
    CodeNotForPlan,
    CodeNotText,
    CodeNotValid,
    CodeNotYetValid,
    CodeUsedUp,
    OrderTooSmall,
    Redemption,
    discount_cents,
    taken_off_cents,
)
from novaproxy.errors import Refusal
from novaproxy.money import AMOUNT_CEILING_CENTS
from rule_cases import NOW, code, half_up

TICK = timedelta(microseconds=1)
gross = st.integers(0, AMOUNT_CEILING_CENTS)


def redemption(
    gross_cents: int = 100_00,
    *,
    plan: str = "traffic",
    uses: int = 0,
    account_uses: int = 0,
    is_first_order: bool = True,
    now: datetime = NOW,
) -> Redemption:
    return Redemption(plan, gross_cents, uses, account_uses, is_first_order, now)


def refusal(limited: DiscountCode, tried: Redemption) -> type[Refusal] | None:
    try:
        discount_cents(limited, tried)
    except Refusal as refused:
        return type(refused)
    return None


@given(gross, st.integers(1, 10_000))
@example(50, 29_00)
@example(1, 50_00)
@example(1, 49_99)
@example(AMOUNT_CEILING_CENTS, 100_00)
def test_a_percentage_is_of_gross_rounded_half_up_and_never_above_it(gross_cents: int, percent_e2: int) -> None:
    off_cents = taken_off_cents(code(percent_e2=percent_e2), gross_cents)
    assert off_cents == half_up(Fraction(gross_cents) * Fraction(percent_e2, 100) / 100)
    assert 0 <= off_cents <= gross_cents


def test_29_percent_of_0_50_is_0_15() -> None:
    assert taken_off_cents(code(percent_e2=29_00), 50) == 15


def test_100_percent_is_everything_and_a_hundredth_of_a_percent_may_be_nothing() -> None:
    assert taken_off_cents(code(percent_e2=100_00), 12_345) == 12_345
    assert taken_off_cents(code(percent_e2=1), 49_99) == 0
    assert taken_off_cents(code(percent_e2=1), 50_00) == 1


@given(gross, st.integers(1, AMOUNT_CEILING_CENTS))
@example(500, 500)
@example(0, 500)
def test_an_amount_is_never_above_gross(gross_cents: int, amount_cents: int) -> None:
    off_cents = taken_off_cents(code(amount_cents=amount_cents), gross_cents)
    assert off_cents in {amount_cents, gross_cents}
    assert (off_cents == amount_cents) == (amount_cents <= gross_cents)
    assert off_cents <= gross_cents


def test_an_amount_of_nothing_takes_off_nothing() -> None:
    assert taken_off_cents(code(amount_cents=0), 5_00) == 0


def test_a_code_without_limits_takes_off_what_it_says() -> None:
    assert discount_cents(code(), redemption()) == 10_00
    assert discount_cents(code(amount_cents=5_00), redemption()) == 5_00
    assert discount_cents(code(amount_cents=5_00), redemption(4_99)) == 4_99


@pytest.mark.parametrize(("now", "expected"), [(NOW - TICK, CodeNotYetValid), (NOW, None), (NOW + TICK, None)])
def test_a_code_is_valid_from_the_very_moment_it_starts(now: datetime, expected: type[Refusal] | None) -> None:
    assert refusal(msgspec.structs.replace(code(), starts_at=NOW), redemption(now=now)) is expected


@pytest.mark.parametrize(("now", "expected"), [(NOW - TICK, None), (NOW, CodeExpired), (NOW + TICK, CodeExpired)])
def test_a_code_is_over_at_the_very_moment_it_ends(now: datetime, expected: type[Refusal] | None) -> None:
    assert refusal(msgspec.structs.replace(code(), ends_at=NOW), redemption(now=now)) is expected


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        (None, None),
        (("other", "traffic"), None),
        (("other",), CodeNotForPlan),
        ((), CodeNotForPlan),
        (("Traffic",), CodeNotForPlan),
    ],
)
def test_a_code_may_be_for_some_plans(plans: tuple[str, ...] | None, expected: type[Refusal] | None) -> None:
    assert refusal(msgspec.structs.replace(code(), plans=plans), redemption()) is expected


def test_a_code_may_be_for_a_first_order_only() -> None:
    first = msgspec.structs.replace(code(), first_order_only=True)
    assert refusal(first, redemption()) is None
    assert refusal(first, redemption(is_first_order=False)) is CodeForFirstOrder
    assert refusal(code(), redemption(is_first_order=False)) is None


@pytest.mark.parametrize(("gross_cents", "expected"), [(9_99, OrderTooSmall), (10_00, None), (10_01, None)])
def test_the_minimum_gross_itself_passes(gross_cents: int, expected: type[Refusal] | None) -> None:
    assert refusal(msgspec.structs.replace(code(), minimum_gross_cents=10_00), redemption(gross_cents)) is expected


@pytest.mark.parametrize(("uses", "expected"), [(0, None), (2, None), (3, CodeUsedUp), (4, CodeUsedUp)])
def test_a_code_has_as_many_uses_as_its_limit(uses: int, expected: type[Refusal] | None) -> None:
    assert refusal(msgspec.structs.replace(code(), max_uses=3), redemption(uses=uses)) is expected
    assert refusal(code(), redemption(uses=uses)) is None


@pytest.mark.parametrize(("uses", "expected"), [(0, None), (1, None), (2, CodeAlreadyUsed), (3, CodeAlreadyUsed)])
def test_an_account_has_as_many_uses_as_its_limit(uses: int, expected: type[Refusal] | None) -> None:
    limited = msgspec.structs.replace(code(), max_uses_per_account=2)
    assert refusal(limited, redemption(account_uses=uses)) is expected
    assert refusal(code(), redemption(account_uses=uses)) is None
    assert refusal(limited, redemption(uses=99)) is None


def test_the_first_fault_in_the_contracts_order_is_told() -> None:
    everything = DiscountCode(
        "X",
        percent_e2=1,
        max_uses=1,
        max_uses_per_account=1,
        starts_at=NOW + TICK,
        ends_at=NOW,
        plans=("other",),
        minimum_gross_cents=100_01,
        first_order_only=True,
    )
    tried = redemption(uses=1, account_uses=1, is_first_order=False)
    seen = []
    for member in (
        "starts_at",
        "ends_at",
        "plans",
        "first_order_only",
        "minimum_gross_cents",
        "max_uses",
        "max_uses_per_account",
    ):
        seen.append(refusal(everything, tried))
        everything = msgspec.structs.replace(everything, **{member: False if member == "first_order_only" else None})
    order = [
        CodeNotYetValid,
        CodeExpired,
        CodeNotForPlan,
        CodeForFirstOrder,
        OrderTooSmall,
        CodeUsedUp,
        CodeAlreadyUsed,
    ]
    assert seen == order
    assert refusal(everything, tried) is None


@pytest.mark.parametrize(
    ("refused", "machine_code", "sentence"),
    [
        (CodeNotText(), "discount_code_not_string", "The discount_code field must be a string."),
        (CodeNotValid(), "discount_code_not_valid", "The discount code is not valid."),
        (CodeNotYetValid(), "discount_code_not_yet_valid", "The discount code is not valid yet."),
        (CodeExpired(), "discount_code_expired", "The discount code has expired."),
        (CodeNotForPlan(), "discount_code_not_for_plan", "The discount code does not apply to this plan."),
        (CodeForFirstOrder(), "discount_code_first_order_only", "The discount code is for a first order only."),
        (OrderTooSmall(), "discount_code_order_too_small", "The order is too small for this discount code."),
        (CodeUsedUp(), "discount_code_used_up", "The discount code has been used up."),
        (CodeAlreadyUsed(), "discount_code_already_used", "You have already used this discount code."),
    ],
)
def test_each_refusal_has_its_sentence_and_a_code_that_clients_rely_on(
    refused: Refusal, machine_code: str, sentence: str
) -> None:
    assert (refused.status, refused.code, refused.sentence) == (422, machine_code, sentence)
