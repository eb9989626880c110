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


class NotHttp(Refusal):
    """What came over the connection is no HTTP/1.1; how it goes on cannot be known."""

    status = 400
    code = "not_http"

    def __init__(self) -> None:
        super().__init__("The request is not valid HTTP.")


class AskedTooMuch(Refusal):
    """A token or an address asked for more than it may; in *retry_after_seconds* it may again."""

    status = 429

    def __init__(self, sentence: str, retry_after_seconds: int) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(AskedTooMuch):
    """Too many orders, or too many reads."""

    code = "too_many_requests"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many requests. Please wait, then try again.", retry_after_seconds)


class TooManyWrongCodes(AskedTooMuch):
    """Discount codes that do not exist were tried too often; orders without a code go on."""

    code = "too_many_wrong_codes"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many discount codes that do not exist. Please wait, then try again.", retry_after_seconds)


class TooManyWrongTokens(AskedTooMuch):
    """Too many requests of this address had no valid token; tokens that were valid a while ago go on."""

    code = "too_many_wrong_tokens"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many requests without a valid token. Please wait, then try again.", retry_after_seconds)


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
    if isinstance(refusal, AskedTooMuch):
        headers.append((b"retry-after", str(refusal.retry_after_seconds).encode("ascii")))
    return headers
