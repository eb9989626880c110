"""What ``make bench-all`` is going to take: time, disk and Debian packages. It fails where one of them is missing.

    .venv/bin/python -m benchmarks.plan --packages haproxy --packages squid bench bench-lists

The time and the disk of a target stand in its line of help in the Makefile, as in "(8 minutes, 2 GB)".
"""

import argparse
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.carriers import find

MAKEFILE = Path(__file__).parent.parent / "Makefile"
SPARE_GB = 1.0
_HELP = re.compile(r"^(bench[a-z-]*):.*## (.*)$", re.MULTILINE)
_TOLD = re.compile(r"(\d+) minutes?(?:, ([\d.]+) GB)?")


@dataclass(frozen=True, slots=True)
class Step:
    """A target: what it does, how long that takes, and how much disk it has until it ends."""

    target: str
    told: str
    minutes: int
    gigabytes: float


def steps(makefile: str, targets: Sequence[str]) -> list[Step]:
    """Return the steps of *targets* as the text of the Makefile tells them.

    Raises:
        SystemExit: there is no such target, or its line does not say how long it takes.
    """
    told = dict(_HELP.findall(makefile))
    planned = []
    for target in targets:
        found = _TOLD.search(told.get(target, ""))
        if found is None:
            raise SystemExit(f"The Makefile does not say how long {target} takes.")
        planned.append(Step(target, told[target], int(found[1]), float(found[2] or 0)))
    return planned


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Return those of *packages* whose program of the same name is not here."""
    return [package for package in packages if find(package) is None]


def main() -> None:
    """Say what is planned, and end with a failure where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", action="append", default=[], help="a Debian package with a program of its name")
    parser.add_argument("targets", nargs="+")
    given = parser.parse_args()
    planned = steps(MAKEFILE.read_text(), given.targets)
    # Each ends its shop and removes it before the next begins.
    disk_gb = max(step.gigabytes for step in planned)
    for step in planned:
        print(f"  make {step.target:<15} {step.told}")
    print(
        f"{sum(step.minutes for step in planned)} minutes in all, up to {disk_gb:g} GB of disk at a time in "
        f"{tempfile.gettempdir()}; Debian packages: {', '.join(given.packages) or 'none'}.",
        flush=True,
    )
    if missing := missing_packages(given.packages):
        raise SystemExit(f"Missing: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)}")
    free_gb = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free_gb < disk_gb + SPARE_GB:
        raise SystemExit(f"{tempfile.gettempdir()} has {free_gb:.1f} GB free; set TMPDIR to where there is more.")


if __name__ == "__main__":
    main()
