"""Forms: names with brackets become the mapping that the same fields make in JSON; urlencoded bodies."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from novaproxy.http.body_refusals import BodyNotUtf8, FieldGivenTwice, FieldIsFile, TextNotAllowed
from novaproxy.http.fields import BLANKS, NOT_ALLOWED, Fields, JsonValue, told_name

DEEPEST_BRACKETS = 4
"""How many pairs of brackets of a name make a level each; what stands in further ones is one key of the last level."""

# A field, then pairs of brackets and nothing else; any other name is taken as it is written.
_BRACKETED = re.compile(r"(?P<field>[^\[\]]+)(?P<brackets>(?:\[[^\[\]]*\])+)")

FormPart: TypeAlias = tuple[str, str | None]
"""The name of a form's part as written, and its text; None is a file."""


def urlencoded_parts(body: bytes) -> list[FormPart]:
    """Return the names and texts of an application/x-www-form-urlencoded *body*, in order.

    Raises:
        BodyNotUtf8: a name or a text is no UTF-8 once its percent escapes are undone.
    """
    parts: list[FormPart] = []
    for piece in body.replace(b"+", b" ").split(b"&"):
        if piece:
            name, _, text = piece.partition(b"=")
            parts.append((_decoded(name), _decoded(text)))
    return parts


def form_fields(parts: Iterable[FormPart]) -> Fields:
    """Return the fields that the *parts* of a form make; every value is text (contract, sections 1 and 3).

    ``config[speed]`` is a member of ``config``, ``config[]`` one more entry of a list.
    """
    values: dict[str, JsonValue] = {}
    fault: FieldGivenTwice | FieldIsFile | TextNotAllowed | None = None
    for name, text in parts:
        # A bad name is nowhere to be placed, and no sentence may repeat it.
        if NOT_ALLOWED.search(name):
            fault = fault or TextNotAllowed(None)
            continue
        steps = _steps(name)
        allowed = text is not None and not NOT_ALLOWED.search(text)
        clash = _place(values, steps, text.strip(BLANKS) if text is not None and allowed else "")
        if fault is not None:
            continue
        if clash is not None:
            fault = FieldGivenTwice(name if clash else steps[0])
        elif text is None:
            fault = FieldIsFile(name)
        elif not allowed:
            fault = TextNotAllowed(told_name(steps[0], (steps[1] or None) if len(steps) > 1 else None))
    return Fields(values, fault)


def _decoded(escaped: bytes) -> str:
    try:
        return unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        raise BodyNotUtf8 from None


def _steps(name: str) -> list[str]:
    """Return the keys that lead to the value of *name*, outermost first; after the first, "" is a list's next entry."""
    bracketed = _BRACKETED.fullmatch(name) if "[" in name else None
    if bracketed is None:
        return [name]
    return [bracketed["field"], *bracketed["brackets"][1:-1].split("][", DEEPEST_BRACKETS - 1)]


def _place(values: dict[str, JsonValue], steps: list[str], text: str) -> int | None:
    """Put *text* where *steps* lead, or return at which step something else stands already."""
    target: dict[str, JsonValue] | list[JsonValue] = values
    for depth, (step, following) in enumerate(pairwise(steps)):
        inner: JsonValue = {} if following else []
        found: JsonValue = inner
        if isinstance(target, list):
            target.append(inner)
        else:
            found = target.setdefault(step, inner)
        if (isinstance(found, dict) and following) or (isinstance(found, list) and not following):
            target = found
        else:
            return depth
    if isinstance(target, list):
        target.append(text)
    elif steps[-1] in target:
        return len(steps) - 1
    else:
        target[steps[-1]] = text
    return None
