"""Methods that nobody knows: the parser stops at them, though each path has an answer to them."""

import re

_REQUEST_LINE = re.compile(rb"(?:\r?\n)*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32})(?= [^ \r\n]+ HTTP/1\.[01]\r?\n)")
_KNOWN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT"})
_STANDS_FOR_ANY = b"PATCH"
"""Has no route, so that its answers are those of every method that a path lacks: 404 or 405."""


def parseable(head: bytes) -> tuple[bytes, str | None]:
    """Return *head* as the parser takes it, and the method that it had, None where the parser knows it."""
    line = _REQUEST_LINE.match(head)
    if line is None or line[1] in _KNOWN:
        return head, None
    return _STANDS_FOR_ANY + head[line.end(1) :], line[1].decode("ascii")
