"""How values are written on the wire (contract, section 1)."""

from datetime import datetime

import msgspec

ENCODER = msgspec.json.Encoder(decimal_format="number")
"""Writes amounts as JSON numbers with exactly the digits that they have."""


def stamp(moment: datetime) -> str:
    """Return a UTC time with six fractional digits and ``Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def whole_second(moment: datetime) -> str:
    """Return a UTC time without fraction, as ``expires_at`` is written."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
