"""The last whole runs of a benchmark on the same code: their headline figures side by side, and the medians."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rate.telling import table

RUNS = Path(__file__).parent.parent / "whole_runs.json"
SOURCE = Path(__file__).parents[2] / "src" / "novaproxy"
KEPT = 3

Headline = Mapping[str, float]
"""What a whole run came to, by what it is."""


def note(benchmark: str, headline: Headline, runs: Path = RUNS, source: Path = SOURCE) -> None:
    """Keep *headline* as the newest run of *benchmark*; those of other code, and more than KEPT, are forgotten."""
    code = code_digest(source)
    kept = {name: found for name, found in _read(runs).items() if found["code"] == code or name != benchmark}
    earlier = kept.get(benchmark, {"headlines": []})["headlines"]
    kept[benchmark] = {"code": code, "headlines": [*earlier, dict(headline)][-KEPT:]}
    runs.write_text(json.dumps(kept, indent=1) + "\n")


def told(benchmark: str, headline: Headline, runs: Path = RUNS, source: Path = SOURCE) -> list[str]:
    """Return the lines that compare *headline* with the whole runs before it that were kept."""
    found = _read(runs).get(benchmark)
    earlier = found["headlines"] if found and found["code"] == code_digest(source) else []
    sides = [*earlier, headline][-KEPT:]
    rows = [
        [name, *(f"{one[name]:.2f}" for one in sides), f"**{median(one[name] for one in sides):.2f}**"]
        for name in headline
    ]
    return [
        "Whole runs of this code, the newest one last:",
        "",
        *table(["", *(f"run {number + 1}" for number in range(len(sides))), "median"], rows),
    ]


def code_digest(source: Path) -> str:
    """Return what tells one state of the code from another."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _read(runs: Path) -> dict[str, Any]:
    return dict(json.loads(runs.read_text())) if runs.exists() else {}
