"""What a body is read into, whatever its format, and the rules for text that all formats share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from novaproxy.errors import Refusal

JsonValue: TypeAlias = str | bool | Decimal | list["JsonValue"] | dict[str, "JsonValue"] | None
"""A value of a body. Every number is the decimal that was written, never an int or a float; in forms all is text."""

BLANKS = " \t\r\n"
"""What is trimmed at both ends of every text (contract, section 1); other Unicode spaces are text."""

NOT_ALLOWED = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL cannot store, and lone surrogates, which UTF-8 cannot write (contract, section 1)."""

CONFIG = "config"
"""The one field whose members are fields themselves: repeats are looked for there and sentences name them."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The top-level fields of a body, and the first fault among them.

    Attributes:
        values: the fields in request order, texts trimmed. A name that was given twice keeps its first value; a text
            that is not allowed, and a file, stand here as empty text; a name that is not allowed is left out. So every
            text in it can be stored and sent.
        fault: FieldGivenTwice, FieldIsFile or TextNotAllowed, whichever comes first in the request; all 422
            (contract, section 3, row 0b). None for a body without one.
    """

    values: Mapping[str, JsonValue]
    fault: Refusal | None


def told_name(field: str, member: str | None) -> str:
    """Return how a sentence names *field*, or the *member* of it where it is ``config``: ``config[speed]``."""
    return f"{field}[{member}]" if field == CONFIG and member is not None else field
