"""How the plots look, and the axes that they share; needs matplotlib (group bench)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# Paper of its own, so that a plot reads alike on light and on dark pages.
INK, QUIET, FAINT, PAPER = "#24292f", "#5f6873", "#dfe3e8", "#fcfcfb"
OURS, OURS_LIGHT, PEER = "#1a5fb4", "#5b93d6", "#b3541e"

WIDTH_INCHES = 8.0
HEIGHT_INCHES = 4.4
_STYLE: Mapping[str, object] = {
    # Letters as shapes, in the typeface that comes with matplotlib: the same everywhere.
    "font.family": "DejaVu Sans",
    "svg.fonttype": "path",
    # Else each drawing would have names of its own in the file.
    "svg.hashsalt": "novaproxy",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.labelpad": 8,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.9,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.h_pad": 0.15,
    "figure.constrained_layout.w_pad": 0.15,
    "axes.facecolor": PAPER,
    "lines.linewidth": 2.2,
    "lines.markersize": 6,
}

Points = Mapping[float, Sequence[float]]
"""Figures of several runs, by where they stand on the horizontal axis."""


def new_figure(title: str, x: str, height_inches: float = HEIGHT_INCHES) -> tuple[Figure, Axes]:
    """Return an empty figure with its title and what its horizontal axis counts."""
    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    figure.suptitle(title, x=0.02, horizontalalignment="left")
    return figure, figure.add_subplot(xlabel=x)


def curve(axes: Axes, points: Points, colour: str, label: str) -> None:
    """Draw the medians of *points* with their ranges, and the curve's name behind its last point."""
    across = sorted(points)
    medians = [median(points[at]) for at in across]
    band(axes, points, colour)
    axes.plot(across, medians, color=colour, marker="o")
    axes.annotate(
        label, (across[-1], medians[-1]), (12, 0), textcoords="offset points", va="center", color=colour, weight="bold"
    )


def band(axes: Axes, points: Points, colour: str) -> None:
    """Fill what lies between the least and the most of the runs."""
    across = sorted(points)
    lows, highs = [min(points[at]) for at in across], [max(points[at]) for at in across]
    axes.fill_between(across, lows, highs, color=colour, alpha=0.16, linewidth=0)


def doubling(axes: Axes, counts: Sequence[float], room: float) -> None:
    """Let the horizontal axis double from step to step, name *counts*, leave *room* for words behind the last."""
    axes.set_xscale("log", base=2)
    named(axes.xaxis, {count: f"{count:g}" for count in counts})
    axes.set_xlim(min(counts) / 1.2, max(counts) * room)


def milliseconds(axes: Axes) -> None:
    """Let the vertical axis be of milliseconds, on a log scale."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    lines = [step * 10.0**power for power in range(-1, 5) for step in (1, 2, 5)]
    inside = [line for line in lines if low / 2.5 < line < high * 2.5]
    named(axes.yaxis, {line: f"{line:g} ms" for line in inside})
    axes.set_ylim(inside[0], inside[-1])


def thousands(axes: Axes) -> None:
    """Let the vertical axis begin at 0, with its thousands apart."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def named(axis: Axis, names: Mapping[float, str]) -> None:
    """Let *axis*, horizontal or vertical, have these names and no others."""
    axis.set_major_locator(FixedLocator(list(names)))
    axis.set_major_formatter(FuncFormatter(lambda at, _: names.get(at, "")))
    axis.set_minor_locator(NullLocator())


def save(figure: Figure, path: Path) -> None:
    """Write the figure as SVG: the same bytes for the same figures, so without a date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
