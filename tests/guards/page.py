"""docs/guards.md and the figures beside it, written by the command that found them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from guards.guard import Guard
from guards.removing import Verdict
from guards.scratch import PROJECT

PAGE = PROJECT / "docs" / "guards.md"
FIGURES = PROJECT / "docs" / "reliability" / "guards.json"

_HEAD = """\
# Guards

<!-- Written by `make guards`; a guard is added in tests/guards. -->

What stands between a fault and the shop's promises, one row each: what it protects, where it is, what fails without it.
M1 to A2 are the [invariants](data-model.md#what-must-always-be-true).

The command takes each guard out of a scratch copy, one at a time, runs the tests named beside it, and puts it back.
A guard counts as caught only when each of these tests saw a promise broken.
A crash does not count, but for the one error that the list may name for a guard; nor does a row that no longer fits.
Before that, the same tests pass on the project as it is.
"""


def write(groups: Mapping[str, Sequence[Guard]], verdicts: Sequence[Verdict], command: str, seconds: float) -> None:
    """Write the page and the figures."""
    caught = sum(not one.fault for one in verdicts)
    by_name = {one.guard.name: one for one in verdicts}
    lines = [
        _HEAD,
        _summary(verdicts, command, seconds),
    ]
    for title, guards in groups.items():
        lines += ["", f"## {title}", "", "| Guard | Kind | Protects | Where | Caught by | What it saw |"]
        lines += ["|---|---|---|---|---|---|", *(_row(by_name[guard.name]) for guard in guards)]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    figures = {"guards": len(verdicts), "caught": caught, "command": command, "seconds": round(seconds)}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _summary(verdicts: Sequence[Verdict], command: str, seconds: float) -> str:
    caught = sum(not one.fault for one in verdicts)
    done = f"On {datetime.now(UTC):%Y-%m-%d} `{command}` removed {len(verdicts)} guards in {seconds / 60:.0f} minutes"
    return f"{done}; {caught} were caught."


def _row(one: Verdict) -> str:
    guard = one.guard
    where = f"[{guard.removal.where.name}](../{guard.removal.where})"
    tests = "<br>".join(_shown(test) for test in guard.caught_by)
    seen = f"**not caught**: {one.fault}" if one.fault else f"`{one.seen.replace('`', chr(39))}`"
    return f"| {guard.name} | {guard.kind} | {guard.protects} | {where} | {tests} | {_escaped(seen)} |"


def _shown(test: str) -> str:
    file, _, name = test.partition("::")
    return f"[{_escaped(name or file)}](../{file})".replace("[", "[", 1)


def _escaped(text: str) -> str:
    return (
        text.replace("|", "\\|").replace("[", "\\[").replace("]", "\\]")
        if not text.startswith("`")
        else text.replace("|", "\\|")
    )
