"""The command at a terminal of a given width, as a person sees it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from commands import SCRIPT, Operator, environment

PAINT = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Screen:
    """What a command left on the screen, and its exit status; *raw* has the controls of the terminal too."""

    status: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """The lines as they are read."""
        return _CONTROL.sub("", self.raw).replace("\r", "").splitlines()

    @property
    def is_painted(self) -> bool:
        """Whether anything has a colour or is bold."""
        return PAINT.search(self.raw) is not None


def at_terminal(
    operator: Operator,
    *words: str,
    columns: int = 80,
    settings: Mapping[str, str] | None = None,
    to_file: bool = False,
    seen: Callable[[str], None] | None = None,
) -> Screen:
    """Return what *words* show at a terminal.

    *to_file* sends standard output elsewhere, so that standard error alone shows; *seen* is called with all that is
    there so far, each time that more appears.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(  # noqa: S603 -- our own command
        [SCRIPT, *words],
        cwd=operator.directory,
        env=_at_home(environment(**{**operator.settings, "TERM": "xterm-256color"})) | dict(settings or {}),
        stdin=theirs,
        stdout=subprocess.DEVNULL if to_file else theirs,
        stderr=theirs,
    )
    os.close(theirs)
    raw = b""
    for block in _blocks(ours):
        raw += block
        if seen is not None:
            seen(raw.decode(errors="replace"))
    return Screen(process.wait(20), raw.decode())


def _at_home(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that says nothing of the terminal in which the tests were started."""
    return {name: value for name, value in settings.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}


def _blocks(terminal: int) -> Iterator[bytes]:
    try:
        while block := os.read(terminal, 65_536):
            yield block
    except OSError:
        # Linux says so when the last one has closed the other end.
        pass
    finally:
        os.close(terminal)
