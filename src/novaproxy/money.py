"""Money as integers: cents for what is charged or held, 1/10,000 of the currency's unit for list prices.

No float comes near an amount. A name that ends in ``_cents`` or ``_e4`` says which of the two it holds.
"""

import re
from decimal import Decimal

AMOUNT_CEILING_CENTS = 999_999_999_999
"""The greatest gross and the greatest balance: 9999999999.99 (contract, section 3, row 17)."""

_AMOUNT = re.compile(r"[0-9]+(\.[0-9]{1,2})?")


def rounded(numerator: int, denominator: int) -> int:
    """Return the quotient of two non-negative integers rounded half up to an integer."""
    return (2 * numerator + denominator) // (2 * denominator)


def cents_of_e4(amount_e4: int) -> int:
    """Return *amount_e4* (1/10,000 units) in cents, rounded half up."""
    return rounded(amount_e4, 100)


def parsed_cents(text: str) -> int | None:
    r"""Return the cents of an amount written ``[0-9]+(\.[0-9]{1,2})?``, or None if it is not written so."""
    if not _AMOUNT.fullmatch(text):
        return None
    units, _, fraction = text.partition(".")
    digits = units.lstrip("0") or "0"
    # A balance has twelve digits at most: more are refused here, before int() reads them all.
    if len(digits) > len(str(AMOUNT_CEILING_CENTS)):
        return AMOUNT_CEILING_CENTS + 1
    return int(digits) * 100 + int(fraction.ljust(2, "0"))


def json_cents(cents: int) -> int | Decimal:
    """Return *cents* as the JSON number the contract wants: 1999 is 19.99, 9320 is 93.2, 500 is 5."""
    units, rest = divmod(cents, 100)
    return Decimal(cents).scaleb(-2).normalize() if rest else units


def json_e4(amount_e4: int) -> int | Decimal:
    """Return a list price as a JSON number with up to four decimals: 45075 is 4.5075."""
    units, rest = divmod(amount_e4, 10_000)
    return Decimal(amount_e4).scaleb(-4).normalize() if rest else units


def text_cents(cents: int) -> str:
    """Return *cents* as people write amounts: -1999 is ``-19.99``, 500 is ``5.00``."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def text_e4(amount_e4: int) -> str:
    """Return a list price as people write it, at least two decimals: 45075 is ``4.5075``, 50000 is ``5.00``."""
    units, rest = divmod(amount_e4, 10_000)
    fraction = f"{rest:04d}".rstrip("0").ljust(2, "0")
    return f"{units}.{fraction}"


def plain(number: Decimal) -> str:
    """Return *number* in its shortest plain form: ``1``, ``0.5``, never with an exponent."""
    if not number:
        # 0e-999999999 is a zero too, which format() would write with a billion digits.
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_number(number: Decimal) -> int | Decimal:
    """Return *number* as the JSON number in shortest form: 10.0 is 10, 0.50 is 0.5."""
    text = plain(number)
    return Decimal(text) if "." in text else int(text)
