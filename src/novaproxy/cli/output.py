"""What the commands print: tables for people, JSON for programs, faults on standard error."""

import io
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

import msgspec
from rich.console import Console
from rich.table import Table

from novaproxy.errors import OperatorError
from novaproxy.http.wire import ENCODER, stamp

_UNBOUNDED = 100_000
"""Columns of a table that goes to a file or a pipe: a row is a line there, however long."""


class ReaderGone(Exception):  # noqa: N818 -- nothing is wrong: the reader of our output has read enough
    """Standard output was closed by whoever read it."""


def open_streams() -> None:
    """Make standard output and error UTF-8, whatever the locale, and the null device where they are closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 -- it stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def write(text: str) -> None:
    """Write *text* to standard output.

    Raises:
        ReaderGone: nobody reads it any more.
        OperatorError: it cannot be written, on a full disk for instance.
    """
    _written(lambda out: out.write(text))


def flush() -> None:
    """Bring what was printed to where it goes; raises as ``write`` does."""
    _written(lambda out: out.flush())


def _written(work: Any) -> None:  # noqa: ANN401 -- a call on the stream, whatever it returns
    try:
        work(sys.stdout)
    except BrokenPipeError as error:
        _drop_output()
        raise ReaderGone from error
    except OSError as error:
        _drop_output()
        raise OperatorError(f"Standard output cannot be written: {error.strerror}.") from error


def _drop_output() -> None:
    """Send what is still buffered nowhere: the interpreter would complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(line: str) -> None:
    """Print one line to standard output."""
    write(f"{line}\n")


def complain(*lines: str) -> None:
    """Print one line for each fault to standard error."""
    for line in lines:
        sys.stderr.write(f"novaproxy: {visible(line)}\n")


def visible(text: str) -> str:
    """Return *text* in one line; what cannot be printed (controls, broken bytes) is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def print_json(shown: object) -> None:
    """Print *shown* as JSON; times as the API writes them."""
    encoded = msgspec.json.format(ENCODER.encode(_with_stamps(shown)), indent=2)
    say(encoded.decode())


def _with_stamps(shown: object) -> object:
    match shown:
        case datetime():
            return stamp(shown)
        case Mapping():
            return {name: _with_stamps(value) for name, value in shown.items()}
        case list() | tuple():
            return [_with_stamps(value) for value in shown]
        case _:
            return shown


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print *rows* under *columns*, or the sentence *empty* where there are none. Numbers stand to the right."""
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        is_number = isinstance(rows[0][place], int) or column == "balance"
        table.add_column(column, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    for line in _drawn(table, sys.stdout).splitlines():
        say(line.rstrip())


def print_facts(facts: Sequence[tuple[str, Any]]) -> None:
    """Print one fact a line, its name before it."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        say(f"{name.ljust(width)}  {_cell(value)}")


def _drawn(table: Table, out: TextIO) -> str:
    # Drawn in memory: rich would write by itself, and end the process where the reader is gone.
    drawn = io.StringIO()
    columns = Console(file=out).width if out.isatty() else _UNBOUNDED
    console = Console(
        file=drawn, force_terminal=out.isatty(), width=columns, highlight=False, markup=False, emoji=False
    )
    console.print(table)
    return drawn.getvalue()


def _cell(value: Any) -> str:  # noqa: ANN401 -- whatever a row holds
    match value:
        case None:
            return "-"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S UTC")
        case _:
            return visible(str(value))
