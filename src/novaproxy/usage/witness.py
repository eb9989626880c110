"""What a killed gateway was in the middle of, told by the pipes that its supervisor holds too.

A gateway moves bytes by the kernel, and counts them when the system call is over. A kill in the middle of it leaves
bytes that moved and are not counted: up to a chunk, each time. So the gateway notes each move before it begins, and
whoever started it has its pipes: what is left in the pipe says how far the move came (docs/adr/0018).
"""

import fcntl
import os
import secrets
import struct
import termios
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from novaproxy.usage.counters import SUFFIX, CounterFile, CounterFileHeld, CounterFileNotValid

PIPES = 32
"""How many a gateway gets: as many as it keeps of the large ones. What passes by others is counted after the fact."""

log = structlog.get_logger("novaproxy.usage")

Ends = tuple[int, int]
"""A pipe's descriptors: where it is read, and where it is written."""


def _made() -> Sequence[Ends]:
    """Return new pipes; none where the kernel moves nothing through them, or has no descriptors left."""
    made: list[Ends] = []
    if hasattr(os, "splice"):
        try:
            made.extend(os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) for _ in range(PIPES))
        except OSError as error:
            log.warning("no pipes to witness a gateway: a kill may leave a chunk uncounted", error=error.strerror)
    return made


@dataclass(slots=True)
class Witness:
    """The pipes of one gateway process, made before it starts and held until it has ended.

    *number* tells it from every other one; it stands in the process's counter file.
    """

    counters_dir: Path
    number: int = field(default_factory=lambda: secrets.randbits(62) + 1)
    pipes: Sequence[Ends] = field(default_factory=_made)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them, as they are inherited."""
        return tuple(end for pipe in self.pipes for end in pipe)

    def testify(self) -> None:
        """Complete the counts of the process, which has ended, and let go of the pipes.

        A process that ended in order has left no file; one whose file somebody else has settled already is past help.
        """
        try:
            for path in self.counters_dir.glob(f"*{SUFFIX}"):
                self._complete(path)
        finally:
            for end in self.descriptors:
                os.close(end)
            self.pipes = ()

    def _complete(self, path: Path) -> None:
        try:
            counters = CounterFile.adopted(path)
        except (CounterFileHeld, CounterFileNotValid, OSError):
            # Held by the living, or told of by whoever settles it.
            return
        try:
            if counters.witness == self.number:
                counters.complete(self._left_in)
        finally:
            counters.close()

    def _left_in(self, pipe: int) -> int:
        """Return how many bytes are in a pipe (from 1)."""
        answer = fcntl.ioctl(self.pipes[pipe - 1][0], termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])
