"""``python -m torture.page``: writes ``docs/reliability.md`` from the records that the commands left."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torture.records import RECORDS, ROOT, Run

PAGE = ROOT / "docs" / "reliability.md"

_HEAD = """# Reliability

What was done to break the shop, and what came of it. Every figure on this page was written by the command that stands
beside it, and none by hand: `make reliability` makes the page from `docs/reliability/`.
What must always be true is listed in [the data model](data-model.md#what-must-always-be-true).
"""

_TORTURE = """## Torture

`make torture MINUTES=10 WRITE=1` starts the service as a user does, on a real PostgreSQL that really syncs, and tries
to break it with races, kills, lost answers and hostile bytes. The last three runs:
"""

_AGAIN = """A failure prints the command that repeats it.
The same seed draws the same plan; which thread comes first stays the machine's."""

_NOT_YET = "Not measured yet."

Record = Mapping[str, Any]


def page(directory: Path) -> str:
    """Return the page, from the records in *directory*; what has none is said to be not measured yet."""
    sections = [
        _HEAD,
        _TORTURE + "\n" + _torture(_read(directory / "torture.json")),
        "## Guards\n\nEach CHECK, lock, trigger, retry and time-out is removed in turn, and some test must fail.\n\n"
        + _guards(_read(directory / "guards.json")),
        "## Mutants\n\nThe code of money, rules and discounts is changed in small ways, and some test must fail.\n\n"
        + _mutants(_read(directory / "mutants.json")),
        "## Audit\n\nEvery invariant of the books is one query, asked beside live traffic.\n\n"
        + _audit(_read(directory / "audit.json")),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _read(path: Path) -> Record | None:
    if not path.exists():
        return None
    record: Record = json.loads(path.read_text())
    return record


def _torture(record: Record | None) -> str:
    runs: Sequence[Run] = record["runs"] if record else []
    if not runs:
        return _NOT_YET
    return "\n".join([*_runs(runs), "", *_figures(runs), "", *_says(runs[-1]), "", _AGAIN])


def _runs(runs: Sequence[Run]) -> Iterator[str]:
    yield from _row("Began", "Command", "Took", "Came out", "Version", "On")
    for run in runs:
        machine = run["machine"]
        on = f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, "
        on += f"PostgreSQL {machine['postgresql']}"
        failed = [part["name"] for part in run["scenarios"] if not part["passed"]]
        came_out = "clean" if run["passed"] else f"**failed**: {', '.join(failed)}"
        version = f"{run['version']} ({run['commit']})"
        yield _line(run["began_at"], f"`{run['command']}`", f"{run['seconds']:,.0f} s", came_out, version, on)


def _figures(runs: Sequence[Run]) -> Iterator[str]:
    yield from _row("Scenario", "What was counted", *(f"seed {run['seed']}" for run in runs))
    counted = dict.fromkeys(
        (part["name"], what) for run in runs for part in run["scenarios"] for what in part["figures"]
    )
    for name, what in sorted(counted, key=lambda each: each[0]):
        numbers = [
            next((part["figures"].get(what) for part in run["scenarios"] if part["name"] == name), None) for run in runs
        ]
        yield _line(name, what, *("" if number is None else f"{number:,}" for number in numbers))


def _says(run: Run) -> Iterator[str]:
    yield from _row("Scenario", "What must hold")
    for part in run["scenarios"]:
        yield _line(part["name"], part["says"])


def _guards(record: Record | None) -> str:
    if record is None:
        return _NOT_YET
    return (
        f"`{record['command']}`: of **{record['guards']:,}** guards **{record['caught']:,}** were missed by a test "
        f"when they were gone, in {record['seconds']:,.0f} s. [Guards](guards.md) lists them."
    )


def _mutants(record: Record | None) -> str:
    if record is None:
        return _NOT_YET
    percent = 100 * record["killed"] / record["mutants"]
    told = (
        f"`{record['command']}`: of **{record['mutants']:,}** mutants **{record['killed']:,}** were killed "
        f"({percent:.1f} %), {record['survived']:,} survived, in {record['seconds']:,.0f} s."
    )
    lines = [told, "", *_row("Module", *_columns(record["by_module"]))]
    for module, figures in record["by_module"].items():
        lines.append(_line(f"`{module}`", *(str(number) for number in _numbers(figures))))
    return "\n".join(lines)


def _columns(by_module: Mapping[str, Any]) -> list[str]:
    first: object = next(iter(by_module.values()), None)
    return list(first) if isinstance(first, Mapping) else ["mutants"]


def _numbers(figures: object) -> list[object]:
    return list(figures.values()) if isinstance(figures, Mapping) else [figures]


def _audit(record: Record | None) -> str:
    if record is None:
        return _NOT_YET
    facts = [f"{what} {number:,}" for what, number in record.items() if isinstance(number, int | float)]
    return f"`{record['command']}`: {', '.join(facts)}."


def _row(*names: str) -> list[str]:
    return [_line(*names), "|" + "---|" * len(names)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(RECORDS))
