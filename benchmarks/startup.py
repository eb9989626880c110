"""How long the service takes from ``novaproxy serve`` to the first order that it answers with 201, and where it goes.

The service runs as it does for everybody. How far it is shows from outside: by what appears in the data directory and
on the port, which is looked at each millisecond.
"""

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.shop import NOVAPROXY, environment

LOOK_SECONDS = 0.001
START_SECONDS = 120.0
END_SECONDS = 30.0
HOST = "127.0.0.1"
PROXY_HOST = "127.83.79.1"
"""The gateway's address: there the ports of the demo's catalog are free, whatever else this machine serves."""

COMMAND = "the command: Python and its imports"
CLUSTER = "a new database: `initdb`"
SERVER = "start of PostgreSQL"
SCHEMA = "migrations, catalog, demo account"
WORKER = "start of the API worker, and the order"
OTHERS = "gateway and duties, until it says that it is open"


@dataclass(frozen=True, slots=True)
class Service:
    """A service that has answered its first order; *data_dir* has its database."""

    pid: int
    port: int
    data_dir: Path


@dataclass(slots=True)
class Starts:
    """Seconds of each step and until the first 201, one figure a start."""

    steps: dict[str, list[float]] = field(default_factory=dict)
    first_order: list[float] = field(default_factory=list)


@contextmanager
def started(data_dir: Path, starts: Starts) -> Iterator[Service]:
    """Start the demo shop with all its processes, note in *starts* how it went, and end it afterwards."""
    port = _free_port()
    gateway = {"NOVAPROXY_GATEWAY": "on", "NOVAPROXY_GATEWAY_HOST": PROXY_HOST}
    log = data_dir.with_name("serve.log")
    with log.open("w") as told:
        moments = [time.perf_counter()]
        process = subprocess.Popen(  # noqa: S603 -- our own command
            [NOVAPROXY, "serve", "--demo", "--port", str(port)],
            env=environment(data_dir) | gateway,
            stdout=told,
            stderr=told,
        )
        try:
            for step, is_done in _steps(data_dir, port, log).items():
                _await(is_done, process, log)
                moments.append(time.perf_counter())
                starts.steps.setdefault(step, []).append(moments[-1] - moments[-2])
                if step == WORKER:
                    starts.first_order.append(moments[-1] - moments[0])
            yield Service(process.pid, port, data_dir)
        finally:
            process.terminate()
            process.wait(END_SECONDS)


def _steps(data_dir: Path, port: int, log: Path) -> dict[str, Callable[[], bool]]:
    """Return what is to be awaited, in this order."""
    cluster = data_dir / "postgres"
    pid_file = cluster / "postmaster.pid"
    database: dict[str, Callable[[], bool]] = {}
    if cluster.exists():
        database[COMMAND] = pid_file.exists
    else:
        database[COMMAND] = lambda: any(data_dir.glob("postgres.new-*")) or cluster.exists()
        database[CLUSTER] = cluster.exists
    return database | {
        SERVER: lambda: pid_file.exists() and pid_file.read_bytes().rstrip().endswith(b"ready"),
        SCHEMA: lambda: _is_open(port),
        WORKER: lambda: _placed(port, (data_dir / "demo-token").read_text().strip()),
        OTHERS: lambda: "is open at" in log.read_text(),
    }


def _await(is_done: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.perf_counter() + START_SECONDS
    while not is_done():
        if process.poll() is not None or time.perf_counter() > deadline:
            raise SystemExit(f"the service did not start: {log.read_text()}")
        time.sleep(LOOK_SECONDS)


def _is_open(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex((HOST, port)) == 0


def _placed(port: int, token: str) -> bool:
    """Place an order; the answer comes when the worker is there."""
    body = b'{"plan":"residential","bandwidth":2}'
    head = (
        f"POST /orders HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((HOST, port), timeout=START_SECONDS) as line:
        line.sendall(head.encode() + body)
        answer = line.recv(65_536)
    if not answer.startswith(b"HTTP/1.1 201 "):
        raise SystemExit(f"the first order was refused: {answer!r}")
    return True


def _free_port() -> int:
    with socket.socket() as line:
        line.bind((HOST, 0))
        port: int = line.getsockname()[1]
        return port


def measure_starts(runs: int) -> tuple[Starts, Starts]:
    """Start the shop *runs* times on a new data directory and each time again on the one that is now there."""
    new, existing = Starts(), Starts()
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
            for starts in (new, existing):
                with started(Path(scratch) / "data", starts):
                    pass
                print(f"start {number + 1}: first 201 after {starts.first_order[-1]:.2f} s", flush=True)
    return new, existing
