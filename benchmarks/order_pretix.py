"""The order rate of NovaProxy beside pretix's, on one PostgreSQL server: what a ticket shop does an order.

    .venv/bin/python -m benchmarks.order_pretix [--seconds 8] [--runs 3] [--write]

Starts a shop of its own in a temporary directory, and pretix beside it in a database of its own. Both take their turn
in each run, at 1, 32 and 128 connections. With --write it writes docs/benchmarks.md and benchmarks/pretix.json.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.order_rate import RANDOM_ACCOUNTS
from benchmarks.page import machine, write_section
from benchmarks.peers.pretix.load import placed_tickets
from benchmarks.peers.pretix.shop import WORKERS, RunningPretix, pretix, version
from benchmarks.peers.statements import statements_an_order
from benchmarks.processes import cpu_seconds
from benchmarks.rate.figures import median_rate
from benchmarks.rate.sides import Bench, HttpRun, postmaster_pid
from benchmarks.rate.start import ORDERS, described_start, prepare, shown_settings
from benchmarks.rate.telling import listed, middle, span, table
from benchmarks.shop import breaches, query, running_shop
from benchmarks.wire import placed_orders
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target

HERE = Path(__file__).parent
CONNECTIONS = (1, 32, 128)
WARMING_SECONDS = 4
COUNTING_SECONDS = 2

NOVAPROXY, PRETIX = "NovaProxy", "pretix"
_TABLES = "SELECT relname FROM pg_stat_user_tables ORDER BY relname"

_TOLD = """pretix is a ticket shop, version {version} from the package registry (AGPL-3.0 with additional terms; it is
run as a program of its own). An order of one ticket without a limited quota is created through its REST API, to be
paid by bank transfer later: it finds token, event, settings, ticket and quota, keeps the order, its position, its
payment, a transaction and a log entry, and looks for plugins, webhooks and notifications that want to know. That is
more than NovaProxy does for an order, while no balance is charged: the two are neighbours, not the same.

It runs as its documentation says, by gunicorn with {workers} workers, but without Redis and Celery, which it wants in
production: so it reads its settings anew for each order, and does in the request what a task would do later. It sends
no e-mail."""


@dataclass(frozen=True, slots=True)
class PretixRun:
    """Orders a second of pretix, and microseconds of CPU that each took of its workers and of PostgreSQL."""

    rate: float
    orders: int
    refusals: dict[int, int]
    p50_ms: float
    p99_ms: float
    worker_us: float
    postgres_us: float


Points: TypeAlias = "Mapping[int, Sequence[HttpRun | PretixRun]]"
"""The runs of a side by connections."""


@dataclass(slots=True)
class Figures:
    """The runs of both sides by connections, and what was found in what they wrote."""

    start: str = ""
    pretix_version: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    http: dict[int, list[HttpRun]] = field(default_factory=dict)
    pretix: dict[int, list[PretixRun]] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)
    added: dict[str, float] = field(default_factory=dict)
    breaches: int = 0

    def faults(self) -> list[str]:
        """Return why these figures count for nothing, a sentence each."""
        runs = [run for points in (self.http, self.pretix) for found in points.values() for run in found]
        told = [f"orders were refused: {run.refusals}" for run in runs if run.refusals]
        if missing := sum(run.missing for found in self.http.values() for run in found):
            told.append(f"{missing} orders were answered with 201 and are not in the database")
        if self.added.get("pretixbase_order") != 1:
            told.append(
                f"pretix kept {self.added.get('pretixbase_order', 0)} orders for each that it answered with 201"
            )
        if self.breaches:
            told.append(f"the books do not hold: {self.breaches} breaches")
        return told

    def kept(self) -> dict[str, list[dict[str, Any]]]:
        """Return what benchmarks/pretix.json keeps: the runs of each side."""
        return {NOVAPROXY: _kept(self.http), PRETIX: _kept(self.pretix)}


def _kept(points: Points) -> list[dict[str, Any]]:
    return [{"connections": count} | asdict(run) for count, runs in points.items() for run in runs]


def measure(seconds: float, runs: int, orders: int) -> Figures:
    """Run both sides and return the figures."""
    figures = Figures(pretix_version=version())
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch, ExitStack() as stack:
        data_dir = Path(scratch) / "data"
        target = stack.enter_context(EmbeddedPostgres(data_dir)).address.arguments()
        tickets = stack.enter_context(pretix(target, Path(scratch)))
        bench = Bench(target, stack.enter_context(running_shop(data_dir)), postmaster_pid(data_dir), Path(scratch))
        prepare(target, orders=orders)
        figures.start, figures.settings = described_start(target), shown_settings(target)
        begin(figures, bench, tickets, data_dir / "postgres.log")
        for number in range(runs):
            alternate(figures, bench, tickets, seconds, number)
        figures.breaches = breaches(target)
    return figures


def begin(figures: Figures, bench: Bench, tickets: RunningPretix, log: Path) -> None:
    """Let both sides place their first orders, and count statements and rows."""
    bench.http(RANDOM_ACCOUNTS, 32, WARMING_SECONDS, seed=0)
    placed_tickets(tickets, 2 * WORKERS, WARMING_SECONDS)
    figures.statements = {
        side: statements_an_order(bench.target, log, place) for side, place in _places(bench, tickets).items()
    }
    before, placed = counted_rows(tickets.target), len(placed_tickets(tickets, 1, COUNTING_SECONDS).uuids)
    added = counted_rows(tickets.target) - before
    figures.added = {name: round(rows / max(1, placed), 2) for name, rows in sorted(added.items())}
    print(f"statements an order: {figures.statements}; rows of pretix: {figures.added}", flush=True)


def _places(bench: Bench, tickets: RunningPretix) -> dict[str, Callable[[], int]]:
    """Return how one client alone places orders at each side for a while; each says how many."""
    accounts = RANDOM_ACCOUNTS.accounts
    return {
        NOVAPROXY: lambda: len(placed_orders(bench.shop.port, accounts, 1, COUNTING_SECONDS, seed=1).uuids),
        PRETIX: lambda: len(placed_tickets(tickets, 1, COUNTING_SECONDS).uuids),
    }


def counted_rows(target: Target) -> Counter[str]:
    """Return the rows of each table."""
    tables = [row[0] for row in query(target, _TABLES)]
    counted = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for name in tables)  # noqa: S608 -- pretix's own names
    return Counter({row[0]: row[1] for row in query(target, counted)})


def alternate(figures: Figures, bench: Bench, tickets: RunningPretix, seconds: float, number: int) -> None:
    """Run both sides once, forth or back by turns."""
    for side in (NOVAPROXY, PRETIX) if number % 2 == 0 else (PRETIX, NOVAPROXY):
        for connections in CONNECTIONS:
            run: HttpRun | PretixRun
            if side == NOVAPROXY:
                run = bench.http(RANDOM_ACCOUNTS, connections, seconds, seed=number + 1)
                figures.http.setdefault(connections, []).append(run)
            else:
                run = run_pretix(bench, tickets, connections, seconds)
                figures.pretix.setdefault(connections, []).append(run)
            print(
                f"run {number + 1}: {side}, {connections} connections: {run.rate:.1f} orders/s {run.refusals}",
                flush=True,
            )


def run_pretix(bench: Bench, tickets: RunningPretix, connections: int, seconds: float) -> PretixRun:
    """Let pretix create orders on *connections* connections; those under way at the end are waited for."""
    worker, postgres = cpu_seconds(tickets.peer.pid), cpu_seconds(bench.postmaster)
    run = placed_tickets(tickets, connections, seconds)
    worker, postgres = cpu_seconds(tickets.peer.pid) - worker, cpu_seconds(bench.postmaster) - postgres
    placed = max(1, len(run.uuids))
    return PretixRun(
        rate=run.rate,
        orders=len(run.uuids),
        refusals=run.refusals,
        p50_ms=run.percentile_ms(0.5),
        p99_ms=run.percentile_ms(0.99),
        worker_us=1e6 * worker / placed,
        postgres_us=1e6 * postgres / placed,
    )


def section(figures: Figures, seconds: float, runs: int) -> str:
    """Return the section of docs/benchmarks.md."""
    settings = ", ".join(f"{name} = {value}" for name, value in figures.settings.items())
    statements = ", ".join(f"{side} {count:.1f}" for side, count in figures.statements.items())
    return "\n".join(
        [
            "## The order rate beside pretix",
            "",
            "Written by `make bench-pretix`.",
            "",
            _TOLD.format(version=figures.pretix_version, workers=WORKERS),
            "",
            f"At the start: {figures.start}; pretix's database is empty but for what it sells.",
            f"{runs} rounds, every second one in reverse order, {seconds:g} s each run; medians and ranges.",
            f"{machine()}. {settings}.",
            "Load generator, services and database share one machine; the side that does not run is idle.",
            "",
            *_rates(figures),
            f"Statements that an order takes, BEGIN and COMMIT among them, as the server logged them: {statements}.",
            f"Rows that one order adds in pretix: {listed(figures.added)}.",
            "",
        ]
    )


def _rates(figures: Figures) -> list[str]:
    head = ["", "connections", "orders/s", "range", "to NovaProxy", "p50", "p99"]
    head += ["CPU, ms an order: server", "PostgreSQL"]
    sides: dict[str, Points] = {"**NovaProxy**": figures.http, PRETIX: figures.pretix}
    rows = []
    for side, points in sides.items():
        for connections, runs in points.items():
            rates = [run.rate for run in runs]
            to_novaproxy = float(middle(rates, 6)) / median_rate(figures.http[connections])
            times = [[run.p50_ms for run in runs], [run.p99_ms for run in runs]]
            used = [[run.worker_us / 1000 for run in runs], [run.postgres_us / 1000 for run in runs]]
            rows.append(
                [
                    *(side, str(connections), middle(rates, 1), span(rates, 1), f"{to_novaproxy:.4f}"),
                    *(f"{middle(found, 1)} ms" for found in times),
                    *(middle(found, 2) for found in used),
                ]
            )
    return table(head, rows)


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--orders", type=int, default=ORDERS, help="in NovaProxy's database at the start")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/pretix.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.runs, given.orders)
    text = section(figures, given.seconds, given.runs)
    print(text)
    if faults := figures.faults():
        raise SystemExit("\n".join([*faults, "These figures count for nothing."]))
    if given.write:
        write_section(text)
        (HERE / "pretix.json").write_text(json.dumps(figures.kept(), indent=1) + "\n")


if __name__ == "__main__":
    main()
