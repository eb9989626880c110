"""The last whole runs of a benchmark: their headline figures side by side, and the medians."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.code import SOURCE, code_digest
from benchmarks.rate.telling import table

RUNS = Path(__file__).parent.parent / "whole_runs.json"
KEPT = 3

Headline = Mapping[str, float]
"""What a whole run came to, by what it is."""


def note(benchmark: str, headline: Headline, runs: Path = RUNS, source: Path = SOURCE) -> None:
    """Keep *headline* as the newest run of *benchmark*, with the code that it measured; KEPT at most are kept."""
    kept = _read(runs)
    earlier = kept.get(benchmark, [])
    kept[benchmark] = [*earlier, {"code": code_digest(source), "headline": dict(headline)}][-KEPT:]
    runs.write_text(json.dumps(kept, indent=1) + "\n")


def told(benchmark: str, headline: Headline, runs: Path = RUNS, source: Path = SOURCE) -> list[str]:
    """Return the lines that compare *headline* with the whole runs before it that were kept."""
    sides = [*_read(runs).get(benchmark, []), {"code": code_digest(source), "headline": headline}][-KEPT:]
    rows = []
    for name in headline:
        found = [one["headline"][name] for one in sides]
        rows.append([name, *(f"{value:.2f}" for value in found), f"**{median(found):.2f}**"])
    head = ["", *(f"run {number + 1}, code {one['code']}" for number, one in enumerate(sides)), "median"]
    return [
        "The last whole runs, the newest one last, each with the digest of the code that it measured:",
        "",
        *table(head, rows),
    ]


def _read(runs: Path) -> dict[str, Any]:
    return dict(json.loads(runs.read_text())) if runs.exists() else {}
