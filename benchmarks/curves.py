"""Rate and times of ``POST /orders`` by connections, and what a customer waits at half load.

    .venv/bin/python -m benchmarks.curves [--seconds 6] [--runs 3] [--half-seconds 20] [--write]

Starts a shop of its own in a temporary directory, loads 10,000 accounts, and goes up and down the connections in a
closed loop. Then orders arrive at half of the best rate, open loop, and the books are audited. With --write it writes
docs/benchmarks.md and benchmarks/curves.json; `make plots` draws them.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.arrivals import arrived, missing_orders, percentile_ms
from benchmarks.order_rate import ACCOUNTS, prepare
from benchmarks.page import machine, write_section
from benchmarks.shop import breaches, running_shop
from benchmarks.wire import placed_orders
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 32, 128, 512)
HALF = 0.5
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "longest": 1.0}
CURVE_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0)
HEADING = """## By connections

Written by `make bench-curves`.
"""
HALF_HEADING = """## Half load

Written by `make bench-curves`.
"""


@dataclass(slots=True)
class Curve:
    """A closed loop: orders a second and times by number of connections, one figure a run."""

    rate: dict[int, list[float]] = field(default_factory=dict)
    p50_ms: dict[int, list[float]] = field(default_factory=dict)
    p99_ms: dict[int, list[float]] = field(default_factory=dict)
    refused: int = 0

    def best(self) -> tuple[int, float]:
        """Return the number of connections with the best rate in the median, and that rate."""
        return max(((count, median(rates)) for count, rates in self.rate.items()), key=lambda pair: pair[1])


@dataclass(slots=True)
class HalfLoad:
    """An open loop at *due_a_second*; one figure a run. *times_ms* are by the share of orders that had their answer."""

    due_a_second: float = 0.0
    orders: int = 0
    placed_a_second: list[float] = field(default_factory=list)
    shown_ms: dict[str, list[float]] = field(default_factory=dict)
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    refused: int = 0
    unanswered: int = 0


@dataclass(slots=True)
class Figures:
    """Everything, and what was found in the books afterwards."""

    curve: Curve = field(default_factory=Curve)
    half: HalfLoad = field(default_factory=HalfLoad)
    missing: int = 0
    breaches: int = 0


def measure_curve(figures: Figures, target: Any, port: int, seconds: float, runs: int) -> None:  # noqa: ANN401 -- asyncpg's own arguments
    """Go up the connections, then down, and so on: no point always has the emptier database."""
    curve = figures.curve
    for number in range(runs):
        for connections in CONNECTIONS if number % 2 == 0 else reversed(CONNECTIONS):
            run = placed_orders(port, range(1, ACCOUNTS + 1), connections, seconds, seed=number + 1)
            figures.missing += missing_orders(target, run.uuids)
            curve.rate.setdefault(connections, []).append(run.rate)
            curve.p50_ms.setdefault(connections, []).append(run.percentile_ms(0.5))
            curve.p99_ms.setdefault(connections, []).append(run.percentile_ms(0.99))
            curve.refused += sum(run.refusals.values())
            print(f"run {number + 1}: {connections} connections: {run.rate:.0f} orders/s {run.refusals}", flush=True)


def measure_half(figures: Figures, target: Any, port: int, seconds: float, runs: int) -> None:  # noqa: ANN401 -- as above
    """Let orders arrive at half of the best rate that was just measured."""
    half = figures.half
    half.due_a_second = HALF * figures.curve.best()[1]
    for number in range(runs):
        flood = arrived(port, ACCOUNTS, half.due_a_second, seconds, seed=number + 1)
        figures.missing += missing_orders(target, flood.uuids)
        half.orders += flood.due
        half.placed_a_second.append(len(flood.placed) / flood.seconds)
        for name, share in SHARES.items():
            half.shown_ms.setdefault(name, []).append(percentile_ms(flood.placed, share))
        for share in CURVE_SHARES:
            half.times_ms.setdefault(f"{share:g}", []).append(percentile_ms(flood.placed, share))
        refused = sum(map(len, flood.refused.values()))
        half.refused += refused
        half.unanswered += flood.due - len(flood.placed) - refused
        print(f"run {number + 1}: {half.due_a_second:.0f} orders/s due: {_last(half.shown_ms)}", flush=True)


def measure(seconds: float, half_seconds: float, runs: int) -> Figures:
    """Run everything and return the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir) as shop:
            target = server.address.arguments()
            prepare(target)
            placed_orders(shop.port, range(1, ACCOUNTS + 1), 32, 2, seed=0)
            measure_curve(figures, target, shop.port, seconds, runs)
            measure_half(figures, target, shop.port, half_seconds, runs)
            figures.breaches = breaches(target)
    return figures


def curve_section(figures: Figures, seconds: float, runs: int) -> str:
    """Return the section of docs/benchmarks.md about connections."""
    curve = figures.curve
    lines = [
        HEADING,
        f"`POST /orders`, each for a random one of {ACCOUNTS} accounts; {runs} alternating runs of {seconds:g} s a",
        "point, medians and ranges. Closed loop: each connection sends its next order when the last is answered.",
        f"{machine()}; one API worker. Load generator, service and database share one machine.",
        "",
        "| Connections | orders/s | range | p50 | p99 |",
        "|---|---|---|---|---|",
    ]
    for count, rates in curve.rate.items():
        lines.append(
            f"| {count} | **{median(rates):.0f}** | {min(rates):.0f} to {max(rates):.0f} "
            f"| {median(curve.p50_ms[count]):.1f} ms | {median(curve.p99_ms[count]):.1f} ms |"
        )
    return "\n".join([*lines, "", f"Orders that were refused: {curve.refused}.", *_books(figures)])


def half_section(figures: Figures, seconds: float, runs: int) -> str:
    """Return the section of docs/benchmarks.md about half load."""
    half, (connections, best) = figures.half, figures.curve.best()
    lines = [
        HALF_HEADING,
        "Orders arrive at a fixed rate, half of the best that [a closed loop](#by-connections) reached just before",
        f"({best:.0f} orders/s, {connections} connections), whatever is answered: open loop.",
        "Times go from the moment at which an order was due, so none is left out that had to wait for its turn.",
        f"{runs} runs of {seconds:g} s with {half.orders} orders in all, medians and ranges. {machine()};",
        "one API worker. Load generator, service and database share one machine.",
        "",
        f"| Of {half.due_a_second:.0f} orders/s due | {' | '.join(half.shown_ms)} |",
        f"|---|{'---|' * len(half.shown_ms)}",
        f"| **{median(half.placed_a_second):.0f} placed/s** | {_joined(half.shown_ms, median)} |",
        f"| least of the runs | {_joined(half.shown_ms, min)} |",
        f"| most of the runs | {_joined(half.shown_ms, max)} |",
        "",
        f"Orders that were refused: {half.refused}; without an answer: {half.unanswered}.",
    ]
    return "\n".join([*lines, *_books(figures)])


def _books(figures: Figures) -> list[str]:
    return [
        f"Orders answered with 201 and not in the database: {figures.missing}.",
        f"Breaches that `novaproxy audit` found afterwards: {figures.breaches}.",
        "",
    ]


def _joined(shown_ms: dict[str, list[float]], chosen: Any) -> str:  # noqa: ANN401 -- median, min or max
    return " | ".join(f"{chosen(times):.1f} ms" for times in shown_ms.values())


def _last(shown_ms: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {times[-1]:.1f} ms" for name, times in shown_ms.items())


def main() -> None:
    """Measure, print the sections, and write them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="of each run of each point")
    parser.add_argument("--half-seconds", type=float, default=20, help="of each run at half load")
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/curves.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.half_seconds, given.runs)
    sections = [
        curve_section(figures, given.seconds, given.runs),
        half_section(figures, given.half_seconds, given.runs),
    ]
    print("\n".join(sections))
    if given.write:
        for section in sections:
            write_section(section)
        (HERE / "curves.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
    if figures.missing or figures.breaches:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
