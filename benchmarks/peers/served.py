"""The peers of the order rate, each started as for production with one worker, on the shop's own database."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.carriers import free_port, wait_for
from benchmarks.shop import RunningShop
from novaproxy.database.pool import Target

ROOT = Path(__file__).parent.parent.parent
CALM = (0, -signal.SIGTERM)
"""How a peer ends that was told to."""

UVICORN = ROOT / ".venv-peers" / "bin" / "uvicorn"


@dataclass(frozen=True, slots=True)
class RunningPeer(RunningShop):
    """A peer where a benchmark expects the shop: *pid* and its descendants answer requests."""

    @property
    def worker_pids(self) -> list[int]:
        """The process that answers requests, or the parent of those that do."""
        return [self.pid]


@contextmanager
def served(command: Sequence[str], port: int, variables: Mapping[str, str], log: Path) -> Iterator[RunningPeer]:
    """Run *command*, which serves HTTP on *port*, with *variables* in its environment; what it says goes to *log*."""
    with log.open("w") as said:
        process = subprocess.Popen(  # noqa: S603 -- our own commands
            command, env=os.environ | variables, cwd=ROOT, stdout=said, stderr=said
        )
    try:
        wait_for(port)
        yield RunningPeer(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)
        if process.returncode not in CALM:
            print(log.read_text()[-4_000:], file=sys.stderr)


def whereabouts(target: Target) -> dict[str, str]:
    """Return the variables by which PostgreSQL's clients find the database."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "database": "PGDATABASE"}
    return {variable: str(target[name]) for name, variable in names.items()}


def uvicorn(app: str, port: int) -> list[str]:
    """Return the command that serves *app* with one worker and without an access log, as the service has it."""
    if not UVICORN.exists():
        raise SystemExit(f"{UVICORN.parent.parent.name} is missing: make bench-peers makes it")
    options = (
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--no-access-log",
        "--log-level",
        "warning",
    )
    return [str(UVICORN), "--factory", app, "--loop", "uvloop", "--http", "httptools", *options]


@contextmanager
def usual(target: Target, scratch: Path, key_file: Path) -> Iterator[RunningPeer]:
    """FastAPI and SQLAlchemy's ORM; it seals with the shop's own key, the first of *key_file*."""
    port = free_port()
    key = base64.b64decode(key_file.read_text().split()[0])
    variables = whereabouts(target) | {"PEER_SEALING_KEY": key.hex()}
    with served(uvicorn("benchmarks.peers.usual.app:made_app", port), port, variables, scratch / "usual.log") as peer:
        yield peer


@contextmanager
def one_trip(target: Target, scratch: Path) -> Iterator[RunningPeer]:
    """Starlette and asyncpg, one call of the stored function an order."""
    port = free_port()
    command = uvicorn("benchmarks.peers.one_trip:made_app", port)
    with served(command, port, whereabouts(target), scratch / "one_trip.log") as peer:
        yield peer
