"""What the gateway's engine costs: CPU for each GB that passes, by every way the bytes can take, and memory of tunnels.

    .venv/bin/python -m benchmarks.relay [--gb 4] [--streams 4] [--tunnels 2000]

Bytes come from one process and go to another, over loopback; the CPU is that of the process between them alone, its
kernel's time included. A GB has 10**9 bytes. Memory is what the process between them grew by (its resident set, without
the kernel's socket buffers) for each open tunnel on which nothing moves.
"""

import argparse
import asyncio
import gc
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Thread

from benchmarks.page import machine
from novaproxy.gateway.model import Asked, Entrance, Target
from novaproxy.gateway.relay.engine import Relay
from novaproxy.gateway.relay.outcome import Outcome
from novaproxy.gateway.relay.pipes import Pipes

CONNECT = Asked(Entrance.HTTP, Target("target.example", 443), None)
IDLE_SECONDS = 300.0
PIECE_BYTES = 1024 * 1024
_FORK = get_context("fork")


@dataclass(slots=True)
class Unlimited:
    """An allowance that never ends; it counts."""

    up_bytes: int = 0
    down_bytes: int = 0
    takes: int = 0

    def take(self, most: int) -> int:
        self.takes += 1
        return most

    def give_back(self, count: int) -> None:
        pass

    def passed_up(self, count: int) -> None:
        self.up_bytes += count

    def passed_down(self, count: int) -> None:
        self.down_bytes += count

    def filling_up(self, pipe: int) -> None:
        pass

    def pouring_down(self, pipe: int, held_bytes: int) -> None:
        pass

    def stood_still(self) -> None:
        pass

    def when_more(self, resume: Callable[[], None]) -> Callable[[], None]:
        return resume


def send(port: int, streams: int, count: int) -> None:
    """Send *count* bytes on each of *streams* connections to *port*."""

    def one(connection: socket.socket) -> None:
        piece, left = memoryview(bytes(PIECE_BYTES)), count
        while left:
            left -= connection.send(piece[:left])
        connection.close()

    _in_threads(port, streams, one)


def fetch(port: int, streams: int) -> None:
    """Read *streams* connections to *port* to their ends."""

    def one(connection: socket.socket) -> None:
        piece = bytearray(PIECE_BYTES)
        while connection.recv_into(piece):
            pass
        connection.close()

    _in_threads(port, streams, one)


def hold(port: int, count: int, until: int) -> None:
    """Keep *count* connections to *port* open, until the pipe *until* is closed."""
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    os.read(until, 1)
    for connection in held:
        connection.close()


def _in_threads(port: int, streams: int, use: Callable[[socket.socket], None]) -> None:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(streams)]
    threads = [Thread(target=use, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def accepted(listener: socket.socket, count: int) -> list[socket.socket]:
    """Return *count* connections that came to *listener*."""
    connections = [listener.accept()[0] for _ in range(count)]
    for connection in connections:
        connection.settimeout(0)
    return connections


def transfer(pipes: Pipes, streams: int, count: int) -> tuple[float, float]:
    """Move *count* bytes on each of *streams* tunnels; return the CPU seconds for each GB, and GB for each second."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        reader = _FORK.Process(target=fetch, args=(port, streams))
        reader.start()
        clients = accepted(listener, streams)
        writer = _FORK.Process(target=send, args=(port, streams, count))
        writer.start()
        exits = accepted(listener, streams)
    allowance = Unlimited()
    begun_at, cpu_begun = time.monotonic(), time.process_time()
    asyncio.run(_relayed(pipes, clients, exits, allowance))
    cpu_seconds, seconds = time.process_time() - cpu_begun, time.monotonic() - begun_at
    for process in (reader, writer):
        process.join()
    if allowance.down_bytes != streams * count:
        raise AssertionError(f"{allowance.down_bytes} bytes are counted, {streams * count} passed")
    return cpu_seconds / (streams * count / 1e9), streams * count / 1e9 / seconds


async def _relayed(
    pipes: Pipes, clients: list[socket.socket], exits: list[socket.socket], allowance: Unlimited
) -> None:
    outcomes: list[Outcome] = []
    over = asyncio.Event()

    def note(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == len(clients):
            over.set()

    relay = Relay(asyncio.get_running_loop(), IDLE_SECONDS, pipes)
    for client, exit_socket in zip(clients, exits, strict=True):
        relay.open(client, exit_socket, CONNECT, allowance, note)
    await over.wait()
    await relay.close()


def idle_memory(tunnels: int) -> float:
    """Return how many bytes of memory each of *tunnels* idle tunnels takes."""
    read_end, write_end = os.pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        process = _FORK.Process(target=hold, args=(listener.getsockname()[1], 2 * tunnels, read_end))
        process.start()
        used_bytes = asyncio.run(_idle(listener, tunnels))
    os.write(write_end, b".")
    process.join()
    os.close(read_end)
    os.close(write_end)
    return used_bytes / tunnels


async def _idle(listener: socket.socket, tunnels: int) -> int:
    relay, allowance = Relay(asyncio.get_running_loop(), IDLE_SECONDS), Unlimited()
    gc.collect()
    before = _resident_bytes()
    for _ in range(tunnels):
        client, exit_socket = accepted(listener, 2)
        relay.open(client, exit_socket, CONNECT, allowance, lambda _: None)
    await asyncio.sleep(0.1)
    gc.collect()
    used_bytes = _resident_bytes() - before
    await relay.close()
    return used_bytes


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- a line of the kernel's, not a file
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=int, default=4)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--tunnels", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    count = asked.gb * 10**9 // asked.streams
    print(f"{machine()}; {asked.streams} streams, {asked.gb} GB a run")
    print(f"memory of an idle tunnel: {idle_memory(asked.tunnels) / 1024:.1f} KiB ({asked.tunnels} of them)")
    ways: dict[str, Callable[[], Pipes]] = {
        "splice, pipes of 1 MiB": Pipes,
        "splice, pipes of 256 KiB": lambda: Pipes(most_large=0),
        "receive and send": lambda: Pipes(most=0),
    }
    for name, pipes in ways.items():
        runs = [transfer(pipes(), asked.streams, count) for _ in range(asked.runs)]
        print(
            f"{name}: {min(cpu for cpu, _ in runs):.2f} to {max(cpu for cpu, _ in runs):.2f} CPU seconds a GB, "
            f"up to {max(rate for _, rate in runs) * 8:.1f} Gbit/s"
        )


if __name__ == "__main__":
    main()
