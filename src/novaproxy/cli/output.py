"""What the commands print: text for people, JSON for programs, faults on standard error."""

import io
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from novaproxy.errors import OperatorError
from novaproxy.http.wire import ENCODER, stamp


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
    say(_json(shown))


class JsonArray:
    """A JSON array that is printed as its members come, so that a long one is never in memory."""

    def __init__(self) -> None:
        self._is_begun = False

    def add(self, members: Iterable[object]) -> None:
        """Print *members*."""
        for member in members:
            write(",\n" if self._is_begun else "[\n")
            # Not textwrap.indent: it takes letters inside a text, such as U+2028, for ends of lines.
            write("  " + _json(member).replace("\n", "\n  "))
            self._is_begun = True

    def end(self) -> None:
        """Print the array's end."""
        say("\n]" if self._is_begun else "[]")


def _json(shown: object) -> str:
    return msgspec.json.format(ENCODER.encode(_with_stamps(shown)), indent=2).decode()


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
