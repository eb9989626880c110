"""The order rate of NovaProxy beside the same order written in other ways, on the same database.

    .venv/bin/python -m benchmarks.order_peers [--seconds 8] [--runs 3] [--write]

Starts a shop of its own in a temporary directory, and the peers of benchmarks/peers beside it. Each side takes its turn
in each run, at 1, 32 and 128 connections. What each wrote is counted and audited. With --write it writes
docs/benchmarks.md and benchmarks/peers.json.
"""

import argparse
import asyncio
import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from benchmarks.order_rate import ONE, RANDOM_ACCOUNTS
from benchmarks.page import machine, write_section
from benchmarks.peers.served import one_trip, usual
from benchmarks.peers.statements import statements_an_order
from benchmarks.rate.figures import median_rate
from benchmarks.rate.rows import Added, differences
from benchmarks.rate.sides import Bench, HttpRun, PgbenchRun, postmaster_pid
from benchmarks.rate.start import ORDERS, described_start, prepare, shown_settings
from benchmarks.rate.telling import listed, middle, span, table
from benchmarks.shop import breaches, running_shop
from benchmarks.wire import placed_orders
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target

HERE = Path(__file__).parent
CONNECTIONS = (1, 32, 128)
PGBENCH_CLIENTS = 32
WARMING_SECONDS = 2
COUNTING_SECONDS = 1

NOVAPROXY, USUAL, ONE_TRIP, PGBENCH = "NovaProxy", "usual", "one trip", "pgbench"
NAMES = {
    NOVAPROXY: "**NovaProxy**",
    USUAL: "FastAPI, SQLAlchemy's ORM",
    ONE_TRIP: "Starlette, one round trip an order",
}

_TOLD = """The peers place the same order on the same server, in the same tables under the same constraints, with one
worker of uvicorn (uvloop, httptools) each; NovaProxy has one worker too:

- **FastAPI, SQLAlchemy's ORM** is the order as it is usually written: FastAPI, pydantic, a pool, a session for each
  request. It finds the token's account, reads the plan with its tiers, locks the account, checks price and balance,
  seals the password, writes the order, its meter, the charge, the balance and the count for the plan's limit, and
  commits; it knows neither discount codes nor idempotency keys.
- **Starlette, one round trip an order** calls the stored function that pgbench calls, which does all of that in one
  statement, except sealing a password. One order a transaction cannot take fewer round trips.
- **pgbench** calls the same function without HTTP, `-M prepared`."""


@dataclass(slots=True)
class Figures:
    """The runs of each side by connections, and what was found in what they wrote."""

    start: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    http: dict[str, dict[int, list[HttpRun]]] = field(default_factory=lambda: {side: {} for side in NAMES})
    pgbench: list[PgbenchRun] = field(default_factory=list)
    statements: dict[str, float] = field(default_factory=dict)
    added: dict[str, Added] = field(default_factory=lambda: {side: Added() for side in (*NAMES, PGBENCH)})
    breaches: int = 0

    def alone_ratio(self) -> float:
        """Return how many times the median time of one client alone NovaProxy takes that of one round trip an order."""
        return self.alone_ms(NOVAPROXY) / self.alone_ms(ONE_TRIP)

    def alone_ms(self, side: str) -> float:
        """Return the median time of an order of one client alone, in milliseconds."""
        return median(run.p50_ms for run in self.http[side][1])

    def missing(self) -> int:
        """Return how many orders were answered with 201 and are not in the database."""
        return sum(run.missing for points in self.http.values() for runs in points.values() for run in runs)

    def faults(self) -> list[str]:
        """Return why these figures count for nothing, a sentence each."""
        told = [f"rows differ: {difference}" for difference in differences(self.added)]
        for side, points in self.http.items():
            refused = [run.refusals for runs in points.values() for run in runs if run.refusals]
            told += [f"{side} refused orders: {refusals}" for refusals in refused]
        if self.missing():
            told.append(f"{self.missing()} orders were answered with 201 and are not in the database")
        if self.breaches:
            told.append(f"the books do not hold: {self.breaches} breaches")
        return told

    def kept(self) -> dict[str, list[dict[str, Any]]]:
        """Return what benchmarks/peers.json keeps: the runs of each side."""
        runs = {
            side: [{"connections": count} | asdict(run) for count, runs in points.items() for run in runs]
            for side, points in self.http.items()
        }
        return runs | {PGBENCH: [asdict(run) for run in self.pgbench]}


def measure(seconds: float, runs: int, orders: int) -> Figures:
    """Run all sides and return the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch, ExitStack() as stack:
        data_dir = Path(scratch) / "data"
        target = stack.enter_context(EmbeddedPostgres(data_dir)).address.arguments()
        shops = {NOVAPROXY: stack.enter_context(running_shop(data_dir))}
        prepare(target, orders=orders)
        make_tables(target)
        figures.start, figures.settings = described_start(target), shown_settings(target)
        shops[USUAL] = stack.enter_context(usual(target, Path(scratch), data_dir / "sealing.key"))
        shops[ONE_TRIP] = stack.enter_context(one_trip(target, Path(scratch)))
        postmaster = postmaster_pid(data_dir)
        benches = {side: Bench(target, shop, postmaster, Path(scratch)) for side, shop in shops.items()}
        begin(figures, benches, data_dir / "postgres.log")
        for number in range(runs):
            alternate(figures, benches, seconds, number)
        figures.breaches = breaches(target)
    return figures


def make_tables(target: Target) -> None:
    """Make the tables of plans of the peer that is written the usual way."""

    async def make() -> None:
        connection = await asyncpg.connect(**target)
        await connection.execute((HERE / "peers" / "usual" / "tables.sql").read_text())
        await connection.close()

    asyncio.run(make())


def begin(figures: Figures, benches: dict[str, Bench], log: Path) -> None:
    """Let each side place its first orders, and count its statements."""
    for side, bench in benches.items():
        bench.http(RANDOM_ACCOUNTS, 32, WARMING_SECONDS, seed=0)

        def place(port: int = bench.shop.port) -> int:
            return len(placed_orders(port, RANDOM_ACCOUNTS.accounts, 1, COUNTING_SECONDS, seed=1).uuids)

        figures.statements[side] = statements_an_order(bench.target, log, place)
        print(f"{side}: {figures.statements[side]:.2f} statements an order", flush=True)


def alternate(figures: Figures, benches: dict[str, Bench], seconds: float, number: int) -> None:
    """Run each side once, forth or back by turns: none always has the emptier database."""
    sides = [*benches, PGBENCH]
    for side in sides if number % 2 == 0 else reversed(sides):
        if side == PGBENCH:
            added = figures.added[PGBENCH]
            run = benches[NOVAPROXY].pgbench(ONE, PGBENCH_CLIENTS, seconds, seed=number + 1, added=added)
            figures.pgbench.append(run)
            print(f"run {number + 1}: pgbench, {PGBENCH_CLIENTS} clients: {run.rate:.0f} orders/s", flush=True)
        else:
            _measure_http(figures, side, benches[side], seconds, number)


def _measure_http(figures: Figures, side: str, bench: Bench, seconds: float, number: int) -> None:
    for connections in CONNECTIONS:
        run = bench.http(RANDOM_ACCOUNTS, connections, seconds, seed=number + 1, added=figures.added[side])
        figures.http[side].setdefault(connections, []).append(run)
        print(
            f"run {number + 1}: {side}, {connections} connections: {run.rate:.0f} orders/s; µs an order: "
            f"server {run.worker_us:.0f}, PostgreSQL {run.postgres_us:.0f} {run.refusals}",
            flush=True,
        )


def section(figures: Figures, seconds: float, runs: int) -> str:
    """Return the section of docs/benchmarks.md."""
    settings = ", ".join(f"{name} = {value}" for name, value in figures.settings.items())
    return "\n".join(
        [
            "## The order rate beside other ways to write it",
            "",
            "Written by `make bench-peers`.",
            "",
            _TOLD,
            "",
            f"At the start: {figures.start}.",
            f"{runs} rounds, every second one in reverse order, {seconds:g} s each run; medians and ranges.",
            f"{machine()}. {settings}.",
            "Load generator, services and database share one machine; the sides that do not run are idle.",
            "",
            *rates(figures),
            *_written(figures),
        ]
    )


def rates(figures: Figures) -> list[str]:
    """Return the table of all sides and points."""
    head = ["", "connections", "orders/s", "range", "to NovaProxy", f"to pgbench, {PGBENCH_CLIENTS} clients"]
    head += ["p50", "p99", "CPU, µs an order: server", "PostgreSQL"]
    yardstick = median_rate(figures.pgbench)
    rows = []
    for side, points in figures.http.items():
        for connections, runs in points.items():
            rate = median_rate(runs)
            rows.append(
                [
                    NAMES[side],
                    str(connections),
                    f"{rate:.0f}",
                    span([run.rate for run in runs]),
                    f"{rate / median_rate(figures.http[NOVAPROXY][connections]):.2f}",
                    f"{rate / yardstick:.2f}",
                    f"{middle([run.p50_ms for run in runs], 1)} ms",
                    f"{middle([run.p99_ms for run in runs], 1)} ms",
                    middle([run.worker_us for run in runs]),
                    middle([run.postgres_us for run in runs]),
                ]
            )
    pgbench_rates = [run.rate for run in figures.pgbench]
    used = middle([run.postgres_us for run in figures.pgbench])
    rows.append(
        ["pgbench", str(PGBENCH_CLIENTS), f"{yardstick:.0f}", span(pgbench_rates), "", "1.00", "", "", "", used]
    )
    return table(head, rows)


def _written(figures: Figures) -> list[str]:
    statements = ", ".join(f"{NAMES[side]} {count:.1f}" for side, count in figures.statements.items())
    alone = (
        f"One client alone waits {figures.alone_ms(NOVAPROXY):.2f} ms for an order of NovaProxy and "
        f"{figures.alone_ms(ONE_TRIP):.2f} ms for one of Starlette with one round trip an order (p50): "
        f"**{figures.alone_ratio():.2f} times** as long."
    )
    return [
        alone,
        "",
        "Statements that an order of one client alone takes, BEGIN and COMMIT among them, as the server logged them:",
        f"{statements}. NovaProxy's are those of a batch, whatever its size. What the shop's duties send counts too.",
        "",
        "What one order added, counted in every table, rows first, then steps of counters:",
        "",
        *(
            f"- {NAMES.get(side, side).strip('*')}, {one.orders} orders: {listed(one.told())}"
            for side, one in figures.added.items()
        ),
        "",
        f"Orders answered with 201 and not in the database: {figures.missing()}.",
        f"Breaches that `novaproxy audit` found in what all wrote: {figures.breaches}.",
        "",
    ]


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--orders", type=int, default=ORDERS, help="in the database at the start")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/peers.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.runs, given.orders)
    text = section(figures, given.seconds, given.runs)
    print(text)
    if faults := figures.faults():
        raise SystemExit("\n".join([*faults, "These figures count for nothing."]))
    if given.write:
        write_section(text)
        (HERE / "peers.json").write_text(json.dumps(figures.kept(), indent=1) + "\n")


if __name__ == "__main__":
    main()
