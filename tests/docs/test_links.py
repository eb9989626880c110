"""The documents' links lead somewhere: each file is there, each anchor is a heading of it."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])

_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


def parsed(document: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(document.read_text())


def links(document: Path) -> Iterator[str]:
    for token in parsed(document):
        for inline in token.children or []:
            target = inline.attrGet("href") or inline.attrGet("src")
            if target is not None:
                yield str(target)


@cache
def anchors(document: Path) -> set[str]:
    """Return the names of a document's headings as code hosts make them."""
    found: set[str] = set()
    tokens = parsed(document)
    for opening, heading in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(inline.content for inline in heading.children or [])
            name = _NOT_IN_ANCHORS.sub("", text.lower()).replace(" ", "-")
            found.add(next(unique for unique in _numbered(name) if unique not in found))
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}-{number}"
        number += 1


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(document: Path) -> None:
    broken = []
    for link in links(document):
        place = urlsplit(link)
        if place.scheme or place.netloc:
            continue
        target = (document.parent / unquote(place.path)).resolve() if place.path else document
        if not target.exists() or not target.is_relative_to(ROOT):
            broken.append(f"{link}: no such file")
        elif place.fragment and place.fragment not in anchors(target):
            broken.append(f"{link}: no such heading")
    assert broken == []


def test_every_document_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md":
            continue
        reached.add(document)
        targets = (urlsplit(link) for link in links(document))
        waiting += [
            (document.parent / unquote(target.path)).resolve()
            for target in targets
            if target.path and not target.scheme
        ]
    assert [str(document.relative_to(ROOT)) for document in DOCUMENTS if document not in reached] == []
