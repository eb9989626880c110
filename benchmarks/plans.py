"""``GET /plans`` beside a bare Starlette route that returns the same bytes.

    .venv/bin/python -m benchmarks.plans [--seconds 5] [--runs 5] [--write]

Starts a shop of its own in a temporary directory, and the bare route with the body that the shop answered; wrk asks one
after the other, alternating: for the whole answer, and for one that the client has already (304). With --write it
writes its section of docs/benchmarks.md and benchmarks/plans.json. Needs wrk.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from statistics import median

from benchmarks.page import machine, write_section
from benchmarks.shop import running_shop
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
CONNECTIONS = (1, 32)
GOAL_CONNECTIONS = 32
SHOP, BARE = "NovaProxy", "a bare Starlette route"
WHOLE, KNOWN = "200", "304"
HEADING = """## The plans

Written by `make bench-plans`.
"""
PEER = """The peer is one Starlette route that returns the same bytes with the same ETag, one worker on plain uvicorn
with the same settings (uvloop, httptools, no access log). The shop's answer goes through all that it does for every
request: bounds of the connection, request id, metrics, routing."""


@dataclass(slots=True)
class Taken:
    """What one side did at one point, one figure a run."""

    rate: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Figures:
    """The size of the answer, and what was taken by side, kind of answer and connections: ``NovaProxy 200 32``."""

    body_bytes: int = 0
    taken: dict[str, Taken] = field(default_factory=dict)

    def at(self, side: str, kind: str, connections: int) -> Taken:
        """Return what *side* took there."""
        return self.taken.setdefault(f"{side} {kind} {connections}", Taken())

    def ratio(self, kind: str, connections: int) -> float:
        """Return the shop's median rate to the bare route's."""
        ours, bare = (median(self.at(side, kind, connections).rate) for side in (SHOP, BARE))
        return ours / bare


@dataclass(frozen=True, slots=True)
class Server:
    """Who is asked: the port, and the process that answers."""

    port: int
    pid: int

    def got(self, tag: str | None = None) -> tuple[int, bytes, str]:
        """Return the status, the body and the tag of an answer."""
        line = HTTPConnection("127.0.0.1", self.port)
        line.request("GET", "/plans", headers={} if tag is None else {"If-None-Match": tag})
        response = line.getresponse()
        return response.status, response.read(), response.headers["ETag"]

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bare_route(body: Path) -> Iterator[Server]:
    """Serve *body* on the bare route."""
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "benchmarks.bare_route", str(body), str(descriptor)]
        process = subprocess.Popen(command, pass_fds=[descriptor])  # noqa: S603 -- our own command
        try:
            yield Server(listener.getsockname()[1], process.pid)
        finally:
            process.terminate()
            process.wait(10)


def asked(server: Server, tag: str | None, connections: int, seconds: int, taken: Taken) -> None:
    """Let wrk ask *server* for *seconds*, and note what was taken."""
    header = [] if tag is None else ["-H", f"If-None-Match: {tag}"]
    url = f"http://127.0.0.1:{server.port}/plans"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *header, url]
    before = server.cpu_seconds()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 -- our own command
    used = server.cpu_seconds() - before
    count = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    p99 = re.search(r"99%\s+([0-9.]+)(us|ms|s)", output)
    if count is None or rate is None or p99 is None or "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(output)
    taken.rate.append(float(rate[1]))
    taken.cpu_us.append(used / int(count[1]) * 1e6)
    taken.p99_ms.append(float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])


def measure(seconds: int, runs: int) -> Figures:
    """Ask both sides, alternating, and return the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir, body = Path(scratch) / "data", Path(scratch) / "plans.json"
        with EmbeddedPostgres(data_dir), running_shop(data_dir) as shop:
            ours = Server(shop.port, shop.worker_pid)
            _, answer, tag = ours.got()
            body.write_bytes(answer)
            figures.body_bytes = len(answer)
            with bare_route(body) as bare:
                _check(ours, bare, answer, tag)
                sides = [(SHOP, ours), (BARE, bare)]
                for _, server in sides:
                    asked(server, None, GOAL_CONNECTIONS, 1, Taken())
                for number, kind, connections in product(range(runs), (WHOLE, KNOWN), CONNECTIONS):
                    # ABBA: neither side is always the one behind the other.
                    for name, server in sides if number % 2 == 0 else sides[::-1]:
                        taken = figures.at(name, kind, connections)
                        asked(server, tag if kind == KNOWN else None, connections, seconds, taken)
                        told = f"{taken.rate[-1]:.0f} answers/s, {taken.cpu_us[-1]:.1f} us of processor each"
                        print(f"run {number + 1}: {name}, {kind}, {connections} connections: {told}", flush=True)
    return figures


def _check(ours: Server, bare: Server, answer: bytes, tag: str) -> None:
    """See that both sides answer alike, also who has the answer."""
    for server in (ours, bare):
        if server.got() != (200, answer, tag) or server.got(tag) != (304, b"", tag):
            raise SystemExit("the two sides do not answer alike: there is nothing to compare")


def section(figures: Figures, seconds: int, runs: int) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        HEADING,
        f"`GET /plans` of the demo catalog, {figures.body_bytes} bytes; {runs} alternating runs of {seconds} s a",
        f"point, medians and ranges. {machine()}; wrk, shop and peer share one machine.",
        "",
        PEER,
        "",
        "| | connections | answers/s | range | to the bare route | processor time an answer | p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, connections, side in product((WHOLE, KNOWN), CONNECTIONS, (SHOP, BARE)):
        lines.append(_row(figures, kind, connections, side))
    return "\n".join([*lines, ""])


def _row(figures: Figures, kind: str, connections: int, side: str) -> str:
    taken = figures.at(side, kind, connections)
    name, ratio = (f"**{side}**", f"**{figures.ratio(kind, connections):.2f}**") if side == SHOP else (side, "1.00")
    span = f"{min(taken.rate):.0f} to {max(taken.rate):.0f}"
    return (
        f"| {name}, {kind} | {connections} | {median(taken.rate):.0f} | {span} | {ratio} "
        f"| {median(taken.cpu_us):.0f} µs | {median(taken.p99_ms):.1f} ms |"
    )


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each run of each point")
    parser.add_argument("--runs", type=int, default=5, help="of each point")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/plans.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.runs)
    text = section(figures, given.seconds, given.runs)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "plans.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")


if __name__ == "__main__":
    main()
