"""Bodies of type multipart/form-data (RFC 7578), read strictly: a broken form buys nothing."""

import logging

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from novaproxy.http.body_refusals import BodyNotForm, BodyNotUtf8, UnsupportedCharset
from novaproxy.http.form_body import FormPart
from novaproxy.http.media_type import parameterized

# The parser's own warnings would quote the body, and whoever sends rubbish could fill the log.
_SILENT = logging.Logger("multipart", logging.CRITICAL + 1)  # noqa: LOG001 -- apart from the tree, so always silent


def multipart_parts(body: bytes, boundary: str) -> list[FormPart]:
    """Return the names and texts of a multipart/form-data *body*, in order; a part with a file name is a file.

    What stands before the first boundary and after the last is ignored, as is a Content-Transfer-Encoding.

    Raises:
        BodyNotForm: broken, without its last boundary, or a part without exactly one name.
        BodyNotUtf8: a name or a text is no UTF-8.
        UnsupportedCharset: a text names another charset.
    """
    if not boundary.isascii():
        raise BodyNotForm
    delimiter = b"--" + boundary.encode()
    if not body.startswith(delimiter):
        # The parser knows no preamble and wants the first boundary at once.
        _, _, form = body.partition(b"\r\n" + delimiter)
        body = delimiter + form
    collector = _Collector()
    try:
        parser = MultipartParser(
            boundary.encode(),
            {
                "on_part_begin": collector.on_part_begin,
                "on_header_field": collector.on_header_field,
                "on_header_value": collector.on_header_value,
                "on_header_end": collector.on_header_end,
                "on_part_data": collector.on_part_data,
                "on_part_end": collector.on_part_end,
                "on_end": collector.on_end,
            },
        )
        parser.logger = _SILENT
        parser.write(body)
    except FormParserError:
        raise BodyNotForm from None
    if not collector.ended:
        raise BodyNotForm
    return collector.parts


class _Collector:
    """What the parser calls; *parts* are complete once *ended*."""

    def __init__(self) -> None:
        self.parts: list[FormPart] = []
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._content = b""

    def on_part_begin(self) -> None:
        self._headers = {}
        self._content = b""

    def on_header_field(self, source: bytes, start: int, end: int) -> None:
        self._header_name = source[start:end].lower()
        self._header_value = b""

    def on_header_value(self, source: bytes, start: int, end: int) -> None:
        self._header_value = source[start:end]

    def on_header_end(self) -> None:
        if self._header_name in self._headers:
            raise BodyNotForm
        self._headers[self._header_name] = self._header_value

    def on_part_data(self, source: bytes, start: int, end: int) -> None:
        self._content += source[start:end]

    def on_part_end(self) -> None:
        self.parts.append(_part(self._headers, self._content))

    def on_end(self) -> None:
        self.ended = True


def _part(headers: dict[bytes, bytes], content: bytes) -> FormPart:
    # Latin-1 keeps every byte, so that an odd file name cannot hide that a file was sent.
    disposition = parameterized(headers.get(b"content-disposition", b"").decode("latin-1"))
    if disposition is None or disposition.value != "form-data" or "name" not in disposition.parameters:
        raise BodyNotForm
    name = _decoded(disposition.parameters["name"].encode("latin-1"))
    # An empty file name too: so browsers send a file input in which nothing was chosen.
    if "filename" in disposition.parameters or "filename*" in disposition.parameters:
        return name, None
    content_type = parameterized(headers.get(b"content-type", b"").decode("latin-1"))
    if content_type is None:
        raise BodyNotForm
    if not content_type.is_utf8:
        raise UnsupportedCharset
    return name, _decoded(content)


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise BodyNotUtf8 from None
