"""The keys of one mapping, read one by one, every fault kept with its place and its line.

A faulty value reads as a stand-in, so that one fault hides no other; a file with any fault is refused as a whole, and
no stand-in ever leaves the reading.
"""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Final, TypeVar

from novaproxy.catalog.written import NotAsMeant, shown
from novaproxy.catalog.yaml_nodes import ListNode, MapNode, Node, TextNode, is_null

LINES_LIMIT: Final = 100
"""Faults told of one file."""

T = TypeVar("T")
S = TypeVar("S")
_MERGE_KEY: Final = "<<"


class Faults:
    """What is wrong with a file, in the order of reading."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}
        self._places: set[str] = set()

    def add(self, place: str, sentence: str, line: int) -> None:
        """Note that what stands at *place*, in *line* of the file, is wrong; the same fault twice is one."""
        self._told[f"{place}: {sentence} (line {line})" if place else f"{sentence} (line {line})"] = None
        self._places.add(place)

    def at(self, place: str) -> bool:
        """Tell whether a fault was noted at exactly *place*."""
        return place in self._places

    def is_long(self) -> bool:
        """Tell whether more faults are known than will be told."""
        return len(self._told) > LINES_LIMIT

    def lines(self) -> tuple[str, ...]:
        """Return one line for each fault, 100 at most, and then how many there are beside them."""
        lines = tuple(self._told)
        if len(lines) > LINES_LIMIT:
            return (*lines[:LINES_LIMIT], f"... and {len(lines) - LINES_LIMIT} more")
        return lines


class Fields:
    """The values of one mapping by their keys; *known* are the keys that may stand in it.

    Attributes:
        place: where the mapping stands (``plans[1].durations[0]``; empty for the whole file).
        line: the line where it begins.
        faults: where its faults go.
    """

    def __init__(self, node: MapNode, place: str, known: Sequence[str], faults: Faults) -> None:
        self.place = place
        self.line = node.line
        self.faults = faults
        pairs = {key.text: (key.line, value) for key, value in self._flattened(node) if self._is_known(key, known)}
        self._nodes = {text: value for text, (_, value) in pairs.items()}
        self._lines = {text: line for text, (line, _) in pairs.items()}

    def at(self, key: str) -> str:
        """Return the place of *key*."""
        return f"{self.place}.{key}" if self.place else key

    def fault(self, key: str, sentence: str) -> None:
        """Note a fault of what stands at *key*; a key that is missing is missing where the mapping begins."""
        self.faults.add(self.at(key), sentence, self._lines.get(key, self.line))

    def fault_of_all(self, sentence: str) -> None:
        """Note a fault of the mapping as a whole."""
        self.faults.add(self.place, sentence, self.line)

    def is_sound(self, key: str) -> bool:
        """Tell whether no fault was noted of *key* itself."""
        return not self.faults.at(self.at(key))

    def is_given(self, key: str) -> bool:
        """Tell whether *key* has a value other than null, faulty or not."""
        return key in self._nodes and not is_null(self._nodes[key])

    def refuse(self, key: str, sentence: str) -> None:
        """Note a fault if *key* is given: it has no place in this kind of mapping."""
        if self.is_given(key):
            self.fault(key, sentence)

    def read(self, key: str, reader: Callable[[TextNode], T], default: S) -> T | S:
        """Return the value of *key*; the default where it is missing, null or faulty."""
        if not self.is_given(key):
            return default
        return self._one(self.at(key), self._nodes[key], reader, default)

    def required(self, key: str, reader: Callable[[TextNode], T], stand_in: S) -> T | S:
        """Return the value of *key*; missing or null is a fault."""
        if self.is_given(key):
            return self.read(key, reader, stand_in)
        node = self._nodes.get(key)
        word = node.text if isinstance(node, TextNode) else ""
        self.fault(key, f'is required (the text {word} is written "{word}")' if word.isalpha() else "is required")
        return stand_in

    def texts(self, key: str, reader: Callable[[TextNode], T]) -> list[T] | None:
        """Return the values of a list of texts without the faulty ones; None where it is missing or null."""
        if not self.is_given(key):
            return None
        read = [self._one(place, node, reader, None) for place, node in self._listed(key)]
        return [text for text in read if text is not None]

    def each(
        self,
        key: str,
        known: Sequence[str],
        reader: Callable[["Fields"], T],
        *,
        known_by: tuple[str, Callable[[T], str]] | None = None,
        at_least_one: str | None = None,
    ) -> tuple[T, ...]:
        """Return what *reader* makes of each mapping in the list at *key*; none where it is missing or null.

        Args:
            key: where the list stands.
            known: the keys that may stand in its mappings.
            reader: makes a value of one mapping.
            known_by: the key that tells two mappings apart, and its value as text; the same text twice is a fault.
            at_least_one: the word for one of them, where an empty list is a fault.
        """
        listed = self._listed(key) if self.is_given(key) else []
        if at_least_one and not listed and self.is_sound(key):
            self.fault(key, f"needs at least one {at_least_one}")
        read = []
        seen: set[str] = set()
        for place, node in listed:
            if not isinstance(node, MapNode):
                self.faults.add(place, "must be a mapping of keys and values", node.line)
                continue
            fields = Fields(node, place, known, self.faults)
            value = reader(fields)
            read.append(value)
            if known_by is not None:
                fields.check_unique(*known_by, value, seen)
        return tuple(read)

    def check_unique(self, key: str, identity: Callable[[T], str], value: T, seen: set[str]) -> None:
        """Note a fault of *key* if the identity of *value* is in *seen*, and put it there."""
        if not self.is_sound(key):
            return
        if identity(value) in seen:
            node = self._nodes.get(key)
            text = node.text if isinstance(node, TextNode) else ""
            self.fault(key, f"{shown(text)[1:-1] if text.isdecimal() else shown(text)} is given twice")
        seen.add(identity(value))

    def _one(self, place: str, node: Node, reader: Callable[[TextNode], T], otherwise: S) -> T | S:
        if not isinstance(node, TextNode):
            kind = "list" if isinstance(node, ListNode) else "mapping"
            self.faults.add(place, f"must be one value, not a {kind}", node.line)
            return otherwise
        try:
            return reader(node)
        except NotAsMeant as fault:
            self.faults.add(place, fault.sentence, node.line)
            return otherwise

    def _listed(self, key: str) -> list[tuple[str, Node]]:
        node = self._nodes[key]
        if not isinstance(node, ListNode):
            self.fault(key, "must be a list")
            return []
        return [(f"{self.at(key)}[{index}]", entry) for index, entry in enumerate(node.nodes)]

    def _is_known(self, key: TextNode, known: Sequence[str]) -> bool:
        if key.text in known:
            return True
        # Looking for near keys is slow, and a file can have very many wrong ones.
        near = [] if self.faults.is_long() else get_close_matches(key.text[:60], known, n=1)
        self._fault_of_key(key, f"unknown key; did you mean '{near[0]}'?" if near else "unknown key")
        return False

    def _flattened(self, node: MapNode) -> list[tuple[TextNode, Node]]:
        """Return the pairs of *node*, and after them those it takes over with ``<<`` and does not have itself."""
        own: dict[str, tuple[TextNode, Node]] = {}
        merges: list[Node] = []
        for key, value in node.pairs:
            if not isinstance(key, TextNode):
                self.faults.add(self.place, "a key must be text", key.line)
            elif key.text in own or (merges and key.plain and key.text == _MERGE_KEY):
                self._fault_of_key(key, "the key is repeated")
            elif key.plain and key.text == _MERGE_KEY:
                merges.append(value)
            else:
                own[key.text] = (key, value)
        for source in merges:
            for mapping in self._sources(source):
                for taken, value in self._flattened(mapping):
                    own.setdefault(taken.text, (taken, value))
        return list(own.values())

    def _fault_of_key(self, key: TextNode, sentence: str) -> None:
        self.faults.add(self.at(_bare(key.text)), sentence, key.line)

    def _sources(self, node: Node) -> list[MapNode]:
        sources = node.nodes if isinstance(node, ListNode) else (node,)
        mappings = [source for source in sources if isinstance(source, MapNode)]
        if len(mappings) < len(sources):
            self.faults.add(self.at(_MERGE_KEY), "must name a mapping, or a list of mappings", node.line)
        return mappings


def _bare(key: str) -> str:
    """Return a key as a place may name it: without quotes, where there is anything to see."""
    return shown(key)[1:-1] or "''"
