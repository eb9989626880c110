"""What ``make bench-workers`` compares and found, and its section of docs/benchmarks.md."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType

from benchmarks.page import machine
from benchmarks.rate.telling import listed, middle, span, table

CONNECTIONS = 128
CORES = (2, 4, 8, 16, 32)
ONE_WORKER = "1 worker"
LAYOUTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {ONE_WORKER: (1,), "2 workers": (2,), "4 workers": (4,), "2 services of 1 worker": (1, 1)}
)
"""Services on one database, by their number of workers."""

HEADING = """## More workers

Written by `make bench-workers`.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Who orders: any of *accounts* (None: of all), on so many connections with so many workers."""

    name: str
    connections: Callable[[int], int]
    accounts: range | None = None


A_WORKER = Case(f"{CONNECTIONS} connections a worker", lambda workers: CONNECTIONS * workers)
CASES = (
    Case(f"{CONNECTIONS} connections", lambda _workers: CONNECTIONS),
    A_WORKER,
    Case(f"{CONNECTIONS} connections, all of one account", lambda _workers: CONNECTIONS, range(1, 2)),
)


@dataclass(frozen=True, slots=True)
class WorkersRun:
    """Orders a second that are in the database, and what each took of all workers, PostgreSQL, the load generator.

    CPU in microseconds; *busiest* is one worker's part of what all took; *sessions* are the services' at PostgreSQL.
    """

    connections: int
    rate: float
    missing: int
    refused: int
    orders_a_commit: float
    p50_ms: float
    p99_ms: float
    workers_us: float
    postgres_us: float
    load_us: float
    busiest: float
    sessions: int


@dataclass(slots=True)
class Figures:
    """The runs by case and layout, and what was found in what they wrote."""

    settings: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, list[WorkersRun]]] = field(default_factory=dict)
    missing: int = 0
    breaches: int = 0

    def note(self, layout: str, case: Case, run: WorkersRun) -> None:
        """Keep *run*."""
        self.runs.setdefault(case.name, {}).setdefault(layout, []).append(run)
        self.missing += run.missing


def section(figures: Figures, seconds: float, runs: int) -> str:
    """Return the section."""
    refused = sum(run.refused for of in figures.runs.values() for runs_ in of.values() for run in runs_)
    lines = [
        HEADING,
        f"{runs} alternating runs of {seconds:g} s a point, medians and ranges. {machine()}.",
        "Load generator, services and database share these cores: the rate says what this machine can do, and the CPU",
        "what an order costs anywhere, that of all workers together and of all of PostgreSQL, in microseconds (µs).",
        "",
        f"Settings: {', '.join(f'{name} = {value}' for name, value in figures.settings.items())}.",
        "",
    ]
    for case, layouts in figures.runs.items():
        lines += [f"{case[0].upper()}{case[1:]}:", "", *_compared(layouts)]
    lines += [*_arithmetic(figures.runs[A_WORKER.name]), *_balance(figures)]
    lines += [
        f"Orders that were refused: {refused}.",
        f"Orders answered with 201 and not in the database: {figures.missing}.",
        f"Breaches that `novaproxy audit` found afterwards: {figures.breaches}.",
        "",
    ]
    return "\n".join(lines)


def _compared(layouts: Mapping[str, list[WorkersRun]]) -> list[str]:
    alone = median(run.rate for run in layouts[ONE_WORKER])
    head = ["", "orders/s", "range", f"to {ONE_WORKER}", "orders a commit", "p50", "p99"]
    head += ["workers' CPU, µs", "PostgreSQL's", "load generator's", "cores busy with the first two"]
    return table(head, (_row(name, runs, alone) for name, runs in sorted(layouts.items(), key=_place)))


def _place(layout: tuple[str, list[WorkersRun]]) -> int:
    return list(LAYOUTS).index(layout[0])


def _row(name: str, runs: list[WorkersRun], alone: float) -> list[str]:
    rates = [run.rate for run in runs]
    return [
        name,
        middle(rates),
        span(rates),
        f"**{median(rates) / alone:.2f}**",
        middle((run.orders_a_commit for run in runs), 1),
        f"{middle((run.p50_ms for run in runs), 1)} ms",
        f"{middle((run.p99_ms for run in runs), 1)} ms",
        middle(run.workers_us for run in runs),
        middle(run.postgres_us for run in runs),
        middle(run.load_us for run in runs),
        middle((run.rate * (run.workers_us + run.postgres_us) / 1e6 for run in runs), 1),
    ]


def _arithmetic(layouts: Mapping[str, list[WorkersRun]]) -> list[str]:
    """Return what more cores could do, as far as CPU goes, from the layout in which an order cost most."""
    costs = {
        name: (median(run.workers_us for run in runs), median(run.postgres_us for run in runs))
        for name, runs in layouts.items()
    }
    name = max(costs, key=lambda layout: sum(costs[layout]))
    worker_us, postgres_us = costs[name]
    head = ["cores", "orders/s at that cost", "of them busy with workers", "with PostgreSQL"]
    rows = (
        [str(cores), f"{cores * 1e6 / (worker_us + postgres_us):.0f}", *_parted(cores, worker_us, postgres_us)]
        for cores in CORES
    )
    return [
        f"**More cores, as arithmetic and not as a measurement.** With {A_WORKER.name} an order cost most with {name}:",
        f"{worker_us:.0f} µs of the workers and {postgres_us:.0f} µs of PostgreSQL. N cores that do nothing else have",
        "N million µs a second. Waits for locks and for the disk, and buyers who come from elsewhere, are not in it.",
        "",
        *table(head, rows),
    ]


def _parted(cores: int, worker_us: float, postgres_us: float) -> Iterator[str]:
    for part in (worker_us, postgres_us):
        yield f"{cores * part / (worker_us + postgres_us):.1f}"


def _balance(figures: Figures) -> list[str]:
    """Return how evenly the kernel gave connections to workers, and how many sessions the services had."""
    everybody = {
        name: [run for of in figures.runs.values() for run in of.get(name, [])]
        for name in LAYOUTS
        if name != ONE_WORKER
    }
    busiest = {name: f"{100 * median(run.busiest for run in runs):.0f} %" for name, runs in everybody.items()}
    sessions = {name: max(run.sessions for of in figures.runs.values() for run in of[name]) for name in LAYOUTS}
    return [
        "The busiest worker's part of what all workers took, in the median: "
        + ", ".join(f"{name} {part}" for name, part in busiest.items())
        + ".",
        f"Sessions that the services had at PostgreSQL after orders alone, the duties' among them: {listed(sessions)}.",
    ]
