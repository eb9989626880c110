"""YAML as written: text, lists and mappings, before anybody decides what a text means.

YAML's own typing is never asked: in a catalog ``no`` is Norway and ``4.50`` a price, not a truth value and a float. The
nodes are composed here from the parser's events, because anchors can make a small file huge: what an alias repeats is
counted where it stands, and a node is never copied.
"""

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

from novaproxy.errors import OperatorError

FILE_LIMIT_BYTES: Final = 4 * 2**20
"""The longest file that is read."""

NODE_LIMIT: Final = 200_000
"""Texts, lists and mappings in one file; what an alias repeats counts again. A choice is seven."""

DEPTH_LIMIT: Final = 40
"""Levels of nesting, aliases followed. A catalog needs nine."""

# libyaml is some ten times faster, but not every build of PyYAML has it.
_LOADER: Final[type[yaml.SafeLoader] | type[yaml.CSafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML allows in a file, unescaped.
_CONTROL_CHARACTER: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TEXT_TAGS: Final = ("!", "tag:yaml.org,2002:str")
_COLLECTION_TAGS: Final = ("!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_NULLS: Final = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class TextNode:
    """A text; *plain* if it stands without quotes, so that it may also mean a number, a truth value or null."""

    text: str
    plain: bool
    line: int
    size: int = 1
    depth: int = 1


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list; *size* counts all nodes in it, itself included, and *depth* the levels."""

    nodes: tuple["Node", ...]
    line: int
    size: int
    depth: int


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping, its pairs in the order of the file, repeated keys included."""

    pairs: tuple[tuple["Node", "Node"], ...]
    line: int
    size: int
    depth: int


Node: TypeAlias = TextNode | ListNode | MapNode


def is_null(node: Node) -> bool:
    """Tell whether *node* is YAML's null: nothing, ``~`` or ``null``, without quotes."""
    return isinstance(node, TextNode) and node.plain and node.text in _NULLS


def composed(content: bytes, *, loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = _LOADER) -> Node:
    """Return the one YAML document in *content*.

    Raises:
        OperatorError: one line, with the place in the file where it is known: too long, not UTF-8, a control character,
            not YAML, no document or more than one, an unknown tag or alias, too many nodes, too deep.
    """
    text = _decoded(content)
    composer = _Composer()
    try:
        for event in yaml.parse(text, Loader=loader):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise OperatorError(f"{where}: not YAML: {' '.join(str(error.problem or error.context).split())}") from None
    # PyYAML's own scanner lets chr() complain about an escape such as "\UFFFFFFFF".
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise OperatorError(f"the file: not YAML: {' '.join(str(error).split())}") from None
    root = composer.root
    if root is None or is_null(root):
        raise OperatorError("the file is empty; a catalog has at least 'plans: []'")
    return root


def _decoded(content: bytes) -> str:
    if len(content) > FILE_LIMIT_BYTES:
        raise OperatorError(f"the file is too long: a catalog has at most {FILE_LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OperatorError(f"line {line}: not UTF-8: the byte 0x{content[error.start]:02x}") from None
    control = _CONTROL_CHARACTER.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise OperatorError(f"line {line}: the control character U+{ord(control[0]):04X} is not allowed")
    return text


@dataclass(slots=True)
class _Open:
    """A list or a mapping whose end has not come yet; a mapping's keys and values follow each other."""

    is_mapping: bool
    anchor: str | None
    line: int
    nodes: list[Node] = field(default_factory=list)
    size: int = 1
    depth: int = 1

    def closed(self) -> Node:
        nodes = tuple(self.nodes)
        if self.is_mapping:
            pairs = tuple(zip(nodes[::2], nodes[1::2], strict=True))
            return MapNode(pairs, self.line, self.size, self.depth)
        return ListNode(nodes, self.line, self.size, self.depth)


class _Composer:
    """Makes nodes of the parser's events, within bounds, without recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[_Open] = []
        # None while the anchor's own list or mapping is open: an alias to it would never end.
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0
        self._events = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        self._events += 1
        self._check(0, self._events // 2, line)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise OperatorError(f"line {line}: a second YAML document starts here; a catalog is one")
            case yaml.ScalarEvent():
                plain = event.style in (None, "") and event.tag is None
                _check_tag(event.tag, _TEXT_TAGS, line)
                self._add(self._anchored(event.anchor, TextNode(event.value, plain, line)), line)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                _check_tag(event.tag, _COLLECTION_TAGS, line)
                if event.anchor is not None:
                    self._anchors[event.anchor] = None
                self._open.append(_Open(isinstance(event, yaml.MappingStartEvent), event.anchor, line))
                self._check(len(self._open), 0, line)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._open.pop()
                self._add(self._anchored(done.anchor, done.closed()), done.line)
            case yaml.AliasEvent():
                self._add(self._named(event.anchor or "", line), line)
            case _:
                pass

    def _anchored(self, anchor: str | None, node: Node) -> Node:
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _named(self, anchor: str, line: int) -> Node:
        if anchor not in self._anchors:
            # What it names is not repeated, here and below: it may be a password that lacks its quotes.
            raise OperatorError(
                f"line {line}: an alias ('*' and a name) has no anchor of that name before it; a text that begins so "
                "needs quotes"
            )
        node = self._anchors[anchor]
        if node is None:
            raise OperatorError(f"line {line}: an alias ('*' and a name) stands inside what it repeats")
        return node

    def _add(self, node: Node, line: int) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.nodes.append(node)
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        self._check(len(self._open) + node.depth, parent.size, line)

    def _check(self, depth: int, size: int, line: int) -> None:
        if depth > DEPTH_LIMIT:
            raise OperatorError(f"line {line}: nested more than {DEPTH_LIMIT} levels deep")
        if size > NODE_LIMIT:
            raise OperatorError(f"line {line}: more than {NODE_LIMIT} entries, aliases counted where they stand")


def _check_tag(tag: str | None, known: tuple[str, ...], line: int) -> None:
    if tag is not None and tag not in known:
        raise OperatorError(
            f"line {line}: a YAML tag ('!' before a value) is not understood; leave it out, or put the value in quotes"
        )
