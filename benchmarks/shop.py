"""The shop that a benchmark measures: the real service in a temporary directory, and its database."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from novaproxy.ledger.audit import audit

NOVAPROXY = str(Path(sys.executable).with_name("novaproxy"))


@dataclass(frozen=True, slots=True)
class RunningShop:
    """The service: its port, and the process id of its supervisor."""

    port: int
    pid: int

    @property
    def worker_pid(self) -> int:
        """The process that answers requests, the first one where there are several."""
        return self.worker_pids[0]

    @property
    def worker_pids(self) -> list[int]:
        """The processes that answer requests."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        workers = [
            int(child)
            for child in children
            if b"novaproxy.serving.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        if not workers:
            raise SystemExit("the service has no worker")
        return workers


@contextmanager
def running_shop(data_dir: Path, workers: int = 1) -> Iterator[RunningShop]:
    """Start the service as an operator does."""
    command = [NOVAPROXY, "serve", "--demo", "--port", "0", "--workers", str(workers)]
    service = subprocess.Popen(command, env=environment(data_dir), stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own command
    try:
        yield RunningShop(_announced_port(service), service.pid)
    finally:
        service.terminate()
        service.wait(30)


def environment(data_dir: Path) -> dict[str, str]:
    """Return the environment of a command on the shop in *data_dir*."""
    return os.environ | {"NOVAPROXY_DATA_DIR": str(data_dir), "NOVAPROXY_RATE_LIMIT": "off", "NOVAPROXY_GATEWAY": "off"}


def _announced_port(service: "subprocess.Popen[str]") -> int:
    for line in service.stdout or ():
        if match := re.search(r"is open at http://[^:]+:(\d+)", line):
            return int(match[1])
    raise SystemExit("the service did not start")


def query(target: Any, statement: str, *arguments: Any) -> list[asyncpg.Record]:  # noqa: ANN401 -- asyncpg's own arguments
    """Return the rows of one statement."""

    async def fetched() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(**target)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    return asyncio.run(fetched())


def breaches(target: Any) -> int:  # noqa: ANN401 -- asyncpg's own arguments
    """Return how many breaches the audit finds."""

    async def audited() -> int:
        connection = await asyncpg.connect(**target)
        try:
            return sum(finding.breaches for finding in await audit(connection))
        finally:
            await connection.close()

    return asyncio.run(audited())
