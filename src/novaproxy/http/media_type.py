"""Header values with parameters: the Content-Type of a body or a part, the Content-Disposition of a part."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# One parameter, or the emptiness that some clients leave after a last semicolon. Outside quotes a value may hold more
# than a token does, as in the boundaries of older Java clients.
_PARAMETER = re.compile(
    r";[ \t]*(?:(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?P<value>\"(?:[^\"\\]|\\.)*\"|[^\";]*))?[ \t]*",
    re.DOTALL,
)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class ParameterizedHeader:
    """The *value* before the first semicolon and the names of *parameters*, both in lower case; quotes are undone."""

    value: str
    parameters: Mapping[str, str]

    @property
    def is_utf8(self) -> bool:
        """Whether the charset is UTF-8, or none is named."""
        return self.parameters.get("charset", "utf-8").lower() in {"utf-8", "utf8"}


def parameterized(header: str) -> ParameterizedHeader | None:
    """Return the parts of *header*, or None where it is malformed or names a parameter twice."""
    value, _, _ = header.partition(";")
    parameters: dict[str, str] = {}
    position = len(value)
    while position < len(header):
        parameter = _PARAMETER.match(header, position)
        if parameter is None:
            return None
        position = parameter.end()
        if parameter["name"] is None:
            continue
        name = parameter["name"].lower()
        if name in parameters:
            # Whoever reads the first and whoever reads the last would disagree about what was sent.
            return None
        parameters[name] = _unquoted(parameter["value"])
    return ParameterizedHeader(value.strip(" \t").lower(), parameters)


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        # Only these two escapes: some clients write a lone backslash as it is.
        return _ESCAPED.sub(r"\1", value[1:-1])
    return value.rstrip(" \t")
