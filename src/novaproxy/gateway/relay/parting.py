"""Taking leave of a socket so that what it has taken also reaches the other side.

Closing a socket with unread bytes in it, or one whose other side still sends, makes the kernel answer with a reset, and
that throws away what has been written and not yet delivered. So a client is told the end first, and what still comes
from him is read and thrown away for a moment (RFC 9112, 9.6). An exit's bytes may cost money, so none are read there:
the socket is closed when what was written is delivered.
"""

import socket
import struct
import sys
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Protocol

LINGER_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_THROWN_BYTES = 64 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)


def reset(lost: socket.socket) -> None:
    """Close *lost* with a reset, which the other side cannot take for a proper end."""
    with suppress(OSError):
        lost.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    lost.close()


class Parting(Protocol):
    """A socket on its last way, which it does not go for longer than it was given."""

    def begin(self) -> None:
        """Set out; it may be over at once."""


class Farewell:
    """Tells *client* the end, and closes when he has said his, at most *linger_seconds* later; then *on_over*."""

    __slots__ = ("_client", "_linger_seconds", "_loop", "_on_over", "_timer")

    def __init__(
        self,
        loop: AbstractEventLoop,
        client: socket.socket,
        linger_seconds: float,
        on_over: Callable[[Parting], None],
    ) -> None:
        self._loop = loop
        self._client = client
        self._linger_seconds = linger_seconds
        self._on_over = on_over
        self._timer: TimerHandle | None = None

    def begin(self) -> None:
        """Tell the end."""
        try:
            self._client.shutdown(socket.SHUT_WR)
        except OSError:
            self._close()
            return
        self._timer = self._loop.call_later(self._linger_seconds, self._close)
        self._loop.add_reader(self._client.fileno(), self._throw_away)

    def _throw_away(self) -> None:
        try:
            has_ended = not self._client.recv(_THROWN_BYTES)
        except BlockingIOError:
            return
        except OSError:
            has_ended = True
        if has_ended:
            self._close()

    def _close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._loop.remove_reader(self._client.fileno())
        self._client.close()
        self._on_over(self)


class Delivery:
    """Closes *leaving* by *close* when its written bytes are delivered, at most *linger_seconds* later."""

    __slots__ = ("_close", "_leaving", "_looks", "_loop", "_on_over")

    def __init__(
        self,
        loop: AbstractEventLoop,
        leaving: socket.socket,
        linger_seconds: float,
        close: Callable[[socket.socket], None],
        on_over: Callable[[Parting], None],
    ) -> None:
        self._loop = loop
        self._leaving = leaving
        self._looks = round(linger_seconds / _LOOK_SECONDS)
        self._close = close
        self._on_over = on_over

    def begin(self) -> None:
        """Look whether all is delivered, and again a moment later where it is not."""
        self._looks -= 1
        if self._looks > 0 and _undelivered_bytes(self._leaving):
            self._loop.call_later(_LOOK_SECONDS, self.begin)
        else:
            self._close(self._leaving)
            self._on_over(self)


def _undelivered_bytes(leaving: socket.socket) -> int:
    """Return how many bytes *leaving*'s kernel has taken that the other side has not acknowledged."""
    try:
        return int.from_bytes(ioctl(leaving.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
