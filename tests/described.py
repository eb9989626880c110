"""What the service says about itself, as tests hold answers against it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from jsonschema import Draft202012Validator


@dataclass(frozen=True, slots=True)
class Described:
    """An OpenAPI document."""

    document: Mapping[str, Any]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Give each operation with its method, in capitals, and its path."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if method != "parameters":
                    yield method.upper(), path, operation

    def answers(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Give each answer that is described anywhere, with where and its status, ``-`` where none is said."""
        for method, path, operation in self.operations():
            for status, answer in operation["responses"].items():
                yield f"{method} {path}", status, self.resolved(answer)
        for name, answer in self.document["components"]["responses"].items():
            yield name, "-", answer

    def resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return *part*, or what it refers to."""
        if "$ref" not in part:
            return part
        found: Any = self.document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        assert isinstance(found, dict)
        return found

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """Return what holds values against a schema of the document."""
        return Draft202012Validator(
            {**schema, "components": self.document["components"]},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )

    def body_schema(self, operation: str, status: int) -> dict[str, Any]:
        """Return the schema of the JSON body of an answer to *operation*, such as ``GET /plans``."""
        schema: dict[str, Any] = self._answer(operation, status)["content"]["application/json"]["schema"]
        return schema

    def assert_describes(self, operation: str, response: httpx.Response) -> None:
        """Assert that an answer is one of those that are described, in status, headers and body."""
        answer = self._answer(operation, response.status_code)
        for name, header in answer["headers"].items():
            self._assert_header(name, self.resolved(header), response.headers.get(name))
        assert ("X-Error-Code" in answer["headers"]) == ("X-Error-Code" in response.headers)
        if "content" not in answer:
            assert response.content == b""
            return
        kind = response.headers["Content-Type"].partition(";")[0]
        assert kind in answer["content"] or "*/*" in answer["content"], kind
        if kind == "application/json":
            self.validator(answer["content"][kind]["schema"]).validate(response.json())

    def _assert_header(self, name: str, header: Mapping[str, Any], value: str | None) -> None:
        if value is None:
            assert not header["required"], name
            return
        schema = header["schema"]
        self.validator(schema).validate(int(value) if schema["type"] == "integer" else value)

    def _answer(self, operation: str, status: int) -> dict[str, Any]:
        method, path = operation.split()
        return self.resolved(self.document["paths"][path][method.lower()]["responses"][str(status)])
