"""Crowds at the gateway's door: connections that say nothing, trickle, insult, or never read, from any address here."""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from deliveries import DeliveryShop, Proxy
from services import Gateway, within

RESET = struct.pack("ii", 1, 0)
_MOST_MORE = 10
"""How many descriptors a process may have more than before: its pool's connections, pipes that it keeps."""


def knocked(port: int, source: str = "127.0.0.1", *, patience: float = 10.0) -> socket.socket:
    """Return a new connection to *port* that comes from *source*."""
    line = socket.socket()
    line.settimeout(patience)
    line.bind((source, 0))
    line.connect(("127.0.0.1", port))
    return line


@contextmanager
def crowd(port: int, count: int, sources: Sequence[str], says: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold *count* connections from *sources* in turn, which said *says* and nothing else."""
    lines: list[socket.socket] = []
    try:
        for number in range(count):
            line = knocked(port, sources[number % len(sources)])
            lines.append(line)
            if says:
                with suppress(OSError):
                    line.send(says)
        yield lines
    finally:
        for line in lines:
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            line.close()


def fetched(proxy: Proxy, delivery: DeliveryShop, count: int = 1_000) -> float:
    """Fetch *count* bytes by CONNECT, and return how many seconds that took, the connection's time included."""
    begun_at = time.monotonic()
    line = proxy.connected("127.0.0.1", delivery.origin.port)
    with line:
        line.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: origin\r\n\r\n" % count)
        got = b""
        while more := line.recv(65_536):
            got += more
    assert got.endswith(bytes(range(256))[: count % 256]), got[-100:]
    assert len(got) > count
    return time.monotonic() - begun_at


def open_files(pid: int) -> int:
    """Return how many descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_kib(pid: int) -> int:
    """Return how much memory a process has."""
    (line,) = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS:")]
    return int(line.split()[1])


@contextmanager
def unleaked(gateway: Gateway, seconds: float = 20.0) -> Iterator[None]:
    """Assert that after the block no gateway process has died, nor keeps descriptors that it had not before."""
    before = {pid: open_files(pid) for pid in gateway.gateway_pids()}
    yield
    assert set(gateway.gateway_pids()) == set(before), gateway.log()[-3_000:]
    for pid, count in before.items():
        within(seconds, partial(_is_back, pid, count), f"{count} descriptors again: {_kinds(pid)}")


def _is_back(pid: int, count: int) -> bool:
    return open_files(pid) <= count + _MOST_MORE


def _kinds(pid: int) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            kind = str(entry.readlink()).partition(":")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
    return kinds
