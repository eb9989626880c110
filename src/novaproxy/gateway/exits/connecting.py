"""A connection to one of several addresses: the next is tried beside a first that keeps silent (RFC 8305)."""

import asyncio
import errno
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Final

from novaproxy.gateway.model import Address

STAGGER_SECONDS: Final = 0.25
MOST_ADDRESSES: Final = 6
_BIND_ADDRESS_NO_PORT: Final = 24
"""Linux chooses the port with the target, so that one source has 64,000 ports for each of them and not in all."""


NOTHING_LEFT: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""What this process or machine has none left of; it says nothing of the other side."""


class SourceError(OSError):
    """The address that a connection is to come from is not this machine's."""


async def connected(addresses: Sequence[Address], port: int, source: Address | None = None) -> socket.socket:
    """Return a non-blocking socket that is connected to *port* of one of *addresses*, from *source* if that is given.

    Raises:
        SourceError: *source* is not to be had.
        OSError: none took the connection; it is the first one's error.
    """
    loop = asyncio.get_running_loop()
    tried = _interleaved(addresses)[:MOST_ADDRESSES]
    if len(tried) == 1:
        return await _connected(loop, tried[0], port, source)
    waiting = list(reversed(tried))
    pending: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or pending:
            if waiting:
                pending.add(loop.create_task(_connected(loop, waiting.pop(), port, source)))
            done, _ = await asyncio.wait(
                pending, timeout=STAGGER_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                pending.remove(task)
                error = task.exception()
                if error is None:
                    return task.result()
                failures.append(error)
        raise failures[0]
    finally:
        for task in pending:
            task.cancel()
            task.add_done_callback(_closed)


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return *addresses* with the families in turn, the first one's first (RFC 8305, 4)."""
    first = [address for address in addresses if address.version == addresses[0].version]
    other = [address for address in addresses if address.version != addresses[0].version]
    mixed = [address for pair in zip(first, other, strict=False) for address in pair]
    return mixed + first[len(other) :] + other[len(first) :]


async def _connected(
    loop: asyncio.AbstractEventLoop, address: Address, port: int, source: Address | None
) -> socket.socket:
    line = socket.socket(socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        line.setblocking(False)  # noqa: FBT003 -- the socket's own
        if source is not None:
            _bind(line, source)
        await loop.sock_connect(line, (str(address), port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        line.close()
        raise
    return line


def _bind(line: socket.socket, source: Address) -> None:
    if sys.platform == "linux":
        with suppress(OSError):
            line.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    try:
        line.bind((str(source), 0))
    except OSError as error:
        raise SourceError(error.errno, error.strerror) from error


def _closed(task: "asyncio.Task[socket.socket]") -> None:
    """Close what came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
