"""The order rate over HTTP beside pgbench, which places the same order with one stored function a transaction.

    .venv/bin/python -m benchmarks.order_rate [--seconds 20] [--runs 5] [--write]

Starts a shop of its own in a temporary directory with the durable settings of every installation, loads 10,000
accounts with 100,000 orders, and alternates pgbench at its best number of clients, which it finds by short runs before
every second round, with orders over HTTP. After the runs it compares the rows that an order of each side added and
audits the books: where they differ or do not hold, it fails. With --write it writes docs/benchmarks.md and
benchmarks/order_rate.json. 5 runs of 20 s take less than 8 minutes.
"""

import argparse
import json
import tempfile
import time
from math import ceil
from pathlib import Path

from benchmarks.page import write_section
from benchmarks.rate.figures import BATCHES, HTTP, PGBENCH, Figures
from benchmarks.rate.section import section
from benchmarks.rate.sides import Bench, Orders, Script, postmaster_pid
from benchmarks.rate.start import ACCOUNTS, ORDERS, WORKERS, described_start, fdatasync_ms, prepare, shown_settings
from benchmarks.rate.whole_runs import note
from benchmarks.shop import breaches, running_shop
from benchmarks.wire import placed_orders
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.orders.pace import LARGEST_BATCH

__all__ = ["ACCOUNTS", "ORDERS", "prepare"]

HERE = Path(__file__).parent
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
SWEPT_EVERY = 2
"""Rounds from one sweep to the next: the first minute of a shop is quicker than the rest, for pgbench too."""

CONNECTIONS = (32, 128)
BATCH_CLIENTS = (1, 2, 4)
BATCH_ROUNDS = 2
ALONE_ROUNDS = 3
WARMING_SECONDS = 2

RANDOM_ACCOUNTS = Orders(range(1, ACCOUNTS + 1))
ONE = Script(
    f"\\set account random(1, {ACCOUNTS})\nSELECT place_one(sha256(('bench-' || :account)::bytea), 'residential', 2);\n"
)
MANY = Script(f"SELECT place_batch({LARGEST_BATCH}, {ACCOUNTS});\n", LARGEST_BATCH)


def measure(seconds: float, runs: int, short_seconds: float, orders: int) -> Figures:
    """Run all sides and return the figures."""
    figures, began = Figures(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir, WORKERS) as shop:
            bench = Bench(server.address.arguments(), shop, postmaster_pid(data_dir), Path(scratch))
            begin(figures, bench, orders)
            alternate(figures, bench, seconds, short_seconds, runs)
            batches(figures, bench, short_seconds)
            alone(figures, bench, short_seconds)
            figures.breaches = breaches(bench.target)
    figures.seconds = time.monotonic() - began
    return figures


def begin(figures: Figures, bench: Bench, orders: int) -> None:
    """Load the database, say what is in it, and let the service place its first orders."""
    prepare(bench.target, orders=orders)
    figures.start, figures.settings = described_start(bench.target), shown_settings(bench.target)
    print(f"At the start: {figures.start}.\n{figures.settings}", flush=True)
    bench.http(RANDOM_ACCOUNTS, CONNECTIONS[0], WARMING_SECONDS, seed=0)


def sweep(figures: Figures, bench: Bench, seconds: float, number: int) -> None:
    """Let pgbench run with each number of clients, forth or back; *number* counts the sweeps."""
    for clients in CLIENTS if number % 2 == 0 else reversed(CLIENTS):
        run = bench.pgbench(ONE, clients, seconds, seed=100 + number)
        figures.sweep.setdefault(clients, []).append(run)
        print(f"sweep {number + 1}: pgbench, {clients} clients: {run.rate:.0f} orders/s", flush=True)


def alternate(figures: Figures, bench: Bench, seconds: float, short_seconds: float, runs: int) -> None:
    """Run pgbench at its best and HTTP by turns, forth and back.

    Each side stands in each place: none always has the emptier database, or the minute's audit beside it.
    """
    sides = [0, *CONNECTIONS]
    for number in range(runs):
        if number % SWEPT_EVERY == 0:
            sweep(figures, bench, short_seconds, number // SWEPT_EVERY)
        figures.fdatasync_ms.append(fdatasync_ms(bench.scratch))
        first = number % len(sides)
        turns = [*sides[first:], *sides[:first]]
        for connections in turns if number % 2 == 0 else reversed(turns):
            if connections:
                _measure_http(figures, bench, connections, seconds, number)
            else:
                _measure_pgbench(figures, bench, seconds, number)
    figures.http = dict(sorted(figures.http.items()))


def _measure_pgbench(figures: Figures, bench: Bench, seconds: float, number: int) -> None:
    run = bench.pgbench(ONE, figures.best_clients(), seconds, seed=number + 1, added=figures.added[PGBENCH])
    figures.pgbench.append(run)
    print(f"run {number + 1}: pgbench, {run.clients} clients: {run.rate:.0f} orders/s", flush=True)


def _measure_http(figures: Figures, bench: Bench, connections: int, seconds: float, number: int) -> None:
    run = bench.http(RANDOM_ACCOUNTS, connections, seconds, seed=number + 1, added=figures.added[HTTP])
    figures.http.setdefault(connections, []).append(run)
    figures.missing += run.missing
    figures.refused += sum(run.refusals.values())
    print(
        f"run {number + 1}: HTTP, {connections} connections: {run.rate:.0f} orders/s; µs an order: "
        f"worker {run.worker_us:.0f}, PostgreSQL {run.postgres_us:.0f}, load {run.load_us:.0f} {run.refusals}",
        flush=True,
    )


def batches(figures: Figures, bench: Bench, seconds: float) -> None:
    """Let pgbench place whole batches as the service does."""
    for number in range(BATCH_ROUNDS):
        for clients in BATCH_CLIENTS if number % 2 == 0 else reversed(BATCH_CLIENTS):
            run = bench.pgbench(MANY, clients, seconds, seed=200 + number, added=figures.added[BATCHES])
            figures.batches.setdefault(clients, []).append(run)
            print(f"batches by pgbench, {clients} clients: {run.rate:.0f} orders/s", flush=True)
    figures.batches = dict(sorted(figures.batches.items()))


def alone(figures: Figures, bench: Bench, seconds: float) -> None:
    """Measure one client on one connection."""
    for number in range(ALONE_ROUNDS):
        run = placed_orders(bench.shop.port, RANDOM_ACCOUNTS.accounts, 1, seconds, seed=300 + number)
        figures.alone_p50_ms.append(run.percentile_ms(0.5))
        print(f"one client alone: p50 {run.percentile_ms(0.5):.2f} ms", flush=True)


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each long run")
    parser.add_argument("--runs", type=int, default=5, help="of each point")
    parser.add_argument("--short-seconds", type=float, default=3, help="of each run of the sweeps")
    parser.add_argument("--orders", type=int, default=ORDERS, help="in the database at the start")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/order_rate.json")
    given = parser.parse_args()
    planned = given.seconds * given.runs * (1 + len(CONNECTIONS))
    sweeps = ceil(given.runs / SWEPT_EVERY)
    planned += given.short_seconds * (sweeps * len(CLIENTS) + BATCH_ROUNDS * len(BATCH_CLIENTS) + ALONE_ROUNDS)
    print(f"The runs take {planned / 60:.1f} minutes together, loading and auditing about a minute.", flush=True)
    figures = measure(given.seconds, given.runs, given.short_seconds, given.orders)
    text = section(figures, given.seconds, given.short_seconds)
    print(text)
    faults = figures.faults()
    if faults:
        raise SystemExit("\n".join([*faults, "These figures count for nothing."]))
    if given.write:
        write_section(text)
        note("bench", figures.headline())
        (HERE / "order_rate.json").write_text(json.dumps(figures.kept(), indent=1) + "\n")


if __name__ == "__main__":
    main()
