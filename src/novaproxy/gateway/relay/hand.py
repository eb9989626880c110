"""What one direction of a tunnel holds between reading and writing: at most one pipe, or one piece of memory."""

import os
import socket
from collections.abc import Callable
from errno import EINVAL, ENOSYS

from novaproxy.gateway.relay.pipes import Pipe, Pipes

RECEIVE_BYTES = 256 * 1024
"""How much is received at once where no pipe is to be had."""

SPARING_BYTES = 16 * 1024
"""How much where all hands together hold much memory already: thousands who never read would else have gigabytes."""

MUCH_MEMORY_BYTES = 64 * 1024 * 1024

_SPLICE = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)
_DOES_NOT_SPLICE = frozenset({EINVAL, ENOSYS})


class Hand:
    """Takes bytes from a socket, and puts them into another.

    ``held_bytes`` is how many it holds. It is filled only while it holds none, and holds a pipe only while it does.
    """

    __slots__ = ("_memory", "_memory_bytes", "_pipe", "_pipes", "held_bytes")

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes
        self._pipe: Pipe | None = None
        self._memory = memoryview(b"")
        self._memory_bytes = 0
        self.held_bytes = 0

    @property
    def pipe_number(self) -> int:
        """The number of the pipe that it holds; 0: none that anybody else has."""
        return self._pipe.number if self._pipe else 0

    def fill(self, source: socket.socket, most: int, about_to: Callable[[int], None] | None = None) -> int:
        """Take up to *most* bytes of *source* and return how many; 0: it has ended.

        *about_to* is called just before with the number of the pipe that is filled, where it has one.

        Raises:
            BlockingIOError: there are none now.
            OSError: *source* is lost.
        """
        pipe = self._pipes.take()
        if pipe is None:
            return self._receive(source, most)
        if about_to is not None and pipe.number:
            about_to(pipe.number)
        try:
            got = os.splice(source.fileno(), pipe.write_end, most, flags=_SPLICE)
        except OSError as fault:
            self._pipes.put(pipe)
            if fault.errno not in _DOES_NOT_SPLICE:
                raise
            self._pipes.forgo()
            return self._receive(source, most)
        if not got:
            self._pipes.put(pipe)
            return 0
        self._pipe = pipe
        self.held_bytes = got
        return got

    def hold(self, piece: bytes) -> None:
        """Hold *piece*, which somebody else has read."""
        self._memory = memoryview(piece)
        self.held_bytes = len(piece)

    def pour(self, sink: socket.socket) -> int:
        """Put as much into *sink* as it takes, and return how many bytes that were, at least 1.

        Raises:
            BlockingIOError: it takes none now.
            OSError: *sink* is lost.
        """
        if self._pipe:
            poured = os.splice(self._pipe.read_end, sink.fileno(), self.held_bytes, flags=_SPLICE)
        else:
            poured = sink.send(self._memory)
            self._memory = self._memory[poured:]
        self.held_bytes -= poured
        return poured

    def rest(self) -> None:
        """Give the pipe or the memory back, if nothing is held any more."""
        if self.held_bytes:
            return
        if self._pipe:
            self._pipes.put(self._pipe)
            self._pipe = None
        self._forget_memory()

    def drop(self) -> int:
        """Throw away what is held, and return how many bytes that were."""
        dropped = self.held_bytes
        self.held_bytes = 0
        self._forget_memory()
        if self._pipe:
            (self._pipes.discard if dropped else self._pipes.put)(self._pipe)
            self._pipe = None
        return dropped

    def _receive(self, source: socket.socket, most: int) -> int:
        is_much = self._pipes.memory_bytes >= MUCH_MEMORY_BYTES
        self.hold(source.recv(min(most, SPARING_BYTES if is_much else RECEIVE_BYTES)))
        self._memory_bytes = self.held_bytes
        self._pipes.memory_bytes += self._memory_bytes
        return self.held_bytes

    def _forget_memory(self) -> None:
        self._memory = memoryview(b"")
        self._pipes.memory_bytes -= self._memory_bytes
        self._memory_bytes = 0
