"""The refusals that belong to no rule of the shop, and how each refusal becomes an answer (contract, section 1)."""

import msgspec

from novaproxy.errors import Refusal

Headers = list[tuple[bytes, bytes]]

RETRY_AFTER_SECONDS = 1


class Unauthenticated(Refusal):
    """No token, a malformed one, or one that opens nothing."""

    status = 401
    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__("Unauthenticated.")


class PathNotFound(Refusal):
    """No such path."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("Not found.")


class MethodNotAllowed(Refusal):
    """The path exists, without this method; *allow* lists those it has."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allow: str) -> None:
        super().__init__("This method is not allowed here.")
        self.allow = allow


class HeadTooLong(Refusal):
    """The head of a request is longer than *limit_bytes*; what it asks for was never read."""

    status = 431
    code = "head_too_long"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request head must be at most {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class ServerFault(Refusal):
    """Something broke; it tells nothing of the inside."""

    status = 500
    code = "server_error"

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side.")


class Unavailable(Refusal):
    """The database is away; the same request may succeed in a moment."""

    status = 503
    code = "unavailable"

    def __init__(self) -> None:
        super().__init__("The service is not available at the moment. Please try again.")


class Busy(Refusal):
    """More waits than can be served in a moment, or a lock was not to be had."""

    status = 503
    code = "busy"

    def __init__(self) -> None:
        super().__init__("The service is busy at the moment. Please try again.")


def refusal_body(refusal: Refusal) -> bytes:
    """Return ``{"error": "<sentence>"}``."""
    return msgspec.json.encode({"error": refusal.sentence})


def refusal_headers(refusal: Refusal) -> Headers:
    """Return the headers that go with *refusal*, its code among them."""
    headers: Headers = [(b"x-error-code", refusal.code.encode("ascii"))]
    if isinstance(refusal, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"allow", refusal.allow.encode("ascii")))
    if isinstance(refusal, Unavailable | Busy):
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode("ascii")))
    return headers
