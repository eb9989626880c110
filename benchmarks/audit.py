"""The audit over a million orders: how long it takes, what it takes from those who order meanwhile, and what is new.

    .venv/bin/python -m benchmarks.audit [--runs 5] [--seconds 8] [--shop DIR] [--write]

Starts a shop of its own in a temporary directory, seeds 10,000 accounts and a million past orders, and audits it as an
operator does, then invariant by invariant on one connection, then beside a load of orders. Then 1,000 orders come, and
what is new is audited. --shop names a directory that was seeded before. With --write it writes its section of
docs/benchmarks.md and benchmarks/audit.json.
"""

import argparse
import asyncio
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.page import machine, write_section
from benchmarks.shop import NOVAPROXY, environment, query, running_shop
from benchmarks.wire import Run, placed_orders
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import SoleConnection, opened_connection
from novaproxy.ledger.audit import audit
from novaproxy.ledger.audit_new import Mark, audit_new, settled_mark

HERE = Path(__file__).parent
ACCOUNTS = 10_000
ORDERS = 1_000_000
NEW_ORDERS = 1_000
BUYERS = 1_000
CONNECTIONS = 32
HEADING = """## The audit

Written by `make bench-audit`.
"""


@dataclass(slots=True)
class Figures:
    """Seconds and rates, one figure a run."""

    orders: int = 0
    whole_seconds: list[float] = field(default_factory=list)
    invariant_seconds: dict[str, list[float]] = field(default_factory=dict)
    beside_orders_seconds: list[float] = field(default_factory=list)
    new_seconds: list[float] = field(default_factory=list)
    nothing_new_seconds: list[float] = field(default_factory=list)
    new_covered: dict[str, int] = field(default_factory=dict)
    rate: dict[str, float] = field(default_factory=dict)
    p50_ms: dict[str, float] = field(default_factory=dict)
    p99_ms: dict[str, float] = field(default_factory=dict)
    breaches: int = 0


def seed(data_dir: Path) -> None:
    """Seed what is audited."""
    for words in (["accounts", str(ACCOUNTS), "--tokens", str(data_dir / "tokens.txt")], ["orders", str(ORDERS)]):
        command = [NOVAPROXY, "seed", *words, "--beside-customers"]
        subprocess.run(command, env=environment(data_dir), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command


def audited_seconds(data_dir: Path) -> float:
    """Return how long ``novaproxy audit`` takes, from its start to its end; it fails where the books do not hold."""
    began = time.perf_counter()
    subprocess.run([NOVAPROXY, "audit"], env=environment(data_dir), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- as above
    return time.perf_counter() - began


def on_connection(target: Any, work: Callable[[SoleConnection], Awaitable[None]]) -> None:  # noqa: ANN401 -- asyncpg's own arguments
    """Do *work* with a connection as a duty has it, without a bound of time."""

    async def done() -> None:
        connection = await opened_connection(target, statement_timeout="0", plan_cache_mode="force_custom_plan")
        try:
            await work(connection)
        finally:
            await connection.close()

    asyncio.run(done())


def measure_invariants(figures: Figures, target: Any) -> None:  # noqa: ANN401 -- as above
    """Time each invariant alone."""

    async def timed(connection: SoleConnection) -> None:
        begun: list[tuple[str, float]] = []
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await audit(connection, lambda told: begun.append((told.split()[1].rstrip(","), time.perf_counter())))
            begun.append(("", time.perf_counter()))
        for (invariant, began), (_, ended) in itertools.pairwise(begun):
            figures.invariant_seconds.setdefault(invariant, []).append(ended - began)

    on_connection(target, timed)


def measure_beside(figures: Figures, data_dir: Path, port: int, seconds: float) -> None:
    """Place orders while nothing else is done, and while the audit runs again and again."""

    def load() -> Run:
        return placed_orders(port, range(1, BUYERS + 1), CONNECTIONS, seconds, seed=1)

    load()
    with ThreadPoolExecutor() as threads:
        for name in ("alone", "beside the audit"):
            loading = threads.submit(load)
            while name != "alone" and not loading.done():
                figures.beside_orders_seconds.append(audited_seconds(data_dir))
            run = loading.result()
            figures.rate[name], figures.p50_ms[name] = run.rate, run.percentile_ms(0.5)
            figures.p99_ms[name] = run.percentile_ms(0.99)
            print(f"{name}: {run.rate:.0f} orders/s, p99 {figures.p99_ms[name]:.0f} ms {run.refusals}", flush=True)


def measure_new(figures: Figures, target: Any, port: int, runs: int) -> None:  # noqa: ANN401 -- as above
    """Audit what is new: nothing, and then a thousand orders."""
    marks: list[Mark] = []

    async def mark(connection: SoleConnection) -> None:
        settled = await settled_mark(connection)
        if settled is None:
            raise SystemExit("somebody writes who should not")
        marks.append(settled)

    async def timed(connection: SoleConnection, kept: list[float]) -> None:
        for _ in range(runs):
            began = time.perf_counter()
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                findings, covered = await audit_new(connection, marks[0])
            kept.append(time.perf_counter() - began)
            figures.breaches += sum(finding.breaches for finding in findings)
            figures.new_covered = asdict(covered)

    on_connection(target, mark)
    on_connection(target, lambda connection: timed(connection, figures.nothing_new_seconds))
    come = 0
    while come < NEW_ORDERS:
        come += len(placed_orders(port, range(1, BUYERS + 1), CONNECTIONS, 0.3, seed=come).uuids)
    on_connection(target, lambda connection: timed(connection, figures.new_seconds))


def measure(runs: int, seconds: float, shop_dir: Path | None) -> Figures:
    """Run it all and return the figures."""
    figures = Figures()
    scratch: AbstractContextManager[str] = (
        tempfile.TemporaryDirectory(prefix="novaproxy-bench-")
        if shop_dir is None
        else nullcontext(str(shop_dir.parent))
    )
    with scratch as directory:
        data_dir = shop_dir or Path(directory) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir) as shop:
            target = server.address.arguments()
            if shop_dir is None:
                seed(data_dir)
            query(target, (HERE / "load.sql").read_text(), BUYERS)
            query(target, "ANALYZE")
            for number in range(runs):
                figures.whole_seconds.append(audited_seconds(data_dir))
                measure_invariants(figures, target)
                print(f"run {number + 1}: {figures.whole_seconds[-1]:.2f} s", flush=True)
            measure_new(figures, target, shop.port, runs)
            measure_beside(figures, data_dir, shop.port, seconds)
            figures.orders = query(target, "SELECT count(*) FROM orders")[0][0]
    return figures


def section(figures: Figures, runs: int) -> str:
    """Return the section of docs/benchmarks.md."""
    covered = ", ".join(f"{count} {rows}" for rows, count in figures.new_covered.items())
    lines = [
        HEADING,
        f"{ACCOUNTS} accounts with {ORDERS} orders; {runs} runs of each, medians and ranges. {machine()}.",
        "Audit, service, load generator and database share one machine.",
        "",
        "| | seconds | range |",
        "|---|---|---|",
        _row("**`novaproxy audit`, from start to end, on two connections**", figures.whole_seconds),
        _row(f"the same beside orders, {_times(figures.beside_orders_seconds)}", figures.beside_orders_seconds),
        *(_row(f"{name} alone, on one connection", taken) for name, taken in figures.invariant_seconds.items()),
        _row(f"**what is new: {covered}**", figures.new_seconds),
        _row("what is new: nothing", figures.nothing_new_seconds),
        "",
        f"What it takes from those who order meanwhile, all they can on {CONNECTIONS} connections, one run each:",
        "",
        "| Orders | orders/s | p50 | p99 |",
        "|---|---|---|---|",
        *(
            f"| {name} | {rate:.0f} | {figures.p50_ms[name]:.1f} ms | {figures.p99_ms[name]:.1f} ms |"
            for name, rate in figures.rate.items()
        ),
        "",
        f"Breaches found: {figures.breaches}.",
        "",
    ]
    return "\n".join(lines)


def _times(taken: list[float]) -> str:
    return "once" if len(taken) == 1 else f"{len(taken)} times"


def _row(name: str, taken: list[float]) -> str:
    return f"| {name} | {median(taken):.2f} | {min(taken):.2f} to {max(taken):.2f} |"


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each point")
    parser.add_argument("--seconds", type=float, default=8, help="of orders beside the audit")
    parser.add_argument("--shop", type=Path, help="the data directory of a shop that was seeded before")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/audit.json")
    given = parser.parse_args()
    figures = measure(given.runs, given.seconds, given.shop)
    text = section(figures, given.runs)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "audit.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
    if figures.breaches:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
