"""What a person at a terminal sees beside the plain text: colours, what fits in the width, what takes long."""

import os
import shutil
import sys
import threading
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.cells import cell_len, set_cell_size

from novaproxy.serving.progress import SLOW_SECONDS

if TYPE_CHECKING:
    from rich.live import Live
    from rich.spinner import Spinner

ELLIPSIS = "…"


class Paint(StrEnum):
    """The few ways in which text is painted, as terminals number them."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"


def is_coloured(out: TextIO) -> bool:
    """Return whether *out* is a terminal that shows colours to somebody who wants them (NO_COLOR unset)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def painted(text: str, paint: Paint | None, out: TextIO | None = None) -> str:
    """Return *text* as it is written to *out* (standard output): painted where that shows colours."""
    if paint is None or not text or not is_coloured(out or sys.stdout):
        return text
    return f"\x1b[{paint}m{text}\x1b[0m"


def width() -> int | None:
    """Return the columns of the terminal that standard output is, or None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cells(text: str) -> int:
    """Return how many columns of a terminal *text* takes: a Chinese letter takes two, an accent of its own none."""
    return cell_len(text)


def shortened(text: str, columns: int) -> str:
    """Return *text* in at most *columns*, an ellipsis at the end where it was longer."""
    if cells(text) <= columns:
        return text
    return set_cell_size(text, columns - 1).rstrip() + ELLIPSIS


def hint(line: str) -> None:
    """Tell a person at a terminal something beside the answer; programs are told nothing."""
    if sys.stderr.isatty():
        # What was printed before stands before it.
        with suppress(OSError):
            sys.stdout.flush()
        sys.stderr.write(f"{painted(line, Paint.DIM, sys.stderr)}\n")


class Progress:
    """What a command is at, for whoever waits for it at a terminal; gone from the screen when it is done.

    Shown in a ``with`` block, on standard error, once the block has taken SLOW_SECONDS.
    """

    def __init__(self, sentence: str = "Waiting for the database ...") -> None:
        self._sentence = sentence
        self._timer: threading.Timer | None = None
        self._live: Live | None = None
        self._lock = threading.Lock()

    def tell(self, sentence: str) -> None:
        """Say what it is at now."""
        with self._lock:
            self._sentence = sentence
            if self._live is not None:
                self._live.update(_spinner(sentence))

    def end(self) -> None:
        """Take it from the screen for good: the answer itself is about to be printed there."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._timer = threading.Timer(SLOW_SECONDS, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _show(self) -> None:
        # Loaded where it is drawn: most commands are over before that.
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        with self._lock:
            if self._timer is None:
                return
            # Our own standard output is not this display's: it may be a file.
            self._live = Live(
                _spinner(self._sentence),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)


def _spinner(sentence: str) -> "Spinner":
    from rich.spinner import Spinner  # noqa: PLC0415 -- as above

    return Spinner("line", sentence)
