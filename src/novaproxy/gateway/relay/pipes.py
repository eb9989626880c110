"""The pipes through which the kernel moves bytes from one socket to another without showing them to us.

A pipe costs two descriptors, and while bytes are in it their memory; so a tunnel holds one only then. A user without
privileges may have 64 MiB of pipes (``pipe-user-pages-soft``), which the bounds here keep to for everybody.
"""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EMFILE, ENFILE

LARGE_BYTES = 1024 * 1024
"""The usual limit of one pipe (``pipe-max-size``). The size decides: a quarter of it costs half as much CPU again."""

SMALL_BYTES = 256 * 1024
"""The least for which a pipe is worth its descriptors: with 64 KiB, receiving and sending is cheaper."""

MOST_LARGE = 32
MOST_PIPES = 128


@dataclass(frozen=True, slots=True)
class Pipe:
    """A non-blocking pipe: its two descriptors, and how much it takes.

    *number* is that of a pipe that the supervisor has too, and 0 of every other one.
    """

    read_end: int
    write_end: int
    size_bytes: int
    number: int = 0

    def close(self) -> None:
        """Give its descriptors back, and with them whatever is still inside."""
        os.close(self.read_end)
        os.close(self.write_end)


class Pipes:
    """The pipes of one process: empty ones wait here, those in use are somewhere in a tunnel's hand.

    *most_large* and *most* bound what exists at once, in use or not. *given* are the ends (for reading, for writing) of
    pipes that the supervisor has too; they are numbered from 1, taken first, and emptied rather than closed.

    Attributes:
        memory_bytes: what hands hold in memory, for want of a pipe.
    """

    def __init__(
        self, most_large: int = MOST_LARGE, most: int = MOST_PIPES, given: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._empty: list[Pipe] = []
        self._empty_small: list[Pipe] = []
        self._is_forgone = False
        self.memory_bytes = 0
        self._large = 0
        self._small = 0
        self._most_large = most_large
        self._most = most if hasattr(os, "splice") else 0
        for number, (read_end, write_end) in enumerate(given, 1):
            if (pipe := self._counted(read_end, write_end, number)) is not None:
                self.put(pipe)
        # The last one that was put is the first one taken.
        self._empty.reverse()

    def take(self) -> Pipe | None:
        """Return an empty pipe, the largest there is; None: there is none to be had, so receive and send."""
        if self._empty:
            return self._empty.pop()
        if self._large < self._most_large and (pipe := self._made()):
            return pipe
        if self._empty_small:
            return self._empty_small.pop()
        return self._made()

    def put(self, pipe: Pipe) -> None:
        """Keep *pipe*, which must be empty, for the next who takes one."""
        if self._is_forgone:
            self.discard(pipe)
        elif pipe.size_bytes >= LARGE_BYTES:
            self._empty.append(pipe)
        else:
            self._empty_small.append(pipe)

    def discard(self, pipe: Pipe) -> None:
        """Be rid of what is in *pipe*, because it goes nowhere any more."""
        if pipe.number and not self._is_forgone:
            _empty(pipe)
            self.put(pipe)
            return
        pipe.close()
        if pipe.size_bytes >= LARGE_BYTES:
            self._large -= 1
        else:
            self._small -= 1

    def forgo(self) -> None:
        """Close all pipes, and make none ever again: this kernel does not splice, or the gateway ends."""
        self._most = 0
        self._is_forgone = True
        for pipe in (*self._empty, *self._empty_small):
            self.discard(pipe)
        self._empty.clear()
        self._empty_small.clear()

    def _made(self) -> Pipe | None:
        if self._large + self._small >= self._most:
            return None
        try:
            read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as fault:
            if fault.errno in {EMFILE, ENFILE}:
                return None
            raise
        return self._counted(read_end, write_end)

    def _counted(self, read_end: int, write_end: int, number: int = 0) -> Pipe | None:
        if self._large < self._most_large:
            if _is_resized(write_end, LARGE_BYTES):
                self._large += 1
                return Pipe(read_end, write_end, LARGE_BYTES, number)
            self._most_large = self._large  # the user's limit is reached: asking again for each chunk would cost
        if _is_resized(write_end, SMALL_BYTES):
            self._small += 1
            return Pipe(read_end, write_end, SMALL_BYTES, number)
        self._most = self._large + self._small
        os.close(read_end)
        os.close(write_end)
        return None


def _empty(pipe: Pipe) -> None:
    with suppress(BlockingIOError):
        while os.read(pipe.read_end, LARGE_BYTES):
            pass


def _is_resized(write_end: int, size_bytes: int) -> bool:
    try:
        return fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, size_bytes) >= size_bytes
    except OSError:  # the user's limit, or the memory's
        return False
