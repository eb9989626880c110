"""How values are written on the wire (contract, section 1)."""

from datetime import datetime
from decimal import Decimal

import msgspec

from novaproxy.money import plain

ENCODER = msgspec.json.Encoder(decimal_format="number")
"""Writes amounts as JSON numbers with exactly the digits that they have."""


def plain_json(number: Decimal) -> msgspec.Raw:
    """Return *number* as a JSON number in shortest plain form: 10.0 is 10, 1E-7 is 0.0000001."""
    return msgspec.Raw(plain(number).encode("ascii"))


def stamp(moment: datetime) -> str:
    """Return a UTC time with six fractional digits and ``Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def whole_second(moment: datetime) -> str:
    """Return a UTC time without fraction, as ``expires_at`` is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def json_moment(moment: datetime) -> datetime | str:
    """Return a UTC time for ENCODER to write as ``stamp`` does; it is quicker at it, and leaves a fraction of 0 out."""
    return moment if moment.microsecond else stamp(moment)


def json_second(moment: datetime) -> datetime | str:
    """Return a UTC time for ENCODER to write as ``whole_second`` does."""
    return whole_second(moment) if moment.microsecond else moment
