"""pretix on the shop's PostgreSQL, in a database of its own, run as its documentation says, without Redis and Celery.

Without a broker its tasks run within the request that starts them; no e-mail is asked for.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.carriers import free_port
from benchmarks.peers.served import ROOT, RunningPeer, served
from benchmarks.shop import query
from novaproxy.database.pool import Target

BIN = ROOT / ".venv-pretix" / "bin"
LOCK = Path(__file__).parent.with_name("pretix.lock")
DATABASE = "pretix"
WORKERS = 5
_CONFIGURATION = """\
[pretix]
datadir={directory}
url=http://127.0.0.1:{port}
registration=off
[database]
backend=postgresql
name={database}
user={user}
password={password}
host={host}
port={database_port}
"""


@dataclass(frozen=True, slots=True)
class Stock:
    """Where orders are placed, with which token, and for which of pretix's items."""

    path: str
    token: str
    item: int


@dataclass(frozen=True, slots=True)
class RunningPretix:
    """pretix, its database and its stock."""

    peer: RunningPeer
    target: Target
    stock: Stock


@contextmanager
def pretix(target: Target, scratch: Path) -> Iterator[RunningPretix]:
    """Make pretix's database, which takes minutes, and serve it by gunicorn."""
    if not (BIN / "gunicorn").exists():
        raise SystemExit(f"{BIN.parent.name} is missing: make bench-pretix makes it")
    query(target, f"CREATE DATABASE {DATABASE}")
    own, port, directory = {**target, "database": DATABASE}, free_port(), scratch / "pretix"
    directory.mkdir()
    variables = _configured(own, port, directory)
    _run(variables, directory, "-m", "pretix", "migrate", "--verbosity", "0")
    stock = Stock(**json.loads(_run(variables, directory, str(Path(__file__).with_name("stock.py"))).splitlines()[-1]))
    with served(_gunicorn(port), port, variables, directory / "gunicorn.log") as peer:
        yield RunningPretix(peer, own, stock)


def version() -> str:
    """Return the version that the lock file names."""
    found = re.search(r"^pretix==(\S+)", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{LOCK} names no pretix")
    return found[1]


def _configured(target: Target, port: int, directory: Path) -> Mapping[str, str]:
    """Write the configuration, and return the variables that name it."""
    path = directory / "pretix.cfg"
    path.touch(0o600)
    path.write_text(
        _CONFIGURATION.format(
            directory=directory,
            port=port,
            database=target["database"],
            user=target["user"],
            password=target["password"],
            host=target["host"],
            database_port=target["port"],
        )
    )
    return {"PRETIX_CONFIG_FILE": str(path), "DJANGO_SETTINGS_MODULE": "pretix.settings"}


def _run(variables: Mapping[str, str], directory: Path, *words: str) -> str:
    """Return what a program of pretix's environment prints."""
    ended = subprocess.run(  # noqa: S603 -- our own commands
        [str(BIN / "python"), *words],
        env=os.environ | variables,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{ended.stderr}")
    return ended.stdout


def _gunicorn(port: int) -> list[str]:
    """Return the command of pretix's documentation, less its log of requests."""
    options = ("--workers", str(WORKERS), "--max-requests", "1200", "--max-requests-jitter", "50")
    address = ("--bind", f"127.0.0.1:{port}", "--log-level", "warning")
    return [str(BIN / "gunicorn"), "pretix.wsgi", "--name", "pretix", *options, *address]
