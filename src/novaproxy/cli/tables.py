"""Tables and pages of facts: whole in a pipe, fitted to the width of a terminal.

Where the columns do not fit, days stand without their hours, what may be shortened ends in an ellipsis, and the columns
that matter least are left out. Identifiers are never shortened, so that they can be copied whole.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from novaproxy.cli.output import say, visible
from novaproxy.cli.terminal import Paint, cells, hint, painted, shortened, width

Cell: TypeAlias = Any
"""A text, a number, a time, or None."""

GAP = "  "
_DAY = len("2026-01-04")

STATUS_PAINT: Mapping[str, Paint] = {
    "active": Paint.GREEN,
    "pending": Paint.YELLOW,
    "awaiting_payment": Paint.YELLOW,
    "suspended": Paint.RED,
    "failed": Paint.RED,
    "inactive": Paint.DIM,
    "expired": Paint.DIM,
    "exhausted": Paint.DIM,
    "invoice_expired": Paint.DIM,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: what stands above it.
        to_right: whether it stands to the right, as numbers do.
        is_time: whether it holds times, which may be shown as days.
        rank: below the number of columns; the greatest is left out first where they do not fit, 0 never.
        least: to how many columns of the terminal it may be shortened; None: not at all.
        folds: whether it goes on in further lines instead of being shortened; the last column may.
        paint: how its texts are painted.
    """

    name: str
    to_right: bool = False
    is_time: bool = False
    rank: int = 0
    least: int | None = None
    folds: bool = False
    paint: Mapping[str, Paint] | None = None


def money_column(name: str, currency: str | None, rank: int = 0) -> Column:
    """Return a column of amounts; the currency stands above them."""
    return Column(f"{name} ({currency})" if currency else name, to_right=True, rank=rank)


def text_of(value: Cell, *, is_brief: bool = False) -> str:
    """Return a cell's text in one line; *is_brief* leaves the seconds of a time out."""
    match value:
        case None:
            return "-"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M" if is_brief else "%Y-%m-%d %H:%M:%S UTC")
        case _:
            return visible(str(value))


@dataclass(frozen=True, slots=True)
class Fit:
    """How a table stands in a terminal: the places of the columns that are shown, and their widths."""

    places: tuple[int, ...]
    widths: tuple[int, ...]


def fitted(columns: Sequence[Column], natural: Sequence[int], columns_wide: int) -> Fit:
    """Return how *columns*, as wide as *natural* wants them, stand in a terminal *columns_wide*.

    What may not be shortened or left out stays as it is, even where it does not fit.
    """
    ranks = sorted({column.rank for column in columns if column.rank}, reverse=True)
    for gone in (len(columns), *ranks):
        places = tuple(place for place, column in enumerate(columns) if column.rank < gone)
        fits = [Fit(places, widths) for widths in _ways(columns, natural, places, columns_wide)]
        for fit in fits:
            if _total(fit.widths) <= columns_wide:
                return fit
    return fits[-1]


def _ways(
    columns: Sequence[Column], natural: Sequence[int], places: tuple[int, ...], columns_wide: int
) -> tuple[tuple[int, ...], ...]:
    """Return the widths of the columns at *places*: as they are, folded, with days, with some of them shortened.

    What is never left out is shortened last, to keep the columns of rank 1 beside it.
    """
    whole = tuple(natural[place] for place in places)
    in_days = tuple(
        min(wanted, max(_DAY, cells(columns[place].name))) if columns[place].is_time else wanted
        for place, wanted in zip(places, whole, strict=True)
    )
    chosen = [columns[place] for place in places]
    least = tuple(column.least for column in chosen)
    of_folding = tuple(column.least if column.folds else None for column in chosen)
    of_less = tuple(column.least if column.folds or column.rank else None for column in chosen)
    ways = (whole, _squeezed(whole, of_folding, columns_wide), in_days, _squeezed(in_days, of_less, columns_wide))
    return ways if max(column.rank for column in chosen) > 1 else (*ways, _squeezed(in_days, least, columns_wide))


def _squeezed(widths: tuple[int, ...], least: tuple[int | None, ...], columns_wide: int) -> tuple[int, ...]:
    """Return *widths* made narrower, the widest first and none below its *least*, until they fit if they can."""
    squeezed = list(widths)
    while _total(squeezed) > columns_wide:
        open_ones = [
            (squeezed[place], place)
            for place, bound in enumerate(least)
            if bound is not None and squeezed[place] > bound
        ]
        if not open_ones:
            break
        squeezed[max(open_ones)[1]] -= 1
    return tuple(squeezed)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


class Table:
    """A table that is printed as its rows come; the first of them decide how it stands."""

    def __init__(self, columns: Sequence[Column], first: Sequence[Sequence[Cell]]) -> None:
        self._columns = tuple(columns)
        self._columns_wide = width()
        rows = [self._texts(row) for row in first]
        natural = [
            max(cells(column.name), *(cells(row[place]) for row in rows)) if rows else cells(column.name)
            for place, column in enumerate(columns)
        ]
        everything = Fit(tuple(range(len(columns))), tuple(natural))
        self._fit = everything if self._columns_wide is None else fitted(columns, natural, self._columns_wide)

    def print_head(self) -> None:
        """Print the names of the columns."""
        self._print([column.name for column in self._columns], [Paint.BOLD] * len(self._columns))

    def print_rows(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Print *rows*, a line each."""
        for row in rows:
            paints = [(column.paint or {}).get(str(cell)) for column, cell in zip(self._columns, row, strict=True)]
            self._print(self._texts(row), paints)

    def tell_missing(self) -> None:
        """Tell a person which columns did not fit."""
        gone = [column.name for place, column in enumerate(self._columns) if place not in self._fit.places]
        if gone:
            hint(f"Too narrow for: {', '.join(gone)}. A wider terminal shows more, --json all.")

    def _texts(self, row: Sequence[Cell]) -> list[str]:
        return [text_of(cell, is_brief=self._columns_wide is not None) for cell in row]

    def _print(self, texts: Sequence[str], paints: Sequence[Paint | None]) -> None:
        drawn, more = [], []
        for place, wide in zip(self._fit.places, self._fit.widths, strict=True):
            column = self._columns[place]
            text, *more = [texts[place]] if self._columns_wide is None else _cut(column, texts[place], wide)
            space = " " * (wide - cells(text))
            text = painted(text, paints[place])
            drawn.append(f"{space}{text}" if column.to_right else f"{text}{space}")
        say(GAP.join(drawn).rstrip())
        indent = " " * (_total(self._fit.widths) - self._fit.widths[-1])
        for line in more:
            say(f"{indent}{line}")


def _cut(column: Column, text: str, wide: int) -> list[str]:
    """Return the lines of a cell that is *wide*."""
    if column.folds:
        return _wrapped(text, wide)
    if column.is_time and cells(text) > wide:
        return [text[:_DAY]]
    return [text if column.least is None else shortened(text, wide)]


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], empty: str) -> None:
    """Print *rows* under *columns*, or the sentence *empty* where there are none."""
    if not rows:
        say(empty)
        return
    table = Table(columns, rows)
    table.print_head()
    table.print_rows(rows)
    table.tell_missing()


def print_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Print one fact a line, its name before it; on a terminal a long one goes on below itself."""
    name_width, columns_wide = max(cells(name) for name, _ in facts), width()
    for name, value in facts:
        space = " " * (name_width - cells(name)) + GAP
        room = None if columns_wide is None else max(columns_wide - name_width - len(GAP), 20)
        first, *more = [text_of(value)] if room is None else _wrapped(text_of(value), room)
        paint = STATUS_PAINT.get(first) if name == "status" else None
        say(f"{painted(name, Paint.BOLD)}{space}{painted(first, paint)}")
        for line in more:
            say(f"{' ' * name_width}{GAP}{line}")


def print_heading(heading: str) -> None:
    """Print what the table that follows holds, after an empty line."""
    say("")
    say(painted(heading, Paint.BOLD))


def _wrapped(text: str, room: int) -> list[str]:
    # A word that is too long is left whole: it may be something to copy.
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [text]
