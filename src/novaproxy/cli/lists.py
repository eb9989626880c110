"""Lists that may be long: read by key, page by page, and printed as they are read.

A terminal gets the newest of a long list and one line that says how to see more; a pipe gets everything.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

import typer

from novaproxy.cli.output import JsonArray, say
from novaproxy.cli.tables import Cell, Column, Table
from novaproxy.cli.terminal import Progress, hint
from novaproxy.errors import OperatorError

PAGE_ROWS = 500
TERMINAL_ROWS = 50
"""How many rows a terminal gets of a list unless it asks for another number."""

Row = TypeVar("Row")

Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="At most N of them, the newest ones.", show_default=False),
]
All = Annotated[
    bool, typer.Option("--all", help=f"All of them; a terminal shows the newest {TERMINAL_ROWS} otherwise.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of a list is wanted, and in which form.

    Raises:
        OperatorError: a number of rows and all of them are wanted at once.
    """

    limit: int | None
    is_all: bool
    as_json: bool

    def __post_init__(self) -> None:
        if self.limit is not None and self.is_all:
            raise OperatorError("Say either --limit or --all, not both.")

    @property
    def is_sample(self) -> bool:
        """Whether a person looks at the list and did not say how much of it he wants."""
        return self.limit is None and not self.is_all and not self.as_json and sys.stdout.isatty()


@dataclass(frozen=True, slots=True)
class Shape(Generic[Row]):
    """How the rows of a list are shown.

    Attributes:
        things: what they are called, in the plural.
        columns: the columns of the table.
        cells: gives a row's cells.
        json: gives a row's members in JSON.
        empty: what is said where there is none.
    """

    things: str
    columns: Sequence[Column]
    cells: Callable[[Row], Sequence[Cell]]
    json: Callable[[Row], Mapping[str, Any]]
    empty: str


ReadPage = Callable[[Row | None, int], Awaitable[list[Row]]]
"""Reads at most so many rows that come after a row, or the first ones."""


async def print_list(read_page: ReadPage[Row], shape: Shape[Row], wish: Wish, progress: Progress) -> None:
    """Print the rows that *read_page* reads, newest first, as *wish* has it."""
    printer: _Printer[Row] = _JsonPrinter(shape) if wish.as_json else _TablePrinter(shape)
    count = 0
    # One row more than a sample has tells whether there is more.
    async for page in _pages(read_page, TERMINAL_ROWS + 1 if wish.is_sample else wish.limit):
        if sys.stdout.isatty():
            # The rows that appear are progress enough, and it would stand among them.
            progress.end()
        count += len(page)
        progress.tell(f"{count} {shape.things} so far ...")
        printer.add(page[:TERMINAL_ROWS] if wish.is_sample else page)
    printer.end()
    if wish.is_sample and count > TERMINAL_ROWS:
        hint(f"These are the newest {TERMINAL_ROWS} {shape.things}: --limit N shows more, --all everything.")


async def _pages(read_page: ReadPage[Row], most: int | None) -> AsyncIterator[list[Row]]:
    last: Row | None = None
    left = most
    while left is None or left > 0:
        wanted = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        page = await read_page(last, wanted)
        if page:
            yield page
            last = page[-1]
        if len(page) < wanted:
            return
        left = None if left is None else left - wanted


class _Printer(Protocol[Row]):
    def add(self, rows: list[Row]) -> None: ...
    def end(self) -> None: ...


class _JsonPrinter(Generic[Row]):
    def __init__(self, shape: Shape[Row]) -> None:
        self._shape = shape
        self._array = JsonArray()

    def add(self, rows: list[Row]) -> None:
        self._array.add(self._shape.json(row) for row in rows)

    def end(self) -> None:
        self._array.end()


class _TablePrinter(Generic[Row]):
    def __init__(self, shape: Shape[Row]) -> None:
        self._shape = shape
        self._table: Table | None = None

    def add(self, rows: list[Row]) -> None:
        shown = [self._shape.cells(row) for row in rows]
        if self._table is None:
            self._table = Table(self._shape.columns, shown)
            self._table.print_head()
        self._table.print_rows(shown)

    def end(self) -> None:
        if self._table is None:
            say(self._shape.empty)
        else:
            self._table.tell_missing()
