"""The section of docs/benchmarks.md that ``make bench`` writes."""

from statistics import median

from benchmarks.page import machine
from benchmarks.rate.figures import Figures, median_rate
from benchmarks.rate.sides import HttpRun, PgbenchRun
from benchmarks.rate.start import WORKERS
from benchmarks.rate.telling import PROFILE, clients, listed, middle, span, table
from benchmarks.rate.whole_runs import told
from novaproxy.orders.pace import LARGEST_BATCH

_PEER = """The peer is pgbench with one stored function, one call a transaction, `-M prepared`, in the same database:
the same tables, indexes, constraints, triggers and server settings. Every order is of a random account, one plan, no
discount code and no `Idempotency-Key`. The function finds the account by its token's hash, reads the plan, locks the
account, checks the balance, and writes the order, its meter, the charge, the balance and the count for the plan's
limit. It parses no HTTP and seals no password, and knows neither codes nor keys: it does less than the service.

pgbench is compared at its best: the best median of the short runs over 1 to 64 clients, or the median of its long runs
where that is higher. Orders over HTTP count when they were answered with 201 and their uuid is in the database; no
delay is added to fill batches. The service has an API worker for each core (`serve --workers {workers}`); it stays
open, with its duties, while pgbench runs."""

_CPU = """CPU is user and system time of the API workers' processes, of all of PostgreSQL's processes, those that have
ended among them, and of what makes the load, in microseconds for each order. All share one machine."""


def section(figures: Figures, seconds: float, short_seconds: float) -> str:
    """Return the section; *seconds* is the length of a long run, *short_seconds* that of a short one."""
    settings = ", ".join(f"{name} = {value}" for name, value in figures.settings.items())
    synced = figures.fdatasync_ms
    rounds = (
        f"{len(figures.pgbench)} rounds, every second one in reverse order, of {seconds:g} s runs; medians and ranges."
    )
    return "\n".join(
        [
            "## The order rate",
            "",
            f"Written by `make bench`, in {figures.seconds / 60:.1f} minutes.",
            "",
            _headline(figures),
            "",
            _PEER.format(workers=WORKERS),
            "",
            f"At the start: {figures.start}.",
            rounds,
            f"{machine()}. {settings}.",
            f"`fdatasync` of 8 KB beside the data: {middle(synced, 2)} ms, {span(synced, 2)}.",
            PROFILE,
            "",
            *_rates(figures),
            *told("bench", figures.headline()),
            _CPU,
            "",
            *_costs(figures),
            *_sweep(figures, short_seconds),
            *_batches(figures),
            *_alone(figures),
            *_written(figures),
        ]
    )


def _headline(figures: Figures) -> str:
    most, *others = sorted(figures.http, reverse=True)
    beside = " and ".join(f"on {count} it is {figures.ratio(count):.2f} times" for count in others)
    batched = median_rate(figures.http[most]) / max(map(median_rate, figures.batches.values()))
    return (
        f"**{figures.ratio(most):.2f} times pgbench placing one order per transaction; "
        f"we commit up to {LARGEST_BATCH} per transaction.**\n"
        f"That is over HTTP on {most} connections, {_batch(figures, most)} orders a transaction; {beside}.\n"
        f"It is {batched:.2f} of what pgbench reaches with the same batches, without HTTP: "
        "batching is what gains, and HTTP what costs."
    )


def _rates(figures: Figures) -> list[str]:
    rates, best = [run.rate for run in figures.pgbench], figures.pgbench_best()
    rows = [
        [_pgbench(figures), middle(rates), span(rates), f"{median(rates) / best:.2f}", "", "1", "", ""],
    ]
    for count, runs in figures.http.items():
        rates = [run.rate for run in runs]
        rows.append(
            [
                f"**HTTP, {count} connections**",
                *(middle(rates), span(rates), f"**{figures.ratio(count):.2f}**"),
                span(figures.ratios_by_round(count), 2),
                _batch(figures, count),
                f"{middle([run.p50_ms for run in runs], 1)} ms",
                f"{middle([run.p99_ms for run in runs], 1)} ms",
            ]
        )
    head = ["", "orders/s", "range", "to pgbench's best", "to its long run in each round"]
    head += ["orders a commit", "p50", "p99"]
    return table(head, rows)


def _batch(figures: Figures, count: int) -> str:
    return middle([run.orders_a_commit for run in figures.http[count]], 1)


def _costs(figures: Figures) -> list[str]:
    head = ["CPU, µs an order", "API workers", "PostgreSQL", "load generator", "WAL, bytes an order"]
    rows = [[_pgbench(figures), "", *_used(figures.pgbench)]]
    for count, runs in figures.http.items():
        rows.append([f"HTTP, {count} connections", middle([run.worker_us for run in runs]), *_used(runs)])
    return table(head, rows)


def _pgbench(figures: Figures) -> str:
    return f"pgbench, {clients(run.clients for run in figures.pgbench)}"


def _used(runs: list[HttpRun] | list[PgbenchRun]) -> list[str]:
    return [
        middle([run.postgres_us for run in runs]),
        middle([run.load_us for run in runs]),
        middle([run.wal_bytes for run in runs]),
    ]


def _sweep(figures: Figures, seconds: float) -> list[str]:
    rates = {clients: [run.rate for run in runs] for clients, runs in figures.sweep.items()}
    return [
        f"pgbench over numbers of clients, in runs of {seconds:g} s before every second round:",
        "",
        *table(
            ["clients", *map(str, rates)],
            [["orders/s", *map(middle, rates.values())], ["range", *map(span, rates.values())]],
        ),
    ]


def _batches(figures: Figures) -> list[str]:
    rates = {clients: [run.rate for run in runs] for clients, runs in figures.batches.items()}
    to_best = [f"{median(found) / figures.pgbench_best():.2f}" for found in rates.values()]
    cpu = [middle([run.postgres_us for run in runs]) for runs in figures.batches.values()]
    return [
        f"What the same trick does without HTTP: pgbench calls a function that places {LARGEST_BATCH} orders of random",
        "accounts in one transaction, with the service's own load function and the text of its save statement:",
        "",
        *table(
            ["clients", *map(str, rates)],
            [
                ["orders/s", *map(middle, rates.values())],
                ["range", *map(span, rates.values())],
                ["to pgbench's best", *to_best],
                ["PostgreSQL, µs an order", *cpu],
            ],
        ),
    ]


def _alone(figures: Figures) -> list[str]:
    found = figures.alone_p50_ms
    return [
        f"One client alone, on one connection, waits {middle(found, 2)} ms for an order (p50; {span(found, 2)}).",
        "`make bench-peers` compares one client alone with one round trip an order, in the same run.",
        "",
    ]


def _written(figures: Figures) -> list[str]:
    added = figures.added.items()
    return [
        "What one order added, counted in every table, rows first, then steps of counters; it must be the same:",
        "",
        *(f"- {side}, {one.orders} orders: {listed(one.told())}" for side, one in added),
        "",
        "A batch rewrites a row once however many of its orders change it; row versions written for each order:",
        "",
        *(f"- {side}: {listed(one.told_rewrites())}" for side, one in added),
        "",
        f"Answers other than 201: {figures.refused}; with a 201, but not in the database: {figures.missing}.",
        f"Breaches that `novaproxy audit` found in what all wrote: {figures.breaches}.",
        "",
    ]
