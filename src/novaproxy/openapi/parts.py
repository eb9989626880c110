"""What the operations are put together from: headers, parameters, answers."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from novaproxy.http.paging import LONGEST_PAGE
from novaproxy.http.refusals import refusal_headers
from novaproxy.openapi.resources import REFERENCE, Schema
from novaproxy.openapi.samples import Examples
from novaproxy.openapi.sentences import (
    BUSY,
    HEAD_TOO_LONG,
    METHOD_NOT_ALLOWED,
    NOT_HTTP,
    PATH_NOT_FOUND,
    SERVER_FAULT,
    TOO_MANY_REQUESTS,
    TOO_MANY_WRONG_CODES,
    TOO_MANY_WRONG_TOKENS,
    UNAUTHENTICATED,
    UNAVAILABLE,
    Said,
    by_status,
)
from novaproxy.orders.model import OrderStatus
from novaproxy.usage.period import Interval

Part: TypeAlias = dict[str, Any]
"""An object of the OpenAPI document."""

JSON = "application/json"


def named(kind: str, name: str) -> Part:
    """Return a reference to a part of the document's components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def schema(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": REFERENCE.format(name=name)}


def array(name: str) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema(name)}


OPEN: list[Part] = []
WITH_TOKEN: list[Part] = [{"token": []}]
FAULTS = {"500": named("responses", "ServerFault"), "503": named("responses", "Unavailable")}
LIMITED = {"429": named("responses", "TooManyOpenReads")}
WITHOUT_TOKEN = {"401": named("responses", "Unauthenticated"), "429": named("responses", "TooManyReads")}


def operation(
    tag: str,
    name: str,
    summary: str,
    description: str,
    security: list[Part],
    *,
    responses: dict[str, Part],
    **more: object,
) -> Part:
    """Return an operation; *name* is its lasting id."""
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "description": description,
        "security": security,
        **more,
        "responses": dict(sorted(responses.items())),
    }


def order_uuid() -> Part:
    """Return the parameter of a path that names an order."""
    return {
        "name": "uuid",
        "in": "path",
        "description": "The order's uuid.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }


def answer(description: str, content: Part | None, **headers: Part) -> Part:
    """Return an answer that is no refusal; *headers* are by name, ``_`` for ``-``."""
    more = {name.replace("_", "-"): header for name, header in headers.items()}
    body = {} if content is None else {"content": content}
    return {"description": description, "headers": {"X-Request-Id": named("headers", "X-Request-Id"), **more}, **body}


def json_content(of: Schema, example: Any) -> Part:  # noqa: ANN401 -- JSON
    """Return a body in JSON with one example."""
    return {JSON: {"schema": of, "example": example}}


def json_contents(of: Schema, examples: Examples) -> Part:
    """Return a body in JSON with several examples."""
    return {JSON: {"schema": of, "examples": examples}}


def refused(description: str, sayings: Iterable[Said]) -> Part:
    """Return the answer of one status that says one of *sayings*, each as an example."""
    told = list(sayings)
    headers = {_title(name): None for said in told for name, _ in refusal_headers(said.refusal)}
    codes = list(dict.fromkeys(said.code for said in told))
    return {
        "description": description,
        "headers": {
            "X-Request-Id": named("headers", "X-Request-Id"),
            **{name: _code_header(codes) if name == "X-Error-Code" else named("headers", name) for name in headers},
        },
        "content": json_contents(schema("Error"), _examples(told, is_taught=len(told) > 1)),
    }


def refusals(description: str, sayings: Iterable[Said]) -> dict[str, Part]:
    """Return the answers that say *sayings*, by status; a single one tells itself when it is said."""
    return {
        str(status): refused(told[0].when if len(told) == 1 else description, told)
        for status, told in by_status(sayings).items()
    }


def _without_request_id(answered: Part) -> Part:
    """Return an answer that the connection gives before there is a request."""
    return {**answered, "headers": {name: of for name, of in answered["headers"].items() if name != "X-Request-Id"}}


def _limited(description: str, sayings: list[Said]) -> Part:
    """Return the answer to somebody who asks too much, with what it says of the limit."""
    answered = refused(description, sayings)
    return {**answered, "headers": {**answered["headers"], **rate_headers()}}


def rate_headers() -> dict[str, Part]:
    """Return the headers that tell a limit and what is left of it."""
    return {name: named("headers", name) for name in ("RateLimit-Policy", "RateLimit")}


def kept_headers() -> dict[str, Part]:
    """Return the headers of an answer that the client may keep."""
    return {name: named("headers", name) for name in ("ETag", "Cache-Control")}


def _title(name: bytes) -> str:
    return "-".join(word.capitalize() for word in name.decode("ascii").split("-")).replace("Www", "WWW")


def _code_header(codes: list[str]) -> Part:
    return {
        "description": "What programs act on. A code stays the same for good; the sentence may be bettered.",
        "required": True,
        "schema": {"type": "string", "enum": codes},
    }


def _examples(sayings: list[Said], *, is_taught: bool) -> Examples:
    """Return *sayings* by their codes, with when they are said unless the answer itself says it."""
    examples: Examples = {}
    for said in sayings:
        name = said.code if said.code not in examples else f"{said.code}_2"
        taught = {"description": said.when} if is_taught else {}
        examples[name] = {"summary": said.code, **taught, "value": {"error": said.sentence}}
    return examples


def headers() -> dict[str, Part]:
    """Return the headers of answers, by name."""
    return {
        "X-Request-Id": _header(
            "The answer's id: the one that was sent, else a new one. Name it when you ask the operator.",
            {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "examples": ["3f9c2a7e51b8d046"]},
        ),
        "WWW-Authenticate": _header("How to authenticate.", {"type": "string", "const": "Bearer"}),
        "Allow": _header("The methods of the path.", {"type": "string", "examples": ["GET, HEAD"]}),
        "Retry-After": _header(
            "Seconds to wait before the same request is sent again.",
            {"type": "integer", "minimum": 1, "examples": [1]},
        ),
        "RateLimit-Policy": {
            **_header(
                "The limit that the request counted against: `q` requests, at once or over `w` seconds, as in "
                "draft-ietf-httpapi-ratelimit-headers-11. Not there where the operator switched limits off.",
                {"type": "string", "examples": ['"orders";q=3000;w=60']},
            ),
            "required": False,
        },
        "RateLimit": {
            **_header(
                "What is left of it: `r` requests; in `t` seconds it is whole again, or, after 429, there is one. Each "
                "process of the shop counts alone, so the number may jump.",
                {"type": "string", "examples": ['"orders";r=2999;t=1']},
            ),
            "required": False,
        },
        "Idempotent-Replayed": {
            **_header(
                "There, and `true`, where the order was placed by an earlier request with the same `Idempotency-Key`.",
                {"type": "string", "const": "true"},
            ),
            "required": False,
        },
        "Link": {
            **_header(
                "The address of the next page, relative to this one. There where `limit` was given and more follows.",
                {"type": "string", "examples": ['</orders?limit=100&cursor=MTc2NzU2MTU1MjAwMDAwMC40Mg>; rel="next"']},
            ),
            "required": False,
        },
        "ETag": _header(
            "Names this version; send it as `If-None-Match`.",
            {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
        ),
        "Cache-Control": _header(
            "Keep the answer if you like, and ask with its `ETag` before you use it again.",
            {"type": "string", "const": "no-cache"},
        ),
    }


def _header(description: str, of: Schema) -> Part:
    return {"description": description, "required": True, "schema": of}


def request_id() -> Part:
    """Return the parameter that every path takes."""
    return _in_header(
        "X-Request-Id",
        "An id of your own for this request, 1 to 64 of `A-Z a-z 0-9 . _ -`. The answer repeats it, and the "
        "operator's log has it. Any other text is not repeated.",
        {"type": "string"},
    )


def parameters() -> dict[str, Part]:
    """Return the parameters, by the name under which they are referred to."""
    return {
        "IdempotencyKey": _in_header(
            "Idempotency-Key",
            "A name for this purchase, 1 to 255 printable ASCII characters, such as a UUID that you keep with your own "
            "order. Send the same request with the same key as often as you like: it is one order, charged once. The "
            "key of a refused order is free again.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]*$"},
        ),
        "IfNoneMatch": _in_header(
            "If-None-Match", "The `ETag` that you have: if it is still the one, the answer is 304.", {"type": "string"}
        ),
        "Limit": {
            **_in_query("limit", "How many rows the page has. Without it, the answer is the whole list."),
            "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE},
        },
        "Cursor": {
            **_in_query("cursor", "Where the page begins: taken from a `Link` header. It counts beside `limit` only."),
            "schema": {"type": "string"},
        },
        "Status": {
            **_in_query("status", "Only orders that stand there."),
            "schema": {"type": "string", "enum": [str(status) for status in OrderStatus]},
        },
        "From": {
            **_in_query(
                "from",
                "Where the range begins: a time with its zone, or a date, which is midnight UTC. Without it: 24 hours "
                "before the end; by days, the day on which the order was placed, 1000 days at most.",
            ),
            "schema": {"type": "string", "examples": ["2026-01-04T00:00:00Z"]},
        },
        "To": {
            **_in_query("to", "Where the range ends, which is itself no part of it. Without it: now."),
            "schema": {"type": "string", "examples": ["2026-01-05"]},
        },
        "Interval": {
            **_in_query("interval", "Of how long one row tells."),
            "schema": {"type": "string", "enum": [str(interval) for interval in Interval], "default": "hour"},
        },
    }


def _in_header(name: str, description: str, of: Schema) -> Part:
    return {"name": name, "in": "header", "description": description, "required": False, "schema": of}


def _in_query(name: str, description: str) -> Part:
    return {"name": name, "in": "query", "description": description, "required": False}


def responses() -> dict[str, Part]:
    """Return the answers that several operations have, and those that no operation has but every path."""
    unavailable = (
        "The service cannot answer at the moment, or could not learn in time what became of the order. Send the same "
        "request again, with the same `Idempotency-Key`."
    )
    return {
        "Unauthenticated": refused(UNAUTHENTICATED.when, [UNAUTHENTICATED]),
        "PathNotFound": refused(PATH_NOT_FOUND.when, [PATH_NOT_FOUND]),
        "MethodNotAllowed": refused(METHOD_NOT_ALLOWED.when, [METHOD_NOT_ALLOWED]),
        "HeadTooLong": _without_request_id(refused(HEAD_TOO_LONG.when, [HEAD_TOO_LONG])),
        "NotHttp": _without_request_id(refused(NOT_HTTP.when, [NOT_HTTP])),
        "TooManyReads": _limited(
            "Wait `Retry-After` seconds; nothing that is refused counts.", [TOO_MANY_REQUESTS, TOO_MANY_WRONG_TOKENS]
        ),
        "TooManyOpenReads": _limited(TOO_MANY_REQUESTS.when, [TOO_MANY_REQUESTS]),
        "TooManyOrders": _limited(
            "Nothing was done. Wait `Retry-After` seconds, then send the same request again, with the same "
            "`Idempotency-Key`; nothing that is refused counts.",
            [TOO_MANY_REQUESTS, TOO_MANY_WRONG_TOKENS, TOO_MANY_WRONG_CODES],
        ),
        "ServerFault": refused(SERVER_FAULT.when, [SERVER_FAULT]),
        "Unavailable": refused(
            "The database is away. Send the request again after `Retry-After` seconds.", [UNAVAILABLE]
        ),
        "OrderUnavailable": refused(unavailable, [UNAVAILABLE, BUSY]),
    }
