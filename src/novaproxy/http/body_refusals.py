"""What is refused about a request's body before its fields mean anything (contract, sections 1 and 3, row 0b)."""

from typing import ClassVar

from novaproxy.errors import Refusal, echo


class BodyNotUtf8(Refusal):
    """Some bytes of the body, of a form's text or of a form's field name are no UTF-8."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "body_not_utf8"

    def __init__(self) -> None:
        super().__init__("The body must be valid UTF-8.")


class BodyNotJson(Refusal):
    """The body was announced as JSON and is none; an empty body is none either."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_json"

    def __init__(self) -> None:
        super().__init__("The body must be valid JSON.")


class BodyNotObject(Refusal):
    """The body is JSON, but a list, a number, a text, true, false or null."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "body_not_object"

    def __init__(self) -> None:
        super().__init__("The body must be a JSON object.")


class BodyTooDeep(Refusal):
    """Lists and objects stand inside each other deeper than any order needs."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "body_too_deep"

    def __init__(self) -> None:
        super().__init__("The body is nested too deeply.")


class BodyNotForm(Refusal):
    """The body was announced as multipart/form-data and is broken, cut off, or has a part without a name."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_form"

    def __init__(self) -> None:
        super().__init__("The body must be valid multipart/form-data.")


class BodyTooLarge(Refusal):
    """The body is longer than *limit_bytes*."""

    status: ClassVar[int] = 413
    code: ClassVar[str] = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body must be at most {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class UnsupportedMediaType(Refusal):
    """The Content-Type is missing, malformed, or none of the three that are read."""

    status: ClassVar[int] = 415
    code: ClassVar[str] = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__(
            "The Content-Type must be application/json, multipart/form-data or application/x-www-form-urlencoded.",
        )


class UnsupportedCharset(Refusal):
    """The Content-Type of the body, or of one part of a form, names a charset other than UTF-8."""

    status: ClassVar[int] = 415
    code: ClassVar[str] = "unsupported_charset"

    def __init__(self) -> None:
        super().__init__("The charset of the body must be utf-8.")


class FieldGivenTwice(Refusal):
    """A field, or a member of ``config`` (then *field* is ``config[speed]``), stands in the body twice."""

    code: ClassVar[str] = "field_given_twice"

    def __init__(self, field: str) -> None:
        super().__init__(f"The {echo(field)} field was given twice.")
        self.field = field


class FieldIsFile(Refusal):
    """A part of a form carries a file name, so the client sent a file where a text belongs."""

    code: ClassVar[str] = "field_is_file"

    def __init__(self, field: str) -> None:
        super().__init__(f"The {echo(field)} field must not be a file.")
        self.field = field


class TextNotAllowed(Refusal):
    """A text holds NUL or a lone surrogate; *field* is None where a name itself does, which is never repeated."""

    code: ClassVar[str] = "text_not_allowed"

    def __init__(self, field: str | None) -> None:
        if field is None:
            super().__init__("A field name contains a character that is not allowed.")
        else:
            super().__init__(f"The {echo(field)} field contains a character that is not allowed.")
        self.field = field
