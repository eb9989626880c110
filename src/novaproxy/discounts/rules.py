"""Whether a discount code may be redeemed, and what it takes off (contract, section 3, row 16 and "Price")."""

from dataclasses import dataclass
from datetime import datetime

from novaproxy.catalog.model import DiscountCode
from novaproxy.errors import Refusal
from novaproxy.money import rounded

_WHOLE_PERCENT_E2 = 10_000
"""100 % in hundredths of a percent."""


class CodeNotText(Refusal):
    """The code is a number, a list or the like."""

    code = "discount_code_not_string"

    def __init__(self) -> None:
        super().__init__("The discount_code field must be a string.")


class CodeNotValid(Refusal):
    """There is no such code, or it was withdrawn."""

    code = "discount_code_not_valid"

    def __init__(self) -> None:
        super().__init__("The discount code is not valid.")


class CodeNotYetValid(Refusal):
    """The code's time has not begun."""

    code = "discount_code_not_yet_valid"

    def __init__(self) -> None:
        super().__init__("The discount code is not valid yet.")


class CodeExpired(Refusal):
    """The code's time is over."""

    code = "discount_code_expired"

    def __init__(self) -> None:
        super().__init__("The discount code has expired.")


class CodeNotForPlan(Refusal):
    """The code is for other plans."""

    code = "discount_code_not_for_plan"

    def __init__(self) -> None:
        super().__init__("The discount code does not apply to this plan.")


class CodeForFirstOrder(Refusal):
    """The account has ordered before."""

    code = "discount_code_first_order_only"

    def __init__(self) -> None:
        super().__init__("The discount code is for a first order only.")


class OrderTooSmall(Refusal):
    """The gross price is below the code's minimum."""

    code = "discount_code_order_too_small"

    def __init__(self) -> None:
        super().__init__("The order is too small for this discount code.")


class CodeUsedUp(Refusal):
    """All uses of the code are taken."""

    code = "discount_code_used_up"

    def __init__(self) -> None:
        super().__init__("The discount code has been used up.")


class CodeAlreadyUsed(Refusal):
    """All uses of the code by this account are taken."""

    code = "discount_code_already_used"

    def __init__(self) -> None:
        super().__init__("You have already used this discount code.")


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a code is tried on: the plan, the gross price in cents, and the uses so far."""

    plan: str
    gross_cents: int
    uses: int
    account_uses: int
    is_first_order: bool
    now: datetime


def discount_cents(code: DiscountCode, redemption: Redemption) -> int:
    """Return what *code* takes off, in cents, never more than the gross price.

    Raises:
        Refusal: the first of row 16 that applies.
    """
    _check_time(code, redemption.now)
    if code.plans is not None and redemption.plan not in code.plans:
        raise CodeNotForPlan
    if code.first_order_only and not redemption.is_first_order:
        raise CodeForFirstOrder
    if code.minimum_gross_cents is not None and redemption.gross_cents < code.minimum_gross_cents:
        raise OrderTooSmall
    if code.max_uses is not None and redemption.uses >= code.max_uses:
        raise CodeUsedUp
    if code.max_uses_per_account is not None and redemption.account_uses >= code.max_uses_per_account:
        raise CodeAlreadyUsed
    return taken_off_cents(code, redemption.gross_cents)


def _check_time(code: DiscountCode, now: datetime) -> None:
    if code.starts_at is not None and now < code.starts_at:
        raise CodeNotYetValid
    if code.ends_at is not None and now >= code.ends_at:
        raise CodeExpired


def taken_off_cents(code: DiscountCode, gross_cents: int) -> int:
    """Return the discount in cents: the percentage of gross rounded half up, or the amount, never above gross."""
    if code.percent_e2 is not None:
        return rounded(gross_cents * code.percent_e2, _WHOLE_PERCENT_E2)
    return min(code.amount_cents or 0, gross_cents)
