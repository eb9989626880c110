"""Writing bodies and reading them back, for the tests of request bodies."""

from collections.abc import Iterator, Mapping

from novaproxy.http.body import Fields, JsonValue, read_fields

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"

GIVEN_TWICE = "The {} field was given twice."
IS_FILE = "The {} field must not be a file."
NOT_ALLOWED = "The {} field contains a character that is not allowed."
NAME_NOT_ALLOWED = "A field name contains a character that is not allowed."


# The same order, as five clients write it.
CURL = (
    "multipart/form-data; boundary=------------------------d74496d66958873e",
    (
        b"--------------------------d74496d66958873e\r\n"
        b'Content-Disposition: form-data; name="plan"\r\n'
        b"\r\n"
        b"datacenter\r\n"
        b"--------------------------d74496d66958873e\r\n"
        b'Content-Disposition: form-data; name="duration"\r\n'
        b"\r\n"
        b"1_week\r\n"
        b"--------------------------d74496d66958873e\r\n"
        b'Content-Disposition: form-data; name="config[speed]"\r\n'
        b"\r\n"
        b"10\r\n"
        b"--------------------------d74496d66958873e--\r\n"
    ),
)
BROWSER = (
    "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
    CURL[1].replace(b"------------------------d74496d66958873e", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"),
)
UNDICI = (
    "multipart/form-data; boundary=----formdata-undici-012345678901",
    CURL[1].replace(b"------------------------d74496d66958873e", b"----formdata-undici-012345678901"),
)
GUZZLE = (
    "multipart/form-data; boundary=5a8d0e4ce9a5a6c7ad5cd4bd1fb3b1a4cf6fb0b4",
    (
        b"--5a8d0e4ce9a5a6c7ad5cd4bd1fb3b1a4cf6fb0b4\r\n"
        b'Content-Disposition: form-data; name="plan"\r\n'
        b"Content-Length: 10\r\n"
        b"\r\n"
        b"datacenter\r\n"
        b"--5a8d0e4ce9a5a6c7ad5cd4bd1fb3b1a4cf6fb0b4\r\n"
        b'Content-Disposition: form-data; name="duration"\r\n'
        b"Content-Length: 6\r\n"
        b"\r\n"
        b"1_week\r\n"
        b"--5a8d0e4ce9a5a6c7ad5cd4bd1fb3b1a4cf6fb0b4\r\n"
        b'Content-Disposition: form-data; name="config[speed]"\r\n'
        b"Content-Length: 2\r\n"
        b"\r\n"
        b"10\r\n"
        b"--5a8d0e4ce9a5a6c7ad5cd4bd1fb3b1a4cf6fb0b4--\r\n"
    ),
)
DOTNET = (
    'multipart/form-data; boundary="2f1bb0f5-6a52-4a1c-b1f0-0b8e43d3f7a1"',
    (
        b"--2f1bb0f5-6a52-4a1c-b1f0-0b8e43d3f7a1\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Disposition: form-data; name=plan\r\n"
        b"\r\n"
        b"datacenter\r\n"
        b"--2f1bb0f5-6a52-4a1c-b1f0-0b8e43d3f7a1\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Disposition: form-data; name=duration\r\n"
        b"\r\n"
        b"1_week\r\n"
        b"--2f1bb0f5-6a52-4a1c-b1f0-0b8e43d3f7a1\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b'Content-Disposition: form-data; name="config[speed]"\r\n'
        b"\r\n"
        b"10\r\n"
        b"--2f1bb0f5-6a52-4a1c-b1f0-0b8e43d3f7a1--\r\n"
    ),
)


def part(name: str, text: str | bytes, *more: str, parameters: str = "") -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"{parameters}', *more]
    content = text.encode() if isinstance(text, str) else text
    return b"--XX\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


def json_values(body: str) -> Mapping[str, JsonValue]:
    fields = read_fields(body.encode(), JSON)
    assert fields.fault is None
    return fields.values


def form_values(body: str) -> Mapping[str, JsonValue]:
    fields = read_fields(body.encode(), URLENCODED)
    assert fields.fault is None
    return fields.values


def json_fault(body: str) -> str | None:
    return sentence_of(read_fields(body.encode(), JSON))


def form_fault(body: str) -> str | None:
    return sentence_of(read_fields(body.encode(), URLENCODED))


def multipart_fault(*parts: bytes) -> str | None:
    return sentence_of(read_fields(multipart(*parts), MULTIPART))


def sentence_of(fields: Fields) -> str | None:
    if fields.fault is None:
        return None
    assert fields.fault.status == 422
    return fields.fault.sentence


def texts_in(value: JsonValue | Mapping[str, JsonValue]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)
