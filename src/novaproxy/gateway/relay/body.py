"""How much of what a client sends is his request's: whatever follows it must not reach the origin.

A client takes the connection to its proxy for one that serves any target: where an origin leaves it open in spite of
``Connection: close``, the next request, which may be for another host and holds the proxy's password, comes on it.
"""

import re

from novaproxy.gateway.model import Asked

LOOKED_AT_BYTES = 64 * 1024
_MOST_LINE_BYTES = 4_096
_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LINE_END_BYTES = 2


class Chunks:
    """A body in chunks (RFC 9112, 7.1), of which only the lines between them are looked at.

    Attributes:
        is_over: its last line has been seen.
        is_broken: it can be read in no way, or in more than one.
    """

    __slots__ = ("_is_behind_last", "_line", "is_broken", "is_over")

    def __init__(self) -> None:
        self.is_over = False
        self.is_broken = False
        self._is_behind_last = False
        self._line = b""

    def known_bytes(self, arrived: bytes) -> int:
        """Return how many bytes from the first of *arrived* on are the body's; a chunk's that did not arrive are too.

        With the next call *arrived* begins behind them. 0: it is over, or broken.
        """
        at = 0
        while at < len(arrived) and not (self.is_over or self.is_broken):
            end = arrived.find(b"\n", at) + 1
            self._line += arrived[at : end or None]
            if len(self._line) > _MOST_LINE_BYTES:
                self.is_broken = True
            elif end:
                chunk_bytes = self._heed_line()
            else:
                return len(arrived)
            if self.is_broken:
                return at
            at = end + chunk_bytes
        return at

    def _heed_line(self) -> int:
        """Read a line that is whole, and return how many bytes pass until the next one."""
        line, self._line = self._line, b""
        if self._is_behind_last:
            self.is_over = line == b"\r\n"
            self.is_broken = not line.endswith(b"\r\n")
            return 0
        size_line = _SIZE_LINE.fullmatch(line)
        if size_line is None:
            self.is_broken = True
            return 0
        size_bytes = int(size_line[1], 16)
        self._is_behind_last = not size_bytes
        return size_bytes + _LINE_END_BYTES if size_bytes else 0


class Body:
    """What is still to come of a client.

    Attributes:
        early: what came along with the handshake, without what is not the request's.
        left_bytes: how many bytes behind *early* are known to be the request's; None: all until the client's end.
    """

    __slots__ = ("_chunks", "early", "left_bytes")

    def __init__(self, asked: Asked) -> None:
        self._chunks = Chunks() if asked.is_chunked else None
        self.left_bytes = self._chunks.known_bytes(asked.early) if self._chunks else asked.body_bytes
        self.early = asked.early[: self.left_bytes]
        self.passed(len(self.early))

    @property
    def is_over(self) -> bool:
        """Whether all that is the request's has passed; never of a body that is broken."""
        return self.left_bytes == 0 and (self._chunks is None or self._chunks.is_over)

    def passed(self, count: int) -> None:
        """Note that *count* bytes passed."""
        if self.left_bytes is not None:
            self.left_bytes -= count

    def look(self, arrived: bytes) -> None:
        """Learn from what comes next how much of it is the request's; none of it where the body is broken."""
        if self._chunks and not self.left_bytes:
            self.left_bytes = self._chunks.known_bytes(arrived)
