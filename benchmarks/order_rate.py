"""The order rate over HTTP beside pgbench, which places the same order with one stored function a transaction.

    .venv/bin/python -m benchmarks.order_rate [--seconds 8] [--runs 3] [--write]

Starts a shop of its own in a temporary directory with the durable settings of every installation, loads 10,000
accounts, and alternates the two sides. After the runs it compares the rows that an order of each side added and audits
the books. With --write it writes docs/benchmarks.md and benchmarks/order_rate.json.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from benchmarks.page import machine, write_section
from benchmarks.shop import breaches, query, running_shop
from benchmarks.wire import Run, placed_orders
from novaproxy.database.binaries import find_binaries
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
ACCOUNTS = 10_000
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
CONNECTIONS = (1, 32, 128)
TABLES = ("orders", "meter", "transfer")
HEADING = """## The order rate

Written by `make bench`.
"""

PEER = """The peer is pgbench placing the same order with one stored function, one order a transaction, `-M prepared`,
in the same database, tables, indexes, constraints and triggers; its best is at {clients} clients.
The service commits up to 64 orders a transaction and answers each after its commit."""

SHOWN_SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


@dataclass(slots=True)
class Figures:
    """Orders a second by number of clients or connections, one figure a run; and what was found about the rows."""

    settings: dict[str, str] = field(default_factory=dict)
    pgbench: dict[int, list[float]] = field(default_factory=dict)
    http: dict[int, list[float]] = field(default_factory=dict)
    p50_ms: dict[int, list[float]] = field(default_factory=dict)
    p99_ms: dict[int, list[float]] = field(default_factory=dict)
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    orders_a_commit: dict[int, list[float]] = field(default_factory=dict)
    missing: int = 0
    breaches: int = 0

    def best_pgbench(self) -> tuple[int, float]:
        """Return the number of clients at which pgbench is fastest in the median, and that median."""
        return max(((clients, median(rates)) for clients, rates in self.pgbench.items()), key=lambda pair: pair[1])


def prepare(target: Any) -> None:  # noqa: ANN401 -- asyncpg's own arguments
    """Load the accounts and make the peer's function."""

    async def load() -> None:
        connection = await asyncpg.connect(**target)
        await connection.execute((HERE / "peer.sql").read_text())
        await connection.fetch((HERE / "load.sql").read_text(), ACCOUNTS)
        await connection.execute("VACUUM ANALYZE account")
        await connection.execute("VACUUM ANALYZE api_token")
        await connection.execute("CHECKPOINT")
        await connection.close()

    asyncio.run(load())


def run_pgbench(target: Any, script: Path, clients: int, seconds: int, seed: int) -> float:  # noqa: ANN401 -- as above
    """Return the transactions a second of one run of pgbench."""
    environment = os.environ | {"PGPASSWORD": target["password"]}
    command = [
        str(find_binaries(None) / "pgbench"),
        *("-h", target["host"], "-p", str(target["port"]), "-U", target["user"]),
        *("-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients)), "-T", str(seconds)),
        *("-f", str(script), f"--random-seed={seed}", target["database"]),
    ]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603
    match = re.search(r"tps = ([0-9.]+)", output)
    if match is None:
        raise SystemExit(output)
    return float(match[1])


def rows_per_order(target: Any, orders: int, before: dict[str, int]) -> dict[str, float]:  # noqa: ANN401 -- as above
    """Return how many rows of each table one order added."""
    after = count_rows(target)
    return {table: round((after[table] - before[table]) / max(1, orders), 4) for table in TABLES}


def count_rows(target: Any) -> dict[str, int]:  # noqa: ANN401 -- as above
    """Return the rows of each table."""
    return {table: query(target, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}  # noqa: S608 -- our own names


def measure(seconds: int, runs: int) -> Figures:
    """Run both sides, alternating, and return the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir, script = Path(scratch) / "data", Path(scratch) / "order.sql"
        script.write_text(
            f"\\set account random(1, {ACCOUNTS})\n"
            "SELECT place_one(sha256(('bench-' || :account)::bytea), 'residential', 2);\n",
        )
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir) as shop:
            port = shop.port
            target = server.address.arguments()
            prepare(target)
            figures.settings = {name: query(target, f"SHOW {name}")[0][0] for name in SHOWN_SETTINGS}
            placed_orders(port, range(1, ACCOUNTS + 1), 32, 2, seed=0)
            for number in range(runs):
                # ABBA: neither side always runs on the emptier database.
                sides = [_measure_pgbench, _measure_http]
                for side in sides if number % 2 == 0 else reversed(sides):
                    side(figures, target, port, script, seconds, number)
            figures.breaches = breaches(target)
    return figures


def _measure_pgbench(figures: Figures, target: Any, _port: int, script: Path, seconds: int, number: int) -> None:  # noqa: ANN401
    for clients in CLIENTS:
        before = count_rows(target)
        rate = run_pgbench(target, script, clients, seconds, seed=number + 1)
        figures.pgbench.setdefault(clients, []).append(rate)
        placed = count_rows(target)["orders"] - before["orders"]
        figures.rows["pgbench"] = rows_per_order(target, placed, before)
        print(f"run {number + 1}: pgbench, {clients} clients: {rate:.0f} orders/s", flush=True)


def _measure_http(figures: Figures, target: Any, port: int, _script: Path, seconds: int, number: int) -> None:  # noqa: ANN401
    for connections in CONNECTIONS:
        before = count_rows(target)
        run = placed_orders(port, range(1, ACCOUNTS + 1), connections, seconds, seed=number + 1)
        kept, commits = _kept(target, run)
        figures.missing += len(run.uuids) - kept
        figures.orders_a_commit.setdefault(connections, []).append(kept / commits)
        figures.http.setdefault(connections, []).append(run.rate)
        figures.p50_ms.setdefault(connections, []).append(run.percentile_ms(0.5))
        figures.p99_ms.setdefault(connections, []).append(run.percentile_ms(0.99))
        figures.rows["HTTP"] = rows_per_order(target, len(run.uuids), before)
        print(f"run {number + 1}: HTTP, {connections} connections: {run.rate:.0f} orders/s {run.refusals}", flush=True)


def _kept(target: Any, run: Run) -> tuple[int, int]:  # noqa: ANN401 -- asyncpg's own arguments
    """Return how many of the run's orders are in the database, and in how many commits; a batch shares its time."""
    uuids = [uuid.decode() for uuid in run.uuids]
    statement = "SELECT count(*), count(DISTINCT created_at) FROM orders WHERE uuid = ANY ($1::uuid[])"
    row = query(target, statement, uuids)[0]
    return row[0], row[1]


def page(figures: Figures, seconds: int, runs: int) -> str:
    """Return the section of docs/benchmarks.md."""
    clients, best = figures.best_pgbench()
    shown_settings = ", ".join(f"{name} = {value}" for name, value in figures.settings.items())
    lines = [
        HEADING,
        f"{runs} alternating runs of {seconds} s a point, medians and ranges.",
        f"{machine()}.",
        "Load generator, service and database share one machine.",
        "",
        PEER.format(clients=clients),
        "",
        f"Settings: {shown_settings}.",
        "",
        "| | orders/s | range | to pgbench's best | orders a commit | p50 | p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for count, rates in figures.pgbench.items():
        ratio = f"{median(rates) / best:.2f}"
        lines.append(f"| pgbench, clients: {count} | {median(rates):.0f} | {_range(rates)} | {ratio} | 1 | | |")
    for count, rates in figures.http.items():
        lines.append(
            f"| **HTTP, connections: {count}** | {median(rates):.0f} | {_range(rates)} "
            f"| **{median(rates) / best:.2f}** | {median(figures.orders_a_commit[count]):.1f} "
            f"| {median(figures.p50_ms[count]):.1f} ms | {median(figures.p99_ms[count]):.1f} ms |",
        )
    shown_rows = "; ".join(f"{side}: {_told(rows)}" for side, rows in figures.rows.items())
    lines += [
        "",
        f"Rows that one order added: {shown_rows}.",
        f"Orders answered with 201 and not in the database: {figures.missing}.",
        f"Breaches that `novaproxy audit` found in what both wrote: {figures.breaches}.",
        "",
    ]
    return "\n".join(lines)


def _range(rates: list[float]) -> str:
    return f"{min(rates):.0f} to {max(rates):.0f}"


def _told(rows: dict[str, float]) -> str:
    return ", ".join(f"{table} {count:g}" for table, count in rows.items())


def main() -> None:
    """Measure, print the page, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="of each run of each point")
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/order_rate.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.runs)
    text = page(figures, given.seconds, given.runs)
    print(text)
    if given.write:
        write_section(text)
        kept = {
            name: getattr(figures, name)
            for name in ("settings", "pgbench", "http", "orders_a_commit", "p50_ms", "p99_ms", "rows")
        }
        (HERE / "order_rate.json").write_text(json.dumps(kept, indent=1) + "\n")
    if figures.missing or figures.breaches:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
