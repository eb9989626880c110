"""What the texts of a catalog mean: each function reads one text as one kind of value, exactly, or says what is wrong.

Numbers are read digit by digit from the text; no float is ever made, and no text is so long that reading it takes time.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from novaproxy.catalog.yaml_nodes import TextNode

IDENTITY_LIMIT: Final = 100
"""Characters of a slug, an option's name, a code or a select value."""

NAME_LIMIT: Final = 500
"""Characters of a name or a label."""

HOST_LIMIT: Final = 253
"""Characters of a host's name, as the domain name system has it."""

UNITS_LIMIT_DIGITS: Final = 10
"""Digits before the point of a price or an amount: the greatest is 9999999999.9999, so that no sum overflows."""

EXACT_INTEGER_LIMIT: Final = 2**53
"""The greatest integer that every JSON reader keeps exact."""

MEASURE_LIMIT_DIGITS: Final = 15
"""Significant digits of a minimum, a maximum or a step (contract, section 3, row 9)."""

WHOLE_E2: Final = 100_00
"""All of a price, in hundredths of a percent."""

LONGEST: Final = {
    "minute": 3652 * 24 * 60,
    "hour": 3652 * 24,
    "day": 3652,
    "week": 521,
    "month": 120,
    "year": 10,
}
"""Ten years in each unit, rounded down: ten years hold 3652 days at least."""

_INTEGER: Final = re.compile(r"[0-9]+")
_SHORTEST_INTEGER: Final = re.compile(r"0|[1-9][0-9]*")
_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_DURATION: Final = re.compile(r"([1-9][0-9]*)_(minute|hour|day|week|month|year)s?")
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
_MOMENT: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?"
    r"(?:[ \t]*([Zz]|[-+][0-9]{1,2}(?::?[0-9]{2})?))?"
)
_NOT_IN_A_PATH: Final = re.compile(r"[\s/\\?#]")

# YAML 1.1 writes a truth value in each of these words, in lower case, in capitals or with a capital.
_TRUE: Final = ("y", "yes", "true", "on")
_FALSE: Final = ("n", "no", "false", "off")

E = TypeVar("E", bound=StrEnum)


class NotAsMeant(Exception):  # noqa: N818 -- a fault of the file, not of the program
    """A text that is not what its key wants; *sentence* says what would be right."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def shown(text: str) -> str:
    """Return *text* as a fault may repeat it: in quotes, on one line, cut to 60 characters."""
    cut = text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 -- the docstring's number
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut) + "'"


def name(node: TextNode) -> str:
    """Return the text of a name or label: anything that can be seen, 1 to 500 characters."""
    return _checked(node, NAME_LIMIT)


def identity(node: TextNode) -> str:
    """Return a text that something is known by: 1 to 100 characters, no white space at its ends."""
    text = _checked(node, IDENTITY_LIMIT)
    # A request's values are trimmed (contract, section 1): such a text could never be asked for.
    if text != text.strip():
        raise NotAsMeant("must not begin or end with white space")
    return text


def plan_slug(node: TextNode) -> str:
    """Return a plan's slug: an identity that can stand in a URL's path."""
    text = identity(node)
    if _NOT_IN_A_PATH.search(text) or text in (".", ".."):
        raise NotAsMeant(f"must be usable in a URL's path, so without spaces, '/', '\\', '?' and '#': {shown(text)}")
    return text


def host(node: TextNode) -> str:
    """Return a host's name or address."""
    text = _checked(node, HOST_LIMIT)
    if _NOT_IN_A_PATH.search(text):
        raise NotAsMeant(f"must be a host's name or address: {shown(text)}")
    return text


def discount_code(node: TextNode) -> str:
    """Return a discount code: ``[A-Za-z0-9_-]{1,64}``, its case as written."""
    if not _CODE.fullmatch(node.text):
        raise NotAsMeant(f"must be 1 to 64 letters A-Z and a-z, digits, '_' and '-': {shown(node.text)}")
    return node.text


def select_value(node: TextNode) -> str | int:
    """Return a select value: an integer if it is written as one without quotes, else text (contract, section 2)."""
    if node.plain and _SHORTEST_INTEGER.fullmatch(node.text) and len(node.text) <= len(str(EXACT_INTEGER_LIMIT)):
        number = int(node.text)
        if number <= EXACT_INTEGER_LIMIT:
            return number
    return identity(node)


def duration_slug(node: TextNode) -> str:
    """Return a duration's slug (``30_days``), at most ten years."""
    parts = _DURATION.fullmatch(node.text)
    if not parts:
        raise NotAsMeant(f"must be a duration such as '30_days', '1_day' or '20_minutes': {shown(node.text)}")
    longest = LONGEST[parts[2]]
    if len(parts[1]) > len(str(longest)) or int(parts[1]) > longest:
        raise NotAsMeant(f"must be at most 10 years, so at most {longest}_{parts[2]}s")
    return node.text


def flag(node: TextNode) -> bool:
    """Return a truth value, in any of YAML's spellings, without quotes."""
    word = node.text.lower()
    if node.plain and node.text in (word, word.upper(), word.capitalize()):
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise NotAsMeant(f"must be true or false, without quotes: {shown(node.text)}")


def one_of(kind: type[E]) -> Callable[[TextNode], E]:
    """Return a reader of one of the words of *kind*."""

    def read(node: TextNode) -> E:
        try:
            return kind(node.text)
        except ValueError:
            words = [repr(word.value) for word in kind]
            allowed = ", ".join(words[:-1]) + " or " + words[-1]
            raise NotAsMeant(f"must be {allowed}: {shown(node.text)}") from None

    return read


def integer(at_least: int, at_most: int) -> Callable[[TextNode], int]:
    """Return a reader of an integer between two bounds, both allowed; ``[0-9]+``, quoted or not."""

    def read(node: TextNode) -> int:
        text = node.text
        if text.startswith("-") and _INTEGER.fullmatch(text[1:]):
            raise NotAsMeant(f"must be at least {at_least}")
        if not _INTEGER.fullmatch(text):
            raise NotAsMeant(f"must be an integer: {shown(text)}")
        digits = text.lstrip("0") or "0"
        if len(digits) > len(str(at_most)) or int(digits) > at_most:
            raise NotAsMeant(f"must be at most {at_most}")
        if int(digits) < at_least:
            raise NotAsMeant(f"must be at least {at_least}")
        return int(digits)

    return read


def price_e4(node: TextNode) -> int:
    """Return a list price in 1/10,000 of the currency's unit: up to four decimals, not negative."""
    return _scaled(node.text, 4)


def amount_cents(node: TextNode) -> int:
    """Return an amount of money in cents: up to two decimals, not negative."""
    return _scaled(node.text, 2)


def amount_above_zero_cents(node: TextNode) -> int:
    """Return an amount of money in cents, above 0."""
    return _above_zero(_scaled(node.text, 2))


def percent_e2(node: TextNode) -> int:
    """Return a percentage in hundredths of a percent: above 0, at most 100, up to two decimals."""
    percentage = _above_zero(_scaled(node.text, 2))
    if percentage > WHOLE_E2:
        raise NotAsMeant("must be at most 100")
    return percentage


def bound(node: TextNode) -> Decimal:
    """Return a minimum or maximum: a decimal that is not negative, of at most 15 digits."""
    return _measure(node.text)


def step(node: TextNode) -> Decimal:
    """Return a step: a decimal above 0, of at most 15 digits."""
    if node.text.startswith("-") and _DECIMAL.fullmatch(node.text):
        raise NotAsMeant("must be above 0")
    return _above_zero(_measure(node.text))


def moment(node: TextNode) -> datetime:
    """Return a time with a zone, in UTC: RFC 3339, or as YAML writes timestamps."""
    parts = _MOMENT.fullmatch(node.text)
    if not parts:
        if _DATE.fullmatch(node.text):
            raise NotAsMeant(f"is a date alone; add the time and the zone: '{node.text}T00:00:00Z'")
        raise NotAsMeant(f"must be a time such as 2026-01-01T00:00:00Z: {shown(node.text)}")
    year, month, day, hour, minute, second, fraction, zone = parts.groups()
    if zone is None:
        raise NotAsMeant(f"has no time zone; add Z or one such as +02:00: {shown(node.text)}")
    if len((fraction or "").rstrip("0")) > len("000000"):
        raise NotAsMeant("must have at most six decimals of a second")
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), microsecond, tzinfo=_zone(zone)
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotAsMeant(f"is a time that does not exist: {shown(node.text)}") from None


def _zone(text: str) -> timezone:
    """Return the zone of ``Z``, ``+2``, ``+02``, ``+0200`` or ``+02:00``."""
    if text in ("Z", "z"):
        return UTC
    digits = text[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > len("00") else (digits, "0")
    if int(minutes) >= 60:  # noqa: PLR2004 -- minutes of an hour
        raise ValueError(text)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if text[0] == "-" else offset)


def _checked(node: TextNode, limit: int) -> str:
    text = node.text
    if not text.strip():
        raise NotAsMeant("must not be empty")
    if len(text) > limit:
        raise NotAsMeant(f"must have at most {limit} characters")
    for character in text:
        # Surrogates (Cs) come from escapes such as "\ud800"; no database and no JSON writer takes them.
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise NotAsMeant(f"must not have control characters: U+{ord(character):04X}")
    return text


def _scaled(text: str, decimals: int) -> int:
    parts = _DECIMAL.fullmatch(text)
    if not parts:
        raise NotAsMeant(f"must be a number such as 5 or 4.50: {shown(text)}")
    sign, units, fraction = parts[1], parts[2].lstrip("0"), parts[3] or ""
    if sign:
        raise NotAsMeant("must not be negative")
    if len(fraction) > decimals:
        raise NotAsMeant(f"must have at most {decimals} decimals: {shown(text)}")
    if len(units) > UNITS_LIMIT_DIGITS:
        raise NotAsMeant(f"must be at most {'9' * UNITS_LIMIT_DIGITS}.{'9' * decimals}")
    return int(units + fraction.ljust(decimals, "0"))


def _measure(text: str) -> Decimal:
    parts = _DECIMAL.fullmatch(text)
    if not parts:
        raise NotAsMeant(f"must be a number such as 1 or 0.5: {shown(text)}")
    sign, units, fraction = parts[1], parts[2].lstrip("0") or "0", (parts[3] or "").rstrip("0")
    if sign:
        raise NotAsMeant("must not be negative")
    # The zeros that follow the point directly count as well: they keep the number's text short.
    if len(units.lstrip("0")) + len(fraction) > MEASURE_LIMIT_DIGITS:
        raise NotAsMeant(f"must have at most {MEASURE_LIMIT_DIGITS} digits")
    return Decimal(f"{units}.{fraction}" if fraction else units)


N = TypeVar("N", int, Decimal)


def _above_zero(number: N) -> N:
    if number <= 0:
        raise NotAsMeant("must be above 0")
    return number
