"""JSON bodies: the fields, every number as it was written, and every repeated name noticed."""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from novaproxy.errors import Refusal
from novaproxy.http.body_refusals import (
    BodyNotJson,
    BodyNotObject,
    BodyNotUtf8,
    BodyTooDeep,
    FieldGivenTwice,
    TextNotAllowed,
)
from novaproxy.http.fields import BLANKS, CONFIG, NOT_ALLOWED, Fields, JsonValue, told_name

DEEPEST = 32
"""How many objects and lists may stand inside each other, the root included."""

# The smallest positive number that Decimal holds.
_SMALLEST = Decimal("1E-1999999999999999997")


def json_fields(body: bytes) -> Fields:
    """Return the fields of a JSON *body* (contract, sections 1 and 3).

    Raises:
        BodyNotUtf8: the bytes are no UTF-8.
        BodyNotJson: the text is no JSON; NaN and Infinity are none.
        BodyNotObject: the root is no object.
        BodyTooDeep: more than 32 objects and lists stand inside each other.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BodyNotUtf8 from None
    root = _decoded(text)
    if not isinstance(root, dict):
        raise BodyNotObject
    walk = _Walk()
    walk.through(root)
    return Fields(walk.values, walk.fault)


def json_object(text: str) -> Fields | None:
    """Return the members of the JSON object that the text of a form's ``config`` holds, or None if it holds none.

    The same rules as in a body; a fault names ``config[member]`` (contract, section 1, bodies in).
    """
    try:
        root = _decoded(text)
        if not isinstance(root, dict):
            return None
        walk = _Walk()
        walk.through({CONFIG: root})
    except (BodyNotJson, BodyTooDeep):
        return None
    members = walk.values[CONFIG]
    return Fields(members, walk.fault) if isinstance(members, dict) else None


class _Repeating(dict[str, JsonValue]):
    """An object in which a name stands more than once; *pairs* has them all, in order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, JsonValue]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _Repeating(pairs)


def _number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return _nearest(digits)


def _nearest(digits: str) -> Decimal:
    """Return the nearest number that Decimal holds to one whose exponent it cannot hold."""
    mantissa, _, exponent = digits.lower().partition("e")
    significand = Decimal(mantissa)
    if significand.is_zero():
        return significand
    return (_SMALLEST if exponent.startswith("-") else Decimal("Infinity")).copy_sign(significand)


def _no_number(name: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity, which Python reads and JSON does not know."""
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_number,
    parse_int=_number,
    parse_constant=_no_number,
)


def _decoded(text: str) -> JsonValue:
    try:
        root: JsonValue = _DECODER.decode(text)
    except RecursionError:
        raise BodyTooDeep from None
    except ValueError:
        raise BodyNotJson from None
    return root


class _Walk:
    """One way through an object in request order, without recursion: trims, and notes the first fault.

    Attributes:
        values: plain copies of what was walked through.
        fault: the first that was met, or None.
    """

    def __init__(self) -> None:
        self.values: dict[str, JsonValue] = {}
        self.fault: Refusal | None = None
        self._field = ""
        self._member: str | None = None
        # What is being read and where it goes, outermost first.
        self._open: list[tuple[Iterator[tuple[str | int, JsonValue]], dict[str, JsonValue] | list[JsonValue]]] = []

    def through(self, root: dict[str, JsonValue]) -> None:
        """Walk through *root*.

        Raises:
            BodyTooDeep: more than 32 objects and lists stand inside each other.
        """
        self._open.append((_pairs(root), self.values))
        while self._open:
            pairs, target = self._open[-1]
            for key, value in pairs:
                if not self._enters(key, target):
                    continue
                if isinstance(value, dict | list):
                    inner: dict[str, JsonValue] | list[JsonValue] = {} if isinstance(value, dict) else []
                    _put(target, key, inner)
                    self._open.append((_pairs(value), inner))
                    if len(self._open) > DEEPEST:
                        raise BodyTooDeep
                    break
                _put(target, key, self._text(value) if isinstance(value, str) else value)
            else:
                self._open.pop()

    def _enters(self, key: str | int, target: dict[str, JsonValue] | list[JsonValue]) -> bool:
        """Note where the walk is, and return whether the value of *key* is to be read."""
        depth = len(self._open)
        name = key if isinstance(key, str) else None
        if depth == 1:
            self._field, self._member = name or "", None
        elif depth == 2:  # noqa: PLR2004 -- the members of a field
            self._member = name
        if name is None:
            return True
        if NOT_ALLOWED.search(name):
            self._note(TextNotAllowed(None))
            return False
        if name in target and (depth == 1 or (depth == 2 and self._field == CONFIG)):  # noqa: PLR2004 -- as above
            self._note(FieldGivenTwice(told_name(self._field, self._member)))
            return False
        return True

    def _text(self, text: str) -> str:
        if NOT_ALLOWED.search(text):
            self._note(TextNotAllowed(told_name(self._field, self._member)))
            return ""
        return text.strip(BLANKS)

    def _note(self, fault: Refusal) -> None:
        self.fault = self.fault or fault


def _pairs(value: dict[str, JsonValue] | list[JsonValue]) -> Iterator[tuple[str | int, JsonValue]]:
    if isinstance(value, _Repeating):
        return iter(value.pairs)
    return iter(value.items()) if isinstance(value, dict) else enumerate(value)


def _put(target: dict[str, JsonValue] | list[JsonValue], key: str | int, value: JsonValue) -> None:
    if isinstance(target, list):
        target.append(value)
    elif isinstance(key, str):
        # Deeper than config's members a repeat is no fault, and the first value counts as everywhere.
        target.setdefault(key, value)
