"""Mutation testing of the rules.

    make mutants    or    PYTHONPATH=tests .venv/bin/python -m mutants [--module orders.rules] [--write]

Every change is made to one place of one module: a comparison, an operation, a constant, a condition, a statement, what
is returned. Then the module's tests run (no database, no network), and one of them must fail. All survivors are listed
and counted as such, whether or not a test could ever tell them from the module as it is.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mutants.changes import Mutant, mutants
from mutants.running import passes_unchanged, survived

FIGURES = Path("docs/reliability/mutants.json")
LEAST_KILLED_PERCENT = 95
COMMAND = "make mutants"

_PRICED = ["test_price.py", "test_options.py", "test_bandwidth.py"]
_DECIDED = ["test_batch.py", "test_decisions_stateful.py"]

TESTS = {
    "novaproxy.money": ["test_money.py", "test_price.py", "test_options.py"],
    "novaproxy.catalog.rules": [*_PRICED, "test_expiry.py", *_DECIDED],
    "novaproxy.discounts.rules": ["test_discounts.py", "test_price.py", *_DECIDED],
    "novaproxy.orders.rules": [*_DECIDED, "test_discounts.py", "test_price.py"],
    "novaproxy.orders.moves": ["test_moves.py"],
    "novaproxy.orders.batch": _DECIDED,
}
"""The tests that are to notice, those first that are likeliest to."""


@dataclass(slots=True)
class Figures:
    """What is kept of a run."""

    mutants: int = 0
    killed: int = 0
    survived: int = 0
    by_module: dict[str, dict[str, int]] = field(default_factory=dict)
    survivors: list[str] = field(default_factory=list)
    command: str = COMMAND
    seconds: int = 0

    def note(self, mutant: Mutant, *, is_alive: bool) -> None:
        """Count one."""
        counted = self.by_module.setdefault(mutant.module, {"mutants": 0, "killed": 0, "survived": 0})
        for name in ("mutants", "survived" if is_alive else "killed"):
            counted[name] += 1
            setattr(self, name, getattr(self, name) + 1)
        if is_alive:
            self.survivors.append(f"{mutant.module}:{mutant.line}: {mutant.before} -> {mutant.after}")
            print(f"survived: {self.survivors[-1]}", flush=True)


def tests_of(module: str) -> list[str]:
    """Return the paths of a module's tests."""
    return [str(Path("tests/rules", name)) for name in TESTS[module]]


def main() -> None:
    """Change, run, count; fail where too many survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", action="append", choices=sorted(TESTS), help="this one alone")
    parser.add_argument("--processes", type=int, default=2, help="that run at once")
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES}")
    given = parser.parse_args()
    began = time.monotonic()
    modules: list[str] = given.module or list(TESTS)
    made: list[Mutant] = []
    for module in modules:
        if not passes_unchanged(tests_of(module)):
            sys.exit(f"the tests of {module} fail before anything is changed")
        made += mutants(module, Path("src", *module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    figures = Figures()
    for mutant, is_alive in survived(made, {module: tests_of(module) for module in modules}, given.processes):
        figures.note(mutant, is_alive=is_alive)
        if figures.mutants % 50 == 0:
            print(f"{figures.mutants} of {len(made)} ...", flush=True)
    figures.survivors.sort()
    figures.seconds = round(time.monotonic() - began)
    for module, counted in figures.by_module.items():
        print(f"{module}: {counted['killed']} of {counted['mutants']} killed")
    percent = 100 * figures.killed / figures.mutants
    print(f"{figures.killed} of {figures.mutants} mutants killed ({percent:.1f} %) in {figures.seconds} s")
    if given.write and not given.module:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(json.dumps(asdict(figures), indent=1) + "\n")
    if percent < LEAST_KILLED_PERCENT:
        sys.exit(f"fewer than {LEAST_KILLED_PERCENT} % were killed")


if __name__ == "__main__":
    main()
