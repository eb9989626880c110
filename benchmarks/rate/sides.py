"""The two sides, each run for a while with what it used: pgbench straight on the database, and orders over HTTP."""

import os
import re
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cpu_seconds
from benchmarks.rate.rows import Added, standing
from benchmarks.shop import RunningShop, query
from benchmarks.wire import BODY, Run, placed_orders
from novaproxy.database.binaries import find_binaries
from novaproxy.database.pool import Target

STATISTICS_SECONDS = 1.2
"""A session tells its statistics with its first transaction after a second."""


@dataclass(frozen=True, slots=True)
class PgbenchRun:
    """Orders a second of so many clients, and microseconds of CPU that each took of PostgreSQL and of pgbench."""

    clients: int
    rate: float
    orders: int
    postgres_us: float
    load_us: float
    wal_bytes: float


@dataclass(frozen=True, slots=True)
class HttpRun:
    """Orders a second that are in the database, and what each took of the API worker, PostgreSQL, the load generator.

    CPU in microseconds; *missing* counts the 201s whose order is not in the database.
    """

    rate: float
    orders: int
    missing: int
    refusals: dict[int, int]
    orders_a_commit: float
    p50_ms: float
    p99_ms: float
    worker_us: float
    postgres_us: float
    load_us: float
    wal_bytes: float


@dataclass(frozen=True, slots=True)
class Script:
    """A transaction for pgbench, and the orders that it places."""

    text: str
    orders: int = 1


@dataclass(frozen=True, slots=True)
class Orders:
    """What is ordered over HTTP: the accounts that take turns at random, and the body."""

    accounts: range
    body: bytes = BODY


@dataclass(frozen=True, slots=True)
class Bench:
    """A shop under test, its database, and a directory for scripts."""

    target: Target
    shop: RunningShop
    postmaster: int
    scratch: Path

    def pgbench(
        self, script: Script, clients: int, seconds: float, seed: int, added: Added | None = None
    ) -> PgbenchRun:
        """Run *script* on *clients* connections; count in *added*, where it is given, what that wrote."""
        before = standing(self.target) if added else None
        postgres, wal, own = cpu_seconds(self.postmaster), self._wal_bytes(), _children_seconds()
        rate, transactions = self._run_pgbench(script, clients, seconds, seed)
        own = _children_seconds() - own
        orders = transactions * script.orders
        postgres, wal = cpu_seconds(self.postmaster) - postgres, self._wal_bytes() - wal
        if added and before:
            time.sleep(0.2)  # its sessions tell their statistics when they end
            added.note(orders, before, standing(self.target))
        return PgbenchRun(
            clients, rate * script.orders, orders, 1e6 * postgres / orders, 1e6 * own / orders, wal / orders
        )

    def _run_pgbench(self, script: Script, clients: int, seconds: float, seed: int) -> tuple[float, int]:
        """Return the transactions a second, without the time to connect, and how many there were."""
        path = self.scratch / "script.sql"
        path.write_text(script.text)
        command = [
            str(find_binaries(None) / "pgbench"),
            *("-h", self.target["host"], "-p", str(self.target["port"]), "-U", self.target["user"]),
            *("-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients))),
            *("-T", str(max(1, round(seconds))), "-f", str(path), f"--random-seed={seed}", self.target["database"]),
        ]
        environment = os.environ | {"PGPASSWORD": self.target["password"]}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
        rate = re.search(r"tps = ([0-9.]+)", ended.stdout)
        transactions = re.search(r"transactions actually processed: (\d+)", ended.stdout)
        if ended.returncode or rate is None or transactions is None:
            raise SystemExit(ended.stdout + ended.stderr)
        return float(rate[1]), int(transactions[1])

    def http(self, orders: Orders, connections: int, seconds: float, seed: int, added: Added | None = None) -> HttpRun:
        """Place *orders* on *connections* connections; count in *added*, where it is given, what that wrote."""
        before = standing(self.target) if added else None
        worker, postgres, wal = self._worker_seconds(), cpu_seconds(self.postmaster), self._wal_bytes()
        own = time.process_time()
        run = placed_orders(self.shop.port, orders.accounts, connections, seconds, seed, orders.body)
        own = time.process_time() - own
        worker, postgres = self._worker_seconds() - worker, cpu_seconds(self.postmaster) - postgres
        wal = self._wal_bytes() - wal
        if added and before:
            added.note(len(run.uuids) + self._last_word(orders), before, standing(self.target))
        kept, commits = self._kept(run)
        placed = max(1, len(run.uuids))
        return HttpRun(
            rate=kept / run.seconds,
            orders=kept,
            missing=len(run.uuids) - kept,
            refusals=run.refusals,
            orders_a_commit=kept / max(1, commits),
            p50_ms=run.percentile_ms(0.5),
            p99_ms=run.percentile_ms(0.99),
            worker_us=1e6 * worker / placed,
            postgres_us=1e6 * postgres / placed,
            load_us=1e6 * own / placed,
            wal_bytes=wal / placed,
        )

    def _last_word(self, orders: Orders) -> int:
        """Let the desk's sessions tell their statistics, which takes a few orders at once; return how many."""
        time.sleep(STATISTICS_SECONDS)
        return len(placed_orders(self.shop.port, orders.accounts, 16, 0.05, 0, orders.body).uuids)

    def _kept(self, run: Run) -> tuple[int, int]:
        """Return how many of the run's orders are in the database, and in how many commits; a batch shares its time."""
        uuids = [uuid.decode() for uuid in run.uuids]
        statement = "SELECT count(*), count(DISTINCT created_at) FROM orders WHERE uuid = ANY ($1::uuid[])"
        row = query(self.target, statement, uuids)[0]
        return row[0], row[1]

    def _worker_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.shop.worker_pids)

    def _wal_bytes(self) -> int:
        """Return how much the server has written ahead so far."""
        return int(query(self.target, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])


def postmaster_pid(data_dir: Path) -> int:
    """Return the process that all of the embedded PostgreSQL's descend from."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def _children_seconds() -> float:
    """Return the CPU seconds of the commands that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
