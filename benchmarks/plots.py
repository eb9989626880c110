"""The plots of docs/benchmarks.md, drawn from the figures that the benchmarks kept; needs matplotlib (group bench).

    .venv/bin/python -m benchmarks.plots [--figures DIR] [--into DIR] [--write]

What was not measured yet is not drawn. With --write the plots stand in docs/plots and in their section of
docs/benchmarks.md. The same figures make the same files, to the byte.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.drawing import (
    FAINT,
    INK,
    OURS,
    OURS_LIGHT,
    PEER,
    QUIET,
    band,
    curve,
    doubling,
    milliseconds,
    named,
    new_figure,
    save,
    thousands,
)
from benchmarks.page import PAGE, write_section

HERE = Path(__file__).parent
PLOTS = PAGE.parent / "plots"
SHARES = {0.5: "half", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %"}
SIDES = {
    "usual": "FastAPI, SQLAlchemy's ORM",
    "one trip": "Starlette, one round trip an order",
    "pgbench": "pgbench, one order a transaction",
}
"""What the peers are called, other than in their benchmark's figures."""
HEADING = """## Plots

Drawn by `make plots` from the figures that the other commands kept: medians; the bands of the curves are the range of
the runs.
"""

Kept = dict[str, Any]
"""What a benchmark keeps in its JSON file."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its file's name, what it shows, and how it is drawn from the figures of the benchmarks in *needs*."""

    name: str
    words: str
    needs: tuple[str, ...]
    draw: Callable[..., Figure]


def rates(points: dict[str, list[Any]]) -> dict[float, list[float]]:
    """Return kept points by their counts; a run is its rate, or has it among other figures."""
    return {
        int(count): [run["rate"] if isinstance(run, dict) else run for run in runs] for count, runs in points.items()
    }


def draw_rate(curves: Kept, order_rate: Kept) -> Figure:
    """Draw orders a second by connections, and pgbench's by clients."""
    figure, axes = new_figure("Orders a second", "connections; clients of pgbench")
    ours, peers = rates(curves["curve"]["rate"]), rates(order_rate.get("sweep") or order_rate["pgbench"])
    curve(axes, peers, PEER, "pgbench,\none order a transaction")
    curve(axes, ours, OURS, "NovaProxy,\nover HTTP,\none worker")
    doubling(axes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512], room=4)
    thousands(axes)
    return figure


def draw_times(curves: Kept) -> Figure:
    """Draw the median and the 99th percentile of an order's time by connections."""
    figure, axes = new_figure("How long an order takes", "connections, each with one order under way")
    for words, name, colour in (("99 of 100 orders", "p99_ms", OURS_LIGHT), ("half of the orders", "p50_ms", OURS)):
        curve(axes, rates(curves["curve"][name]), colour, words)
    doubling(axes, sorted(rates(curves["curve"]["p50_ms"])), room=8)
    milliseconds(axes)
    return figure


def draw_half_load(curves: Kept) -> Figure:
    """Draw the time within which each share of the orders was answered at half load; each nine takes the same room."""
    half = curves["half"]
    title = f"How long an order takes at half load, {half['due_a_second']:,.0f} orders/s"
    figure, axes = new_figure(title, "share of the orders that were answered within this time")
    times = {1 / (1 - float(share)): runs for share, runs in half["times_ms"].items() if 0.25 <= float(share) < 1}
    axes.set_xscale("log")
    band(axes, times, OURS)
    axes.plot(sorted(times), [median(times[at]) for at in sorted(times)], color=OURS)
    names = {1 / (1 - share): words for share, words in SHARES.items()}
    for at in names:
        value = median(times[at])
        axes.plot(at, value, "o", color=OURS)
        axes.annotate(f"{value:.1f} ms", (at, value), (-6, 9), textcoords="offset points", ha="right", weight="bold")
    named(axes.xaxis, names)
    axes.set_xlim(0.9, max(times) * 1.2)
    milliseconds(axes)
    longest = max(half["times_ms"]["1"])
    axes.text(0.01, 0.95, f"The longest took {longest:.0f} ms.", transform=axes.transAxes, color=QUIET)
    return figure


def draw_growth(growth: Kept) -> Figure:
    """Draw the processor time of an order by the size of the shop, beside an empty shop's in the same run."""
    figure, axes = new_figure("Processor time of one order, microseconds", "orders in the shop; accounts")
    for place, size in enumerate(growth.values()):
        for runs, at in ((size["empty_http"], place - 0.2), (size["http"], place + 0.2)):
            postgres_us = median(runs["postgres_us"])
            # The sum is the table's: the median of the runs' sums.
            worker_us = median(map(add, runs["postgres_us"], runs["worker_us"])) - postgres_us
            is_grown = at > place
            axes.bar(at, postgres_us, 0.36, color=PEER, alpha=1 if is_grown else 0.4)
            axes.bar(at, worker_us, 0.36, bottom=postgres_us, color=OURS, alpha=1 if is_grown else 0.4)
            words = f"{postgres_us + worker_us:.0f}" if is_grown else f"{postgres_us + worker_us:.0f}\nempty"
            _above(axes, at, postgres_us + worker_us, words, INK if is_grown else QUIET)
    named(
        axes.xaxis,
        {place: f"{size['orders']:,}\n{size['accounts']:,}" for place, size in enumerate(growth.values())},
    )
    _named_parts(axes, list(growth.values())[-1]["http"], len(growth) - 0.55)
    thousands(axes)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.1)
    return figure


def _above(axes: Axes, x: float, y: float, words: str, colour: str) -> None:
    axes.annotate(words, (x, y), (0, 4), textcoords="offset points", ha="center", color=colour)


def _named_parts(axes: Axes, last: dict[str, list[float]], x: float) -> None:
    """Write what the parts of a bar are, behind the last one."""
    postgres_us = median(last["postgres_us"])
    axes.text(x, postgres_us / 2, "PostgreSQL", color=PEER, weight="bold", va="center")
    axes.text(x, postgres_us + median(last["worker_us"]) / 2, "API worker", color=OURS, weight="bold", va="center")
    axes.set_xlim(-0.6, x + 0.75)


def draw_peers(peers: Kept) -> Figure:
    """Draw the order rates beside each other, on a log scale: as dots, since a bar would have no true length there."""
    found = sorted(((best_rate(runs), SIDES.get(name, name)) for name, runs in peers.items()), reverse=True)
    figure, axes = new_figure("Orders a second, on a log scale", "", height_inches=1.3 + 0.45 * len(found))
    for place, (rate, name) in enumerate(found):
        colour = OURS if "novaproxy" in name.lower() else PEER
        axes.plot([found[-1][0] / 3, rate], [-place, -place], color=FAINT, linewidth=1.2, zorder=1)
        axes.plot(rate, -place, "o", color=colour, markersize=9)
        words = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        axes.annotate(words, (rate, -place), (10, 0), textcoords="offset points", va="center", weight="bold")
    axes.set_xscale("log")
    axes.set_xlim(found[-1][0] / 3, found[0][0] * 2.5)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    named(axes.yaxis, {-place: name for place, (_, name) in enumerate(found)})
    axes.tick_params(axis="y", labelcolor=INK)
    return figure


def best_rate(runs: list[dict[str, Any]]) -> float:
    """Return the best median of runs that were alike in connections or clients."""
    alike: dict[int, list[float]] = {}
    for run in runs:
        alike.setdefault(run.get("connections") or run["clients"], []).append(run["rate"])
    return max(map(median, alike.values()))


DRAWN = (
    Plot(
        "rate",
        "Orders a second over HTTP by connections, one worker, beside pgbench, one order a transaction, by its clients",
        ("curves", "order_rate"),
        draw_rate,
    ),
    Plot("times", "How long an order takes by connections: half of them, and 99 of 100", ("curves",), draw_times),
    Plot("half-load", "How long an order takes at half load, by the share answered", ("curves",), draw_half_load),
    Plot("growth", "Processor time of an order by the size of the shop, beside an empty one", ("growth",), draw_growth),
    Plot("peers", "Orders a second of NovaProxy and of others, on a log scale", ("peers",), draw_peers),
)


def draw(figures_dir: Path, into: Path) -> list[Plot]:
    """Draw what the figures in *figures_dir* allow, and return it."""
    drawn = []
    for plot in DRAWN:
        files = [figures_dir / f"{name}.json" for name in plot.needs]
        if all(file.exists() for file in files):
            save(plot.draw(*(json.loads(file.read_text()) for file in files)), into / f"{plot.name}.svg")
            drawn.append(plot)
    return drawn


def section(drawn: Sequence[Plot]) -> str:
    """Return the section of docs/benchmarks.md."""
    return "\n".join([HEADING, *(f"![{plot.words}](plots/{plot.name}.svg)\n" for plot in drawn)])


def main() -> None:
    """Draw, and write the section where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=HERE, help="where the JSON files are")
    parser.add_argument("--into", type=Path, default=Path(), help="where the plots go without --write; else here")
    parser.add_argument("--write", action="store_true", help="write docs/plots and their section")
    given = parser.parse_args()
    into = PLOTS if given.write else given.into
    drawn = draw(given.figures, into)
    print(f"drawn into {into}: {', '.join(plot.name for plot in drawn) or 'nothing, nothing was measured yet'}")
    if given.write:
        write_section(section(drawn))


if __name__ == "__main__":
    main()
