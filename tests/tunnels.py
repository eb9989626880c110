"""Tunnels on real sockets, for tests: the customer's and the target's ends are the test's, what is between is ours."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from novaproxy.gateway.model import Asked, Entrance, Target
from novaproxy.gateway.relay.engine import Relay
from novaproxy.gateway.relay.outcome import Outcome
from novaproxy.gateway.relay.pipes import Pipes
from novaproxy.gateway.relay.tunnel import Tunnel
from purses import Purse

CONNECT = Asked(Entrance.HTTP, Target("target.example", 443), None)
PATIENCE_SECONDS = 10.0


def connected(buffer_bytes: int | None = None) -> tuple[socket.socket, socket.socket]:
    """Return two TCP sockets that are connected with each other and do not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.socket()
        if buffer_bytes:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
    near.settimeout(0)
    far.settimeout(0)
    return near, far


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@dataclass
class Line:
    """One tunnel with both its ends, and how it ended."""

    customer: socket.socket
    target: socket.socket
    purse: Purse
    outcomes: list[Outcome] = field(default_factory=list)
    tunnel: Tunnel = field(init=False)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.has_ended.set()

    async def outcome(self) -> Outcome:
        """Wait until the tunnel has ended, and return how."""
        await asyncio.wait_for(self.has_ended.wait(), PATIENCE_SECONDS)
        (outcome,) = self.outcomes
        return outcome

    def hang_up(self) -> None:
        self.customer.close()
        self.target.close()


class Switchboard:
    """Makes lines over one relay."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.lines: list[Line] = []

    def line(self, purse: Purse, asked: Asked = CONNECT, buffer_bytes: int | None = None) -> Line:
        customer, client = connected(buffer_bytes)
        target, exit_socket = connected(buffer_bytes)
        line = Line(customer, target, purse)
        line.tunnel = self.relay.open(client, exit_socket, asked, purse, line.end)
        self.lines.append(line)
        return line


@asynccontextmanager
async def switchboard(
    pipes: Pipes | None = None, idle_seconds: float = 60.0, linger_seconds: float = 0.3
) -> AsyncIterator[Switchboard]:
    """Give a relay to make lines on; at the end nothing of them may be left: descriptor, tunnel, or byte on loan."""
    loop = asyncio.get_running_loop()
    before = descriptors()
    made = Switchboard(Relay(loop, idle_seconds, pipes, linger_seconds))
    try:
        yield made
    finally:
        for line in made.lines:
            line.hang_up()
        await asyncio.wait_for(made.relay.close(), PATIENCE_SECONDS)
    assert made.relay.open_tunnels == 0
    assert all(len(line.outcomes) == 1 for line in made.lines)
    assert all(line.purse.books_are_even for line in made.lines)
    assert descriptors() == before


async def read_all(source: socket.socket, pause: Callable[[], float] | None = None) -> tuple[int, str]:
    """Read *source* to its end, however that comes; return how many bytes there were, and their hash."""
    loop, digest, count = asyncio.get_running_loop(), sha256(), 0
    with suppress(ConnectionError):
        while piece := await loop.sock_recv(source, 256 * 1024):
            digest.update(piece)
            count += len(piece)
            if pause:
                await asyncio.sleep(pause())
    return count, digest.hexdigest()


async def read_exactly(source: socket.socket, count: int) -> bytes:
    """Read *count* bytes of *source*; fewer only at its end."""
    loop, got = asyncio.get_running_loop(), b""
    while len(got) < count and (piece := await loop.sock_recv(source, count - len(got))):
        got += piece
    return got


async def write_all(sink: socket.socket, payload: bytes) -> None:
    """Write *payload* to *sink*, and end that side; who hangs up in the middle has his will."""
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(sink, payload)
        sink.shutdown(socket.SHUT_WR)
