"""Opt-in paging of a list: ``?limit=`` and an opaque ``rel="next"`` link (contract, section 4; RFC 8288)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.requests import Request

from novaproxy.errors import Refusal
from novaproxy.http.refusals import Headers

LONGEST_PAGE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST_ID = 2**63 - 1


class LimitNotValid(Refusal):
    """The page is to have none, too many, or no number of rows."""

    code = "limit_not_valid"

    def __init__(self) -> None:
        super().__init__(f"The limit must be an integer from 1 to {LONGEST_PAGE}.")


class CursorNotValid(Refusal):
    """The address of the next page was changed."""

    code = "cursor_not_valid"

    def __init__(self) -> None:
        super().__init__("The cursor is not valid.")


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in a list that is ordered by time and id."""

    created_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Paging:
    """One page: at most *limit* rows after the place *after*, from the beginning where it is None."""

    limit: int
    after: Place | None


def asked_paging(query: Mapping[str, str]) -> Paging | None:
    """Return the page that is asked for, None for the whole list.

    Raises:
        LimitNotValid, CursorNotValid.
    """
    limit, cursor = query.get("limit"), query.get("cursor")
    if limit is None:
        return None
    if not (
        limit.isascii() and limit.isdigit() and len(limit) <= len(str(LONGEST_PAGE)) and 1 <= int(limit) <= LONGEST_PAGE
    ):
        raise LimitNotValid
    return Paging(int(limit), _read(cursor) if cursor is not None else None)


def next_link(request: Request, paging: Paging, last: Place) -> Headers:
    """Return the header that leads to the page after *last*; its address is relative, so it holds behind any proxy."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in ("limit", "cursor")]
    query += [("limit", str(paging.limit)), ("cursor", _written(last))]
    return [(b"link", f'<{request.url.path}?{urlencode(query)}>; rel="next"'.encode("ascii"))]


def _written(place: Place) -> str:
    text = f"{(place.created_at - _EPOCH) // _MICROSECOND}.{place.id}"
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def _read(cursor: str) -> Place:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        microseconds, _, row_id = text.partition(".")
        place = Place(_EPOCH + int(microseconds) * _MICROSECOND, int(row_id))
    except (binascii.Error, ValueError, OverflowError):
        raise CursorNotValid from None
    if not 0 < place.id <= _LARGEST_ID:
        raise CursorNotValid
    return place
