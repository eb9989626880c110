"""What happens when more orders arrive than can be placed: open loop, arrivals at a fixed rate whatever is answered.

    .venv/bin/python -m benchmarks.overload [--seconds 20] [--write]

Finds the best rate of 128 connections in a closed loop, then lets half of it, all of it and twice it arrive, each for
the given time, and audits the books. With --write it writes docs/benchmarks.md and benchmarks/overload.json.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks.order_rate import ACCOUNTS, prepare
from benchmarks.page import machine, write_section
from benchmarks.shop import breaches, query, running_shop
from benchmarks.wire import order_uuid, placed_orders, request_bytes
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
CONNECTIONS = 128
SHARES = (0.5, 1.0, 2.0)
MOST_LINES = 8_000
TICK_SECONDS = 0.001
LAST_ANSWER_SECONDS = 15.0
HEADING = """## Overload

Written by `make bench-overload`.
"""


@dataclass(slots=True)
class Flood:
    """What one run saw. Times are in seconds from the moment at which an order was due, whether or not it could go."""

    due: int = 0
    seconds: float = 0.0
    uuids: list[bytes] = field(default_factory=list)
    placed: list[float] = field(default_factory=list)
    refused: dict[int, list[float]] = field(default_factory=dict)
    without_retry_after: int = 0
    broken: int = 0

    @property
    def answered(self) -> int:
        """How many had an answer, or will have none."""
        return len(self.placed) + sum(map(len, self.refused.values())) + self.broken

    def note(self, head: bytes, body: bytes, seconds: float) -> None:
        """Note an answer."""
        status, uuid = int(head[9:12]), order_uuid(body)
        if status == 201 and uuid is not None:
            self.placed.append(seconds)
            self.uuids.append(uuid)
            return
        self.refused.setdefault(status, []).append(seconds)
        self.without_retry_after += b"\r\nretry-after:" not in head


class _Line(asyncio.Protocol):
    """A connection that is free, or waits for one answer."""

    def __init__(self, flood: Flood, free: deque["_Line"]) -> None:
        self._flood = flood
        self._free = free
        self._buffer = b""
        self._due_at = 0.0
        self._is_waiting = False
        self.is_open = True
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class that asyncio knows.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due_at: float) -> None:
        if self._transport is not None:
            self._due_at, self._is_waiting = due_at, True
            self._transport.write(request)

    def data_received(self, received: bytes) -> None:
        self._buffer += received
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._buffer, self._is_waiting = rest[length:], False
        self._flood.note(head, rest[:length], time.perf_counter() - self._due_at)
        self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- as asyncio calls it
        self.is_open = False
        self._flood.broken += self._is_waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Generator:
    """Lets orders be due at a fixed rate, each on a connection that is free, else on a new one."""

    def __init__(self, port: int, seed: int) -> None:
        self.flood = Flood()
        self._port = port
        self._random = random.Random(seed)  # noqa: S311 -- a repeatable choice of accounts
        self._free: deque[_Line] = deque()
        self._lines: list[_Line] = []
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float) -> Flood:
        """Let *rate* orders a second be due for *seconds*, and wait for the last answers."""
        await asyncio.gather(*(self._open(None, 0.0) for _ in range(CONNECTIONS)))
        flood, began_at = self.flood, time.perf_counter()
        flood.seconds = seconds
        while (elapsed := time.perf_counter() - began_at) < seconds:
            while flood.due < elapsed * rate:
                self._send(began_at + flood.due / rate)
                flood.due += 1
            await asyncio.sleep(TICK_SECONDS)
        deadline = time.perf_counter() + LAST_ANSWER_SECONDS
        while flood.answered < flood.due and time.perf_counter() < deadline:  # noqa: ASYNC110 -- all of them count
            await asyncio.sleep(0.01)
        for line in self._lines:
            line.close()
        return flood

    def _send(self, due_at: float) -> None:
        request = request_bytes(self._port, self._random.randint(1, ACCOUNTS))
        while self._free and not self._free[-1].is_open:
            self._free.pop()
        if self._free:
            self._free.pop().send(request, due_at)
        elif len(self._lines) + len(self._opening) < MOST_LINES:
            task = asyncio.get_running_loop().create_task(self._open(request, due_at))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            self.flood.broken += 1

    async def _open(self, request: bytes | None, due_at: float) -> None:
        line = _Line(self.flood, self._free)
        try:
            await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", self._port)
        except OSError:
            self.flood.broken += request is not None
            return
        self._lines.append(line)
        if request is None:
            self._free.append(line)
        else:
            line.send(request, due_at)


def _percentile_ms(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _figures(flood: Flood) -> dict[str, Any]:
    refused = [seconds for times in flood.refused.values() for seconds in times]
    return {
        "due_a_second": round(flood.due / flood.seconds, 1),
        "placed_a_second": round(len(flood.placed) / flood.seconds, 1),
        "placed_p50_ms": round(_percentile_ms(flood.placed, 0.5), 1),
        "placed_p99_ms": round(_percentile_ms(flood.placed, 0.99), 1),
        "placed_max_ms": round(_percentile_ms(flood.placed, 1.0), 1),
        "refused": {str(status): len(times) for status, times in sorted(flood.refused.items())},
        "refused_p99_ms": round(_percentile_ms(refused, 0.99), 1),
        "refused_max_ms": round(_percentile_ms(refused, 1.0), 1),
        "without_retry_after": flood.without_retry_after,
        "unanswered": flood.due - len(flood.placed) - len(refused),
    }


def measure(seconds: float) -> dict[str, Any]:
    """Run everything and return the figures."""
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir) as shop:
            target = server.address.arguments()
            prepare(target)
            placed_orders(shop.port, range(1, ACCOUNTS + 1), 32, 2, seed=0)
            best = placed_orders(shop.port, range(1, ACCOUNTS + 1), CONNECTIONS, seconds / 2, seed=1).rate
            print(f"best, {CONNECTIONS} connections in a closed loop: {best:.0f} orders/s", flush=True)
            floods, missing = {}, 0
            for number, share in enumerate(SHARES):
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    flood = runner.run(_Generator(shop.port, seed=number).run(best * share, seconds))
                uuids = [uuid.decode() for uuid in flood.uuids]
                kept = query(target, "SELECT count(*) FROM orders WHERE uuid = ANY ($1::uuid[])", uuids)[0][0]
                missing += len(uuids) - kept
                floods[f"{share:g}"] = _figures(flood)
                print(f"{share:g} times: {floods[f'{share:g}']}", flush=True)
            return {"best": round(best, 1), "floods": floods, "missing": missing, "breaches": breaches(target)}


def page(figures: dict[str, Any], seconds: float) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        HEADING,
        f"Orders arrive at a fixed rate for {seconds:g} s, whatever is answered: open loop.",
        f"{machine()}; one API worker.",
        "Load generator, service and database share one machine: sending what is too much takes from the shop as well.",
        "Times go from the moment at which an order was due.",
        f"The best of {CONNECTIONS} connections in a closed loop, just before: {figures['best']:.0f} orders/s.",
        "",
        "| Arrive | orders/s due | placed/s | of the best | 201: p50 | p99 | longest | 503 | p99 | longest |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for share, run in figures["floods"].items():
        lines.append(
            f"| {share} times the best | {run['due_a_second']:.0f} | {run['placed_a_second']:.0f} "
            f"| **{run['placed_a_second'] / figures['best']:.2f}** | {run['placed_p50_ms']:.0f} ms "
            f"| {run['placed_p99_ms']:.0f} ms | {run['placed_max_ms']:.0f} ms | {run['refused'].get('503', 0)} "
            f"| {run['refused_p99_ms']:.0f} ms | {run['refused_max_ms']:.0f} ms |"
        )
    runs = figures["floods"].values()
    others = sum(count for run in runs for status, count in run["refused"].items() if status != "503")
    bare = sum(run["without_retry_after"] for run in runs)
    unanswered = sum(run["unanswered"] for run in runs)
    lines += [
        "",
        f"Refusals without `Retry-After`: {bare}; other answers: {others}; orders without an answer: {unanswered}.",
        f"Orders answered with 201 and not in the database: {figures['missing']}.",
        f"Breaches that `novaproxy audit` found afterwards: {figures['breaches']}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each flood")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/overload.json")
    given = parser.parse_args()
    figures = measure(given.seconds)
    text = page(figures, given.seconds)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "overload.json").write_text(json.dumps(figures, indent=1) + "\n")
    if figures["missing"] or figures["breaches"]:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
