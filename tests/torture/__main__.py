"""``python -m torture``: breaks the shop for some minutes, and says how to do the same again where that worked."""

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from torture import records
from torture.running import Outcome, UnknownScenarioError, chosen, discovered, repeat_command, run, shared_seconds
from torture.scenario import Figures, Scenario

_DEFAULT_MINUTES = 10.0


def main(words: Sequence[str] | None = None, scenarios: Sequence[Scenario] | None = None) -> int:
    """Run what *words* ask for, and return the exit status: 0 all held, 1 something did not, 2 no such thing."""
    asked = _parser().parse_args(words)
    console = Console(highlight=False)
    try:
        picked = chosen(discovered() if scenarios is None else scenarios, asked.only)
    except UnknownScenarioError as error:
        Console(stderr=True, highlight=False).print(escape(str(error)), soft_wrap=True)
        return 2
    if asked.write and asked.only:
        Console(stderr=True).print("A record is of all scenarios: leave either WRITE or ONLY away.", soft_wrap=True)
        return 2
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    began_at = datetime.now(UTC)
    parts = _counted(len(picked), "scenario")
    console.print(f"[bold]Torture[/] · {asked.minutes:g} minutes · seed [bold cyan]{seed}[/] · {parts}")
    outcomes = _all_run(console, picked, seed, asked.minutes)
    if asked.write:
        path = records.write(records.record(seed, asked.minutes, began_at, outcomes))
        console.print(f"Kept in {path.relative_to(records.ROOT)}; `make reliability` writes the page.", style="dim")
    return 1 if any(outcome.error is not None for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("torture", description="Tries to break the shop, and says how to do it again.")
    parser.add_argument("--minutes", type=float, default=_DEFAULT_MINUTES, help="how long it goes on in all (10)")
    parser.add_argument("--seed", type=int, help="repeats the draws of an earlier run (drawn and printed)")
    parser.add_argument("--only", action="append", default=[], help="a scenario to run, alone; may come again")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/reliability/torture.json")
    return parser


def _all_run(console: Console, picked: Sequence[Scenario], seed: int, minutes: float) -> list[Outcome]:
    begun_at = time.monotonic()
    outcomes = []
    width = max(len(scenario.name) for scenario in picked)
    for scenario, seconds in zip(picked, shared_seconds(picked, minutes), strict=True):
        with console.status(f"[bold]{scenario.name}[/] · about {_time(seconds)} · {escape(scenario.says)}"):
            outcome = run(scenario, seed, seconds)
        outcomes.append(outcome)
        _tell(console, outcome, width)
        if outcome.error is not None:
            _tell_failure(console, outcome, repeat_command(scenario, seed, seconds))
    failed = [outcome.scenario.name for outcome in outcomes if outcome.error is not None]
    took = _time(time.monotonic() - begun_at)
    if failed:
        console.print(f"[bold red]{len(failed)} of {len(outcomes)} did not hold[/] after {took}: {', '.join(failed)}")
    else:
        console.print(f"[bold green]All {len(outcomes)} held[/] · {took}")
    return outcomes


def _tell(console: Console, outcome: Outcome, width: int) -> None:
    mark = "[green]✓[/]" if outcome.error is None else "[red]✗[/]"
    lines = Table.grid(padding=(0, 1))
    lines.add_column()
    lines.add_column(min_width=width, style="bold", no_wrap=True)
    lines.add_column(min_width=7, justify="right", no_wrap=True)
    lines.add_column()
    text = f"[dim]{escape(outcome.scenario.says)}[/]" + (f"\n{told(outcome.figures)}" if outcome.figures else "")
    lines.add_row(mark, outcome.scenario.name, _time(outcome.seconds), text)
    console.print(lines)


def _tell_failure(console: Console, outcome: Outcome, command: str) -> None:
    console.print(Padding(escape(outcome.trace.strip()), (0, 0, 0, 4)), style="dim")
    if outcome.printed:
        console.print(Padding(escape(outcome.printed.strip()[-4000:]), (0, 0, 0, 4)), style="dim")
    console.print(Padding(f"[red]{escape(outcome.error or '')}[/]", (0, 0, 0, 4)))
    console.print(f"    Again: [bold]{command}[/]", soft_wrap=True)


def told(figures: Figures) -> str:
    """Return *figures* in one line."""
    return " · ".join(f"{number:,} {what}" for what, number in figures.items())


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} m {seconds % 60:02.0f} s"


if __name__ == "__main__":
    sys.exit(main())
