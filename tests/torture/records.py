"""What is kept of the runs: ``docs/reliability/torture.json``, the last three of them."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from novaproxy.database.binaries import find_binaries
from torture.running import Outcome

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "reliability"
KEPT_RUNS = 3


class Machine(TypedDict):
    """What it ran on."""

    cores: int
    processor: str
    python: str
    postgresql: str


class Part(TypedDict):
    """One scenario of a run."""

    name: str
    says: str
    passed: bool
    seconds: float
    figures: dict[str, int]


class Run(TypedDict):
    """One run of all scenarios."""

    seed: int
    minutes: float
    command: str
    began_at: str
    version: str
    commit: str
    passed: bool
    seconds: float
    machine: Machine
    scenarios: list[Part]


def record(seed: int, minutes: float, began_at: datetime, outcomes: Sequence[Outcome]) -> Run:
    """Return what is kept of a run; *began_at* is UTC."""
    return Run(
        seed=seed,
        minutes=minutes,
        command=f"make torture MINUTES={minutes:g} SEED={seed}",
        began_at=began_at.strftime("%Y-%m-%d %H:%M UTC"),
        version=version("novaproxy"),
        commit=_commit(),
        passed=all(outcome.error is None for outcome in outcomes),
        seconds=round(sum(outcome.seconds for outcome in outcomes), 1),
        machine=_machine(),
        scenarios=[_part(outcome) for outcome in outcomes],
    )


def write(run: Run, directory: Path = RECORDS) -> Path:
    """Keep *run* beside the two newest before it, and return the file."""
    path = directory / "torture.json"
    before: list[Run] = json.loads(path.read_text())["runs"] if path.exists() else []
    directory.mkdir(parents=True, exist_ok=True)
    kept = [*before, run][-KEPT_RUNS:]
    path.write_text(json.dumps({"runs": kept}, indent=2, ensure_ascii=False) + "\n")
    return path


def _part(outcome: Outcome) -> Part:
    return Part(
        name=outcome.scenario.name,
        says=outcome.scenario.says,
        passed=outcome.error is None,
        seconds=round(outcome.seconds, 1),
        figures=dict(outcome.figures),
    )


def _machine() -> Machine:
    return Machine(
        cores=os.cpu_count() or 0,
        processor=platform.machine(),
        python=platform.python_version(),
        postgresql=_said(str(find_binaries(None) / "postgres"), "--version").split()[-1],
    )


def _commit() -> str:
    """Return the commit, with a plus where files differ from it."""
    try:
        changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", "src", "tests")
        return _said("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 -- words of ours
