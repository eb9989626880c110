"""The peers of the order rate, each started as for production with one worker, on the shop's own database."""

import base64
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.carriers import free_port, wait_for
from benchmarks.shop import RunningShop
from novaproxy.database.pool import Target

ROOT = Path(__file__).parent.parent.parent
UVICORN = ROOT / ".venv-peers" / "bin" / "uvicorn"


@dataclass(frozen=True, slots=True)
class RunningPeer(RunningShop):
    """A peer where a benchmark expects the shop: *pid* and its descendants answer requests."""

    @property
    def worker_pid(self) -> int:
        """The process that answers requests, or the parent of those that do."""
        return self.pid


@contextmanager
def served(command: Sequence[str], port: int, variables: Mapping[str, str]) -> Iterator[RunningPeer]:
    """Run *command*, which serves HTTP on *port*, with *variables* in its environment."""
    process = subprocess.Popen(command, env=os.environ | variables, cwd=ROOT)  # noqa: S603 -- our own commands
    try:
        wait_for(port)
        yield RunningPeer(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


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
def usual(target: Target, data_dir: Path) -> Iterator[RunningPeer]:
    """FastAPI and SQLAlchemy's ORM; it seals with the shop's own key."""
    port = free_port()
    key = base64.b64decode((data_dir / "sealing.key").read_text().split()[0])
    variables = whereabouts(target) | {"PEER_SEALING_KEY": key.hex()}
    with served(uvicorn("benchmarks.peers.usual.app:made_app", port), port, variables) as peer:
        yield peer


@contextmanager
def one_trip(target: Target) -> Iterator[RunningPeer]:
    """Starlette and asyncpg, one call of the stored function an order."""
    port = free_port()
    with served(uvicorn("benchmarks.peers.one_trip:made_app", port), port, whereabouts(target)) as peer:
        yield peer
