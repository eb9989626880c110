"""The gateway's ports: opened, kept and closed as the catalog says."""

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from novaproxy.gateway.model import Entrance

_BACKLOG = 4_096
_ACCEPTED_AT_ONCE = 64
_PAUSE_SECONDS = 0.1
"""How long nobody is accepted where the process has no descriptor left."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = structlog.get_logger("novaproxy.gateway")

Taken = Callable[[socket.socket, int, frozenset[Entrance]], None]
"""Is given each new connection, non-blocking, with the port and what is spoken there."""


class Listeners:
    """Listens on *host*; *is_shared* lets other processes of the same user share each port."""

    def __init__(self, host: str, taken: Taken, told: Callable[[int, bool], None], *, is_shared: bool) -> None:
        """Make it; *told* hears of each port whether it is open."""
        self._host = host
        self._taken = taken
        self._told = told
        self._is_shared = is_shared
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, socket.socket] = {}
        self._entrances: dict[int, frozenset[Entrance]] = {}
        self._failed: set[int] = set()

    @property
    def ports(self) -> frozenset[int]:
        """Those that are open."""
        return frozenset(self._open)

    def serve(self, wanted: Mapping[int, frozenset[Entrance]]) -> bool:
        """Listen on the ports of *wanted* and on no others; return whether all are open.

        One that cannot be had is told once, and tried again with the next call.
        """
        for port in self._open.keys() - wanted.keys():
            self._close(port)
            log.info("proxy port closed", host=self._host, port=port)
        self._failed &= wanted.keys()
        self._entrances = dict(wanted)
        for port in wanted.keys() - self._open.keys():
            try:
                self._listen(port)
            except OSError as error:
                self._told(port, False)  # noqa: FBT003 -- a word would say no more
                if port not in self._failed:
                    log.error("proxy port cannot be had", host=self._host, port=port, error=error.strerror)
                self._failed.add(port)
            else:
                self._failed.discard(port)
                self._told(port, True)  # noqa: FBT003 -- as above
                log.info("proxy port open", host=self._host, port=port, protocols=" ".join(sorted(wanted[port])))
        return not self._failed

    def close(self) -> None:
        """Listen no more."""
        for port in list(self._open):
            self._close(port)

    def _listen(self, port: int) -> None:
        listener = proxy_listener(self._host, port, is_shared=self._is_shared)
        self._open[port] = listener
        self._loop.add_reader(listener.fileno(), self._accept, port, listener)

    def _close(self, port: int) -> None:
        listener = self._open.pop(port)
        self._told(port, False)  # noqa: FBT003 -- as above
        self._loop.remove_reader(listener.fileno())
        listener.close()

    def _accept(self, port: int, listener: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                client, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(port, listener)
                return
            client.setblocking(False)  # noqa: FBT003 -- the library names it not
            with suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._taken(client, port, self._entrances[port])

    def _pause(self, port: int, listener: socket.socket) -> None:
        log.warning("no descriptor left: new connections wait", port=port)
        self._loop.remove_reader(listener.fileno())
        self._loop.call_later(_PAUSE_SECONDS, self._go_on, port, listener)

    def _go_on(self, port: int, listener: socket.socket) -> None:
        if self._open.get(port) is listener:
            self._loop.add_reader(listener.fileno(), self._accept, port, listener)


def proxy_listener(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """Return a non-blocking socket that listens.

    Raises:
        OSError: the address cannot be had.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)  # noqa: FBT003 -- as above
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Clients of both families come to [::].
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
