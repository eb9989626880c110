"""``docs/api.md``, the API reference: the description as a page to read.

``python -m novaproxy.openapi.reference > docs/api.md`` writes it; a test finds what was forgotten.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from novaproxy.openapi.description import description, encoded
from novaproxy.openapi.parts import JSON, Part
from novaproxy.openapi.resources import Schema
from novaproxy.openapi.sentences import EVERYTHING, by_status

_HEAD = """# API reference

What a shop serves, path by path, with every field, status and sentence. A running shop tells the same at `/openapi.json`, for programs, and shows it at `/docs`, where requests can be tried out.

This page is written by `python -m novaproxy.openapi.reference > docs/api.md`.
"""  # noqa: E501 -- a paragraph of a page is one line
_SENTENCES = """## Every sentence

What `error` says, with sample facts, and the `X-Error-Code` that comes with it. A code stays the same for good. The 422 of an order stand in the order in which they are checked: the first that fails answers.
"""  # noqa: E501 -- as above

_SHORT = 120
"""Characters of JSON that stand on one line."""


def reference() -> str:
    """Return the page, in Markdown."""
    # As it is served: what the encoder writes, not what the mappings hold.
    document: Part = json.loads(encoded(description()))
    parts = [_HEAD, _contents(document), document["info"]["description"].strip() + "\n"]
    shown: set[str] = set()
    parts += [part for tag in document["tags"] for part in _tag(tag, document, shown)]
    schemas = document["components"]["schemas"]
    parts += ["## Resources\n", *(_resource(name, of, schemas) for name, of in schemas.items())]
    parts += [_SENTENCES, _sentences()]
    return "\n".join(parts)


def _contents(document: Part) -> str:
    heads = re.findall("^## (.+)$", document["info"]["description"], re.MULTILINE)
    heads += [*(tag["name"] for tag in document["tags"]), "Resources", "Every sentence"]
    return "".join(f"- [{head}](#{_anchor(head)})\n" for head in heads)


def _anchor(head: str) -> str:
    return re.sub("[^a-z0-9 -]", "", head.lower()).replace(" ", "-")


def _tag(tag: Part, document: Part, shown: set[str]) -> Iterator[str]:
    """Give a tag's operations; *shown* are the resources of which there was an example already."""
    yield f"## {tag['name']}\n\n{tag['description']}\n"
    for path, methods in document["paths"].items():
        for method in ("post", "get", "delete"):
            if method in methods and tag["name"] in methods[method]["tags"]:
                yield _operation(f"{method.upper()} {path}", methods[method], document, shown)


def _operation(name: str, operation: Part, document: Part, shown: set[str]) -> str:
    parts = [f"### {name}", operation["description"], _authentication(operation)]
    parameters = [_resolved(parameter, document) for parameter in operation.get("parameters", [])]
    if parameters:
        parts.append(_table(("Parameter", "In", "Type", "Meaning"), map(_parameter_row, parameters)))
    if "requestBody" in operation:
        parts += _request(operation["requestBody"]["content"])
    rows = [_answer_row(status, _resolved(of, document)) for status, of in operation["responses"].items()]
    parts.append(_table(("Status", "When", "Body", "Headers"), rows))
    answers = (operation["responses"][status] for status in ("200", "201", "204") if status in operation["responses"])
    parts += _example(next(answers), shown)
    return "\n\n".join(parts) + "\n"


def _authentication(operation: Part) -> str:
    match [name for way in operation["security"] for name in way]:
        case []:
            return "Open to everybody."
        case ["token"]:
            return "Needs `Authorization: Bearer <token>`."
        case _:
            return "Open to this machine; to others with `Authorization: Bearer <token>`, the operator's."


def _parameter_row(parameter: Part) -> tuple[str, ...]:
    return f"`{parameter['name']}`", parameter["in"], _type(parameter["schema"]), parameter["description"]


def _request(content: Part) -> Iterator[str]:
    kinds, resource = _listed([f"`{kind}`" for kind in content]), _type(content[JSON]["schema"])
    yield f"The body is {kinds}; its fields are those of {resource}."
    if "example" in content[JSON]:
        yield f"```json\n{json.dumps(content[JSON]['example'])}\n```"
        return
    for example in content[JSON]["examples"].values():
        yield f"{example['summary']}:\n\n```json\n{json.dumps(example['value'])}\n```"
    yield (
        'The same as a form:\n\n```\ncurl $SHOP/orders -H "Authorization: Bearer $TOKEN" -d plan=datacenter '
        "-d duration=1_week -d 'config[speed]=10'\n```"
    )


def _answer_row(status: str, answer: Part) -> tuple[str, ...]:
    headers = [f"`{name}`" for name in answer["headers"] if name not in ("X-Request-Id", "X-Error-Code")]
    kinds = [_type(of["schema"]) if kind == JSON else f"`{kind}`" for kind, of in answer.get("content", {}).items()]
    codes = answer["headers"].get("X-Error-Code", {}).get("schema", {}).get("enum", [])
    told = f"{answer['description']} {_told_codes(codes)}".strip()
    return status, told, "".join(kinds), ", ".join(headers)


def _told_codes(codes: list[str]) -> str:
    many = 9
    if len(codes) > many:
        return f"{len(codes)} codes, [below](#every-sentence)."
    return ", ".join(f"`{code}`" for code in codes) + ("." if codes else "")


def _example(answer: Part, shown: set[str]) -> Iterator[str]:
    content = answer.get("content", {}).get(JSON, {})
    examples = [example["value"] for example in content.get("examples", {}).values()] or [content.get("example")]
    resource = _type(content.get("schema", {"type": "none"})).removeprefix("list of ")
    if examples[0] is not None and resource not in shown:
        shown.add(resource)
        yield f"```json\n{_laid_out(examples[0])}\n```"


def _laid_out(value: Any, indent: str = "") -> str:  # noqa: ANN401 -- any JSON
    """Return *value* as JSON; what is short stays on one line."""
    line = json.dumps(value)
    if len(line) <= _SHORT or not isinstance(value, dict | list):
        return line
    deeper = f"{indent}  "
    if isinstance(value, dict):
        parts = [f'{deeper}"{name}": {_laid_out(inner, deeper)}' for name, inner in value.items()]
    else:
        parts = [deeper + _laid_out(inner, deeper) for inner in value]
    return "\n".join([line[0], ",\n".join(parts), indent + line[-1]])


def _resource(name: str, of: Schema, schemas: dict[str, Schema]) -> str:
    parts = [f"### {name}", of["description"]]
    if "properties" not in of:
        return "\n\n".join([*parts, f"Type: {_type(of)}."]) + "\n"
    members, needed = of["properties"], of.get("required", [])
    base = next((other for other, its in schemas.items() if _is_within(its, of)), None)
    if base is not None:
        parts.append(f"All of {_link(base)}, and:")
        members = {member: part for member, part in members.items() if member not in schemas[base]["properties"]}
    rows = [_member_row(member, part, is_needed=member in needed) for member, part in members.items()]
    parts.append(_table(("Field", "Type", "Meaning"), rows))
    return "\n\n".join(parts) + "\n"


def _is_within(small: Schema, great: Schema) -> bool:
    """Return whether *great* has all members of *small*, and more."""
    mine, its = small.get("properties", {}).items(), great["properties"].items()
    return 1 < len(mine) < len(its) and all(pair in its for pair in mine)


def _member_row(name: str, of: Schema, *, is_needed: bool) -> tuple[str, ...]:
    optional = "" if is_needed else " (optional)"
    return f"`{name}`{optional}", _type(of), of.get("description", "")


def _type(of: Schema) -> str:
    """Return a schema's type in words."""
    if "$ref" in of:
        return _link(of["$ref"].rpartition("/")[2])
    if "anyOf" in of:
        return _listed(list(dict.fromkeys(map(_type, of["anyOf"]))))
    if "enum" in of:
        return _listed([f"`{value}`" for value in of["enum"]])
    return _structure(of) or of["type"] + (f" ({of['format']})" if "format" in of else _bounds(of))


def _structure(of: Schema) -> str | None:
    """Return what a list or an object holds; None for every other type, and where nothing is said about it."""
    match of:
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "array", "maxItems": 0}:
            return "`[]`"
        case {"type": "object", "maxProperties": 0}:
            return "`{}`"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"object whose values are {_type(values)}"
        case _:
            return None


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _bounds(of: Schema) -> str:
    least, greatest = of.get("minimum"), of.get("maximum")
    if least is None:
        return ""
    return f", {least} to {greatest}" if greatest is not None else f", {least} or more"


def _listed(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    comma = "," if any("," in word for word in words) else ""
    return f"{', '.join(words[:-1])}{comma} or {words[-1]}"


def _sentences() -> str:
    rows = [
        (str(status), f"`{said.code}`", said.sentence, said.when)
        for status, sayings in by_status(EVERYTHING).items()
        for said in sayings
    ]
    return _table(("Status", "`X-Error-Code`", "Sentence", "When"), rows) + "\n"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _resolved(part: Part, document: Part) -> Part:
    """Return *part*, or what it refers to."""
    if "$ref" not in part:
        return part
    found = document
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


if __name__ == "__main__":
    sys.stdout.write(reference())
