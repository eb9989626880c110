"""The body of a request: from bytes to one plain mapping, whichever of three formats it came in."""

from collections.abc import Awaitable, Callable, Mapping

from novaproxy.http.body_refusals import BodyNotForm, BodyTooLarge, UnsupportedCharset, UnsupportedMediaType
from novaproxy.http.fields import Fields, JsonValue
from novaproxy.http.form_body import form_fields, urlencoded_parts
from novaproxy.http.json_body import json_fields, json_object
from novaproxy.http.media_type import parameterized
from novaproxy.http.multipart_body import multipart_parts

__all__ = ["LIMIT_BYTES", "ClientGone", "Fields", "JsonValue", "json_object", "read_body", "read_fields"]

LIMIT_BYTES = 65_536
"""The longest body that is read (contract, section 1, other refusals)."""


class ClientGone(Exception):  # noqa: N818 -- nobody is left whom an error could be told
    """The client closed the connection before its body had arrived."""


async def read_body(
    receive: Callable[[], Awaitable[Mapping[str, object]]],
    content_length: int | None,
    limit: int = LIMIT_BYTES,
) -> bytes:
    """Return the whole body that the ASGI *receive* gives, at most *limit* bytes.

    Raises:
        BodyTooLarge: the announced *content_length* (bytes) is above the limit, and nothing was read; or more than
            the limit arrived, and the rest was not read.
        ClientGone: the connection was closed first.
    """
    if content_length is not None and content_length > limit:
        raise BodyTooLarge(limit)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        if isinstance(chunk, bytes):
            body += chunk
        if len(body) > limit:
            raise BodyTooLarge(limit)
        more = bool(message.get("more_body", False))
    return bytes(body)


def read_fields(body: bytes, content_type: str | None) -> Fields:
    """Return the fields of a *body*, given the Content-Type header as ASGI decodes it (contract, sections 1 and 3).

    Raises:
        BodyNotUtf8, BodyNotJson, BodyNotObject, BodyTooDeep, BodyNotForm: 400.
        UnsupportedMediaType, UnsupportedCharset: 415.
    """
    if content_type == "application/json":
        return json_fields(body)
    if not content_type and not body:
        return Fields({}, None)
    header = parameterized(content_type or "")
    if header is None or header.value not in _READERS:
        raise UnsupportedMediaType
    if not header.is_utf8:
        raise UnsupportedCharset
    return _READERS[header.value](body, header.parameters)


def _json(body: bytes, _parameters: Mapping[str, str]) -> Fields:
    return json_fields(body)


def _multipart(body: bytes, parameters: Mapping[str, str]) -> Fields:
    boundary = parameters.get("boundary", "")
    if not boundary:
        raise BodyNotForm
    return form_fields(multipart_parts(body, boundary))


def _urlencoded(body: bytes, _parameters: Mapping[str, str]) -> Fields:
    return form_fields(urlencoded_parts(body))


_READERS: Mapping[str, Callable[[bytes, Mapping[str, str]], Fields]] = {
    "application/json": _json,
    "multipart/form-data": _multipart,
    "application/x-www-form-urlencoded": _urlencoded,
}
