"""The order rate on one hot account and on one hot discount code, beside pgbench's there and beside random accounts.

    .venv/bin/python -m benchmarks.hot_rate [--seconds 8] [--runs 3] [--write]

Starts a shop as ``benchmarks.order_rate`` does, with a code that has a ``max_uses``, and alternates pgbench, at its
best numbers of clients on the account and on the code, with orders over HTTP. After the runs it compares the rows that
an order of each side added, counts the code's uses and audits the books: where they differ or do not hold, it fails.
With --write it writes its section of docs/benchmarks.md and benchmarks/hot_rate.json. The usual runs take less than 8
minutes.
"""

import argparse
import json
import subprocess
import tempfile
import time
from importlib.resources import files
from math import ceil
from pathlib import Path

from benchmarks.order_rate import CLIENTS, ONE, RANDOM_ACCOUNTS, SWEPT_EVERY
from benchmarks.page import write_section
from benchmarks.rate.hot_figures import ACCOUNT, CODE, LAST, PEERS, RANDOM, Figures, side
from benchmarks.rate.hot_section import section
from benchmarks.rate.sides import Bench, Orders, Script, postmaster_pid
from benchmarks.rate.start import ACCOUNTS, ORDERS, WORKERS, described_start, fdatasync_ms, prepare, shown_settings
from benchmarks.rate.whole_runs import note
from benchmarks.shop import NOVAPROXY, breaches, environment, query, running_shop
from benchmarks.wire import BODY
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
CONNECTIONS = (32, 128)
WARMING_SECONDS = 2

HOT_CODE = """\
  - code: HOT
    percent: 10
    max_uses: 100000000
"""

CLEANING = ("VACUUM FULL discount_code", "VACUUM account", "VACUUM account_plan", "VACUUM account_code")
"""A crowd on one row leaves versions of it that cost whoever comes next (tried: after 64 clients of pgbench on the
code one client has 940 orders/s instead of 1540). Autovacuum takes them away once a minute; no run waits for that."""

WITH_CODE = ONE.text.replace("place_one(", "place_one_with_code(")
SCRIPTS = {
    ACCOUNT: Script("SELECT place_one(sha256('bench-1'), 'residential', 2);\n"),
    CODE: Script(WITH_CODE.replace("2);", "2, 'HOT', true);")),
    LAST: Script(WITH_CODE.replace("2);", "2, 'HOT', false);")),
}
CASES = {
    RANDOM: RANDOM_ACCOUNTS,
    ACCOUNT: Orders(range(1, 2)),
    CODE: Orders(RANDOM_ACCOUNTS.accounts, BODY.replace(b"}", b',"discount_code":"HOT"}')),
}


def measure(seconds: float, runs: int, short_seconds: float, orders: int) -> Figures:
    """Run all sides and return the figures."""
    figures, began = Figures(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir, WORKERS) as shop:
            apply_hot_code(data_dir, Path(scratch) / "catalog.yaml")
            bench = Bench(server.address.arguments(), shop, postmaster_pid(data_dir), Path(scratch))
            begin(figures, bench, orders)
            alternate(figures, bench, seconds, short_seconds, runs)
            figures.code_uses, figures.code_orders = counted_uses(bench)
            figures.breaches = breaches(bench.target)
    figures.seconds = time.monotonic() - began
    return figures


def apply_hot_code(data_dir: Path, path: Path) -> None:
    """Make the demo's catalog with one more code that of the shop."""
    path.write_text(files("novaproxy.catalog").joinpath("demo.yaml").read_text() + HOT_CODE)
    command = [NOVAPROXY, "catalog", "apply", str(path)]
    subprocess.run(command, env=environment(data_dir), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command


def begin(figures: Figures, bench: Bench, orders: int) -> None:
    """Load the database, say what is in it, and let the service place its first orders."""
    prepare(bench.target, ACCOUNTS, orders, with_code=True)
    figures.start, figures.settings = described_start(bench.target), shown_settings(bench.target)
    print(f"At the start: {figures.start}.\n{figures.settings}", flush=True)
    bench.http(RANDOM_ACCOUNTS, CONNECTIONS[0], WARMING_SECONDS, seed=0)


def sweep(figures: Figures, bench: Bench, seconds: float, number: int) -> None:
    """Let pgbench run on the account and on the code with each number of clients, as ``benchmarks.order_rate`` does."""
    for clients in CLIENTS if number % 2 == 0 else reversed(CLIENTS):
        for peer, script in SCRIPTS.items():
            clean(bench)
            run = bench.pgbench(script, clients, seconds, seed=100 + number)
            figures.sweep[peer].setdefault(clients, []).append(run)
            print(f"sweep {number + 1}: pgbench, {peer}, {clients} clients: {run.rate:.0f} orders/s", flush=True)


def alternate(figures: Figures, bench: Bench, seconds: float, short_seconds: float, runs: int) -> None:
    """Run pgbench at its best and HTTP by turns, forth and back: no side always has the emptier database."""
    points = [*((peer, 0) for peer in SCRIPTS), *((case, count) for count in CONNECTIONS for case in CASES)]
    for number in range(runs):
        if number % SWEPT_EVERY == 0:
            sweep(figures, bench, short_seconds, number // SWEPT_EVERY)
        figures.fdatasync_ms.append(fdatasync_ms(bench.scratch))
        for name, connections in points if number % 2 == 0 else reversed(points):
            clean(bench)
            if connections:
                _measure_http(figures, bench, name, connections, seconds, number)
            else:
                _measure_pgbench(figures, bench, name, seconds, number)
    figures.http = {case: dict(sorted(found.items())) for case, found in figures.http.items()}


def _measure_pgbench(figures: Figures, bench: Bench, peer: str, seconds: float, number: int) -> None:
    clients, added = figures.best_clients(peer), figures.added[PEERS[peer]][side(peer)]
    run = bench.pgbench(SCRIPTS[peer], clients, seconds, seed=number + 1, added=added)
    figures.pgbench[peer].append(run)
    print(f"run {number + 1}: pgbench, {peer}, {clients} clients: {run.rate:.0f} orders/s", flush=True)


def _measure_http(figures: Figures, bench: Bench, case: str, connections: int, seconds: float, number: int) -> None:
    run = bench.http(CASES[case], connections, seconds, seed=number + 1, added=figures.added[case]["HTTP"])
    figures.http[case].setdefault(connections, []).append(run)
    figures.missing += run.missing
    figures.refused += sum(run.refusals.values())
    print(f"run {number + 1}: HTTP, {case}, {connections}: {run.rate:.0f} orders/s {run.refusals}", flush=True)


def clean(bench: Bench) -> None:
    """Take away what the run before left of the hot rows, so that each begins alike."""
    for statement in CLEANING:
        query(bench.target, statement)


def counted_uses(bench: Bench) -> tuple[int, int]:
    """Return the uses that the code has counted, and the orders that redeemed it."""
    row = query(
        bench.target,
        "SELECT uses, (SELECT count(*) FROM orders WHERE discount_code_id = discount_code.id) AS orders"
        " FROM discount_code WHERE code = 'HOT'",
    )[0]
    return row["uses"], row["orders"]


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each long run")
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--short-seconds", type=float, default=3, help="of each run of the sweeps")
    parser.add_argument("--orders", type=int, default=ORDERS, help="in the database at the start")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/hot_rate.json")
    given = parser.parse_args()
    planned = given.short_seconds * ceil(given.runs / SWEPT_EVERY) * len(CLIENTS) * len(SCRIPTS)
    planned += given.seconds * given.runs * (len(SCRIPTS) + len(CASES) * len(CONNECTIONS))
    print(f"The runs take {planned / 60:.1f} minutes together, loading, counting and auditing two more.", flush=True)
    figures = measure(given.seconds, given.runs, given.short_seconds, given.orders)
    text = section(figures, given.seconds, given.short_seconds)
    print(text)
    if faults := figures.faults():
        raise SystemExit("\n".join([*faults, "These figures count for nothing."]))
    if given.write:
        write_section(text)
        note("bench-hot", figures.headline())
        (HERE / "hot_rate.json").write_text(json.dumps(figures.kept(), indent=1) + "\n")


if __name__ == "__main__":
    main()
