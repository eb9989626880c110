"""What one order costs in a shop that has grown, beside an empty one.

    .venv/bin/python -m benchmarks.growth [--sizes 10000 1000000/1000000] [--seconds 8] [--runs 3] [--set name=value]

A size is ORDERS or ORDERS/ACCOUNTS. For each one a shop is filled in a temporary directory (TMPDIR), and an empty one
with 10,000 accounts beside it; the two take turns, so that a machine that slows down slows both. A whole audit follows
the filling, and what the runs wrote is audited after them. --set gives all their servers a setting, to try it. With
--write it writes its section of docs/benchmarks.md and benchmarks/growth.json.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.growth_page import CLIENTS, CONNECTIONS, Grown, Lists, section
from benchmarks.growth_shop import EMPTY, Size, check_room, fill, warm
from benchmarks.page import write_section
from benchmarks.shop import query, running_shop
from benchmarks.wire import placed_orders
from novaproxy.database.binaries import find_binaries
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import opened_connection
from novaproxy.database.processes import server_processes
from novaproxy.ledger.audit_new import audit_new, read_mark

HERE = Path(__file__).parent
SIZES = ("10000", "1000000", "1000000/1000000", "10000000")
WARM_SECONDS = 2
SETTLE_SECONDS = 1
"""Within which the server's processes for pgbench's clients have ended, and their CPU is counted as its children's."""

SHOWN_SETTINGS = (
    *("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "wal_compression"),
    *("max_wal_size", "checkpoint_timeout"),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """A filled shop whose server runs."""

    data_dir: Path
    size: Size
    target: Any

    def postgres_seconds(self) -> float:
        """Return the seconds of CPU of all processes of PostgreSQL so far; those that ended are in the server's own."""
        return sum(map(_cpu_seconds, server_processes(self.data_dir / "postgres")))

    def counted(self) -> dict[str, float]:
        """Return what the server has counted so far, and how many orders were ever placed."""
        return dict(query(self.target, (HERE / "growth_figures.sql").read_text())[0])


def _cpu_seconds(pid: int) -> float:
    """Return user and system time of a process, and of its children that have ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


def measure_http(shop: Shop, seconds: int, seed: int) -> tuple[dict[str, float], int]:
    """Place orders over HTTP; return the figures of the run, and how many 201s are not in the database.

    The service starts anew: no duty that comes by the minute falls into one run and not into the other.
    """
    accounts, before = range(1, shop.size.accounts + 1), shop.counted()
    with running_shop(shop.data_dir) as service:
        warm = placed_orders(service.port, accounts, CONNECTIONS, WARM_SECONDS, seed=seed + 1000)
        worker_pid = service.worker_pid
        worker, postgres = _cpu_seconds(worker_pid), shop.postgres_seconds()
        run = placed_orders(service.port, accounts, CONNECTIONS, seconds, seed=seed)
        worker, postgres = _cpu_seconds(worker_pid) - worker, shop.postgres_seconds() - postgres
    if run.refusals:
        raise SystemExit(f"orders were refused: {run.refusals}")
    placed = [uuid.decode() for uuid in warm.uuids + run.uuids]
    kept = query(shop.target, "SELECT count(*) FROM orders WHERE uuid = ANY ($1::uuid[])", placed)[0][0]
    figures = {
        "rate": run.rate,
        "p50_ms": run.percentile_ms(0.5),
        "p99_ms": run.percentile_ms(0.99),
        "worker_us": 1e6 * worker / len(run.uuids),
        "postgres_us": 1e6 * postgres / len(run.uuids),
    }
    return figures | _counted(before, shop.counted()), len(placed) - kept


def measure_pgbench(shop: Shop, seconds: int, seed: int) -> dict[str, float]:
    """Let pgbench place orders, one a transaction, and return the figures of the run."""
    script = shop.data_dir.parent / "order.sql"
    script.write_text(
        f"\\set account random(1, {shop.size.accounts})\n"
        "SELECT place_one(sha256(('bench-' || :account)::bytea), 'residential', 2);\n"
    )
    before, postgres = shop.counted(), shop.postgres_seconds()
    rate = _run_pgbench(shop.target, script, seconds, seed)
    time.sleep(SETTLE_SECONDS)
    postgres, after = shop.postgres_seconds() - postgres, shop.counted()
    placed = after["orders"] - before["orders"]
    return {"rate": rate, "postgres_us": 1e6 * postgres / placed} | _counted(before, after)


def _run_pgbench(target: Any, script: Path, seconds: int, seed: int) -> float:  # noqa: ANN401 -- asyncpg's own arguments
    """Return the transactions a second of one run of *script*."""
    command = [
        *(str(find_binaries(None) / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"),
        *("-h", target["host"], "-p", str(target["port"]), "-U", target["user"], f"--random-seed={seed}"),
        *("-T", str(seconds), "-f", str(script), target["database"]),
    ]
    environment = os.environ | {"PGPASSWORD": target["password"]}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603 -- our own command
    if (rate := re.search(r"tps = ([0-9.]+)", told)) is None:
        raise SystemExit(told)
    return float(rate[1])


def _counted(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what the server counted meanwhile for each order that was placed."""
    placed = after["orders"] - before["orders"]
    return {name: (after[name] - before[name]) / placed for name in before if name != "orders"}


def measure(size: Size, runs: int, seconds: int, settings: Mapping[str, str]) -> Grown:
    """Fill a shop of *size* and an empty one, let them take turns, and return the figures."""
    grown = Grown(size.orders, size.accounts)
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        grown_dir, empty_dir = Path(scratch) / "grown" / "data", Path(scratch) / "empty" / "data"
        fill(empty_dir, EMPTY)
        began = time.perf_counter()
        fill(grown_dir, size)
        grown.fill_seconds = time.perf_counter() - began
        print(f"{_name(size)}: filled in {grown.fill_seconds:.0f} s", flush=True)
        with (
            EmbeddedPostgres(empty_dir, settings=settings) as empty_server,
            EmbeddedPostgres(grown_dir, settings=settings) as server,
        ):
            shop = Shop(grown_dir, size, server.address.arguments())
            empty = Shop(empty_dir, EMPTY, empty_server.address.arguments())
            grown.database_bytes = query(shop.target, "SELECT pg_database_size(current_database())")[0][0]
            grown.settings = {name: query(shop.target, f"SHOW {name}")[0][0] for name in SHOWN_SETTINGS}
            for each in (empty, shop):
                warm(each.target)
            sides = [(empty, grown.empty_http, grown.empty_pgbench), (shop, grown.http, grown.pgbench)]
            for number in range(runs):
                # ABBA: neither side always runs first.
                for side in sides if number % 2 == 0 else reversed(sides):
                    _turn(grown, *side, seconds, number + 1)
            grown.breaches = new_breaches(shop.target) + new_breaches(empty.target)
    return grown


def _turn(grown: Grown, shop: Shop, http: Lists, pgbench: Lists, seconds: int, number: int) -> None:
    figures, missing = measure_http(shop, seconds, number)
    grown.missing += missing
    _note(http, figures)
    _note(pgbench, measure_pgbench(shop, seconds, number))
    for name, lists in (("HTTP", http), ("pgbench", pgbench)):
        told = ", ".join(f"{figure} {values[-1]:.4g}" for figure, values in lists.items())
        print(f"run {number}, {_name(shop.size)}, {name}: {told}", flush=True)


def _note(lists: Lists, figures: Mapping[str, float]) -> None:
    for name, value in figures.items():
        lists.setdefault(name, []).append(value)


def new_breaches(target: Any) -> int:  # noqa: ANN401 -- asyncpg's own arguments
    """Return how many breaches the audit finds in what was written since the shop was filled."""

    async def audited() -> int:
        connection = await opened_connection(target, statement_timeout="0", plan_cache_mode="force_custom_plan")
        try:
            mark = await read_mark(connection)
            if mark is None:
                raise SystemExit("the shop was not audited after it was filled")
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                findings, _ = await audit_new(connection, mark)
            return sum(finding.breaches for finding in findings)
        finally:
            await connection.close()

    return asyncio.run(audited())


def _name(size: Size | Grown) -> str:
    return f"{size.orders} orders, {size.accounts} accounts"


def _size(told: str) -> Size:
    orders, _, accounts = told.partition("/")
    size = Size(int(orders), int(accounts or EMPTY.accounts))
    if size.orders < 0 or size.accounts < 1:
        raise ValueError(told)
    return size


def _setting(told: str) -> tuple[str, str]:
    name, _, value = told.partition("=")
    return name, value


def main() -> None:
    """Measure each size, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", type=_size, nargs="+", default=[_size(told) for told in SIZES], metavar="ORDERS/ACCOUNTS"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each side of each size")
    parser.add_argument("--seconds", type=int, default=8, help="of each run")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="of the servers"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/growth.json")
    given = parser.parse_args()
    check_room(given.sizes, Path(tempfile.gettempdir()))
    settings = dict(given.set)
    sizes = [measure(size, given.runs, given.seconds, settings) for size in given.sizes]
    text = section(sizes, given.runs, given.seconds)
    print(text)
    if given.write:
        write_section(text)
        kept = {f"{size.orders}/{size.accounts}": asdict(size) for size in sizes}
        (HERE / "growth.json").write_text(json.dumps(kept, indent=1) + "\n")
    if any(size.breaches or size.missing for size in sizes):
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
