"""What was measured of shops that have grown, and its section of docs/benchmarks.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from benchmarks.growth_shop import EMPTY
from benchmarks.page import machine

CONNECTIONS = 128
CLIENTS = 32
CPU = "worker | PostgreSQL | together | empty shop"
COUNTED = "WAL | whole pages | pages read"
HEADING = """## Growth

Written by `make bench-growth`.
"""

Lists = dict[str, list[float]]
"""One figure a run, by its name."""


@dataclass(slots=True)
class Grown:
    """What was measured at one size: of the shop over HTTP and of pgbench, beside the same of an empty shop."""

    orders: int
    accounts: int
    settings: dict[str, str] = field(default_factory=dict)
    fill_seconds: float = 0.0
    database_bytes: int = 0
    http: Lists = field(default_factory=dict)
    pgbench: Lists = field(default_factory=dict)
    empty_http: Lists = field(default_factory=dict)
    empty_pgbench: Lists = field(default_factory=dict)
    breaches: int = 0
    missing: int = 0


def section(sizes: list[Grown], runs: int, seconds: int) -> str:
    """Return the section of docs/benchmarks.md."""
    breaches, missing = sum(size.breaches for size in sizes), sum(size.missing for size in sizes)
    lines = [
        HEADING,
        f"Each size was filled into a shop of its own, beside an empty one with {EMPTY.accounts} accounts;",
        f"{runs} runs of {seconds} s each, in turns, medians; the ratios' range is noise. {machine()}; one API worker.",
        "Each server had read its indexes before, as in a shop that has been open for hours.",
        "Load generator, service and database share one machine.",
        "CPU is user and system time of the API worker and of all processes of PostgreSQL, for each order.",
        "",
        f"Settings: {', '.join(f'{name} = {value}' for name, value in sizes[0].settings.items())}.",
        "",
        f"`POST /orders` on {CONNECTIONS} connections, for random accounts:",
        "",
        f"| Orders | accounts | {CPU} | ratio | range | orders/s | p50 | p99 | {COUNTED} |",
        "|---" * 14 + "|",
        *(_http_row(size) for size in sizes),
        "",
        f"The same order placed by pgbench with {CLIENTS} clients, one a transaction, in the same shops:",
        "",
        f"| Orders | accounts | GB | PostgreSQL | empty shop | ratio | orders/s | {COUNTED} |",
        "|---" * 10 + "|",
        *(_pgbench_row(size) for size in sizes),
        "",
        "Whole pages are those that were written to the WAL whole, each at its first change after a checkpoint;",
        "pages read are those that were not in PostgreSQL's own buffers; both are of one order, as the WAL is.",
        "",
        f"Breaches that the audit found in the filled shops and in what the runs wrote: {breaches}.",
        f"Orders answered with 201 and not in the database: {missing}.",
        "",
    ]
    return "\n".join(lines)


def _http_row(size: Grown) -> str:
    http = {name: median(values) for name, values in size.http.items()}
    together, empty = _together(size.http), _together(size.empty_http)
    ratios = [one / other for one, other in zip(together, empty, strict=True)]
    return (
        f"| {size.orders} | {size.accounts} | {http['worker_us']:.0f} µs "
        f"| {http['postgres_us']:.0f} µs | {median(together):.0f} µs | {median(empty):.0f} µs "
        f"| **{median(together) / median(empty):.2f}** "
        f"| {min(ratios):.2f} to {max(ratios):.2f} | {http['rate']:.0f} | {http['p50_ms']:.1f} ms "
        f"| {http['p99_ms']:.1f} ms | {_written(http)} |"
    )


def _pgbench_row(size: Grown) -> str:
    pgbench = {name: median(values) for name, values in size.pgbench.items()}
    empty_us = median(size.empty_pgbench["postgres_us"])
    return (
        f"| {size.orders} | {size.accounts} | {size.database_bytes / 1e9:.2f} | {pgbench['postgres_us']:.0f} µs "
        f"| {empty_us:.0f} µs | {pgbench['postgres_us'] / empty_us:.2f} | {pgbench['rate']:.0f} "
        f"| {_written(pgbench)} |"
    )


def _written(figures: Mapping[str, float]) -> str:
    return f"{figures['wal_bytes'] / 1000:.1f} kB | {figures['whole_pages']:.2f} | {figures['pages_read']:.2f}"


def _together(lists: Lists) -> list[float]:
    """Return the CPU of worker and PostgreSQL for an order, run by run, in microseconds."""
    return [worker + postgres for worker, postgres in zip(lists["worker_us"], lists["postgres_us"], strict=True)]
