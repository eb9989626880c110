"""``make guards``: remove each guard in turn, and see that its tests notice."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from guards.guard import Guard
from guards.listed import GROUPS, GUARDS
from guards.page import PAGE, write
from guards.removing import Verdict, unbroken_faults, verdicts
from guards.scratch import PROJECT, Scratch


def _chosen(only: str) -> Sequence[Guard]:
    chosen = [guard for guard in GUARDS if not only or guard.name in only.split(",")]
    if not chosen:
        sys.exit(f"guards: there is no guard {only}; tests/guards lists them")
    return chosen


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _tell(one: Verdict) -> None:
    mark, paint = ("not caught", "31") if one.fault else ("caught", "32")
    said = f"\033[{paint}m{mark:10}\033[0m" if sys.stdout.isatty() else f"{mark:10}"
    _say(f"{said} {one.guard.name:46} {one.guard.kind:22} {one.seconds:6.1f} s  {one.fault or one.seen}")


def main() -> int:
    """Return 0 where every guard was caught."""
    parser = argparse.ArgumentParser(prog="make guards")
    parser.add_argument("--only", default="", help="the names of some guards, with commas")
    parser.add_argument("--jobs", type=int, default=2, help="how many guards are removed at a time")
    words = parser.parse_args()
    guards, began_at = _chosen(words.only), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        # PostgreSQL runs as another account where this one is root's.
        Path(directory).chmod(0o711)
        scratches = [Scratch(Path(directory) / str(number)) for number in range(min(words.jobs, len(guards)))]
        for scratch in scratches:
            scratch.assert_own()
        faults = unbroken_faults(guards, scratches[0], len(scratches))
        if faults:
            _say("These tests do not pass on the project as it is:\n  " + "\n  ".join(faults))
            return 1
        _say(f"{len(guards)} guards; their tests pass on the project as it is ({time.monotonic() - began_at:.0f} s).")
        found = verdicts(guards, scratches, _tell)
    missed = [one for one in found if one.fault]
    seconds = time.monotonic() - began_at
    _say(f"{len(found) - len(missed)} of {len(found)} guards caught in {seconds:.0f} s.")
    for one in missed:
        _say(f"  not caught: {one.guard.name}: {one.fault}")
    if not words.only:
        write(GROUPS, found, "make guards", seconds)
        _say(f"Written: {PAGE.relative_to(PROJECT)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
