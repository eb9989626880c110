"""Runs scenarios one after the other: each in a directory of its own, with randomness of its own, within its time."""

import importlib
import io
import os
import pkgutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from torture.scenario import Figures, Round, Scenario

OVERTIME_SECONDS = 120.0
"""How much longer than its time a scenario may take, for what it starts, settles and ends."""


class UnknownScenarioError(Exception):
    """There is no scenario of this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no scenario '{name}'. There are: {', '.join(known)}.")


class TookTooLongError(AssertionError):
    """A scenario that did not come back."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"It did not end within {seconds:.0f} seconds.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario: its figures, or the error with its trace and what it had printed."""

    scenario: Scenario
    seconds: float
    figures: Figures = field(default_factory=dict)
    error: str | None = None
    trace: str = ""
    printed: str = ""


def discovered(package: str = "torture") -> list[Scenario]:
    """Return the scenarios of all modules of *package*, by name."""
    directory = importlib.import_module(package).__path__
    found: list[Scenario] = []
    for module in sorted(module.name for module in pkgutil.iter_modules(directory)):
        if module.startswith(("fault_", "race_")):
            found += importlib.import_module(f"{package}.{module}").SCENARIOS
    return sorted(found, key=lambda scenario: scenario.name)


def chosen(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[Scenario]:
    """Return those of *names*, in their order; all where none is named.

    Raises:
        UnknownScenarioError: there is none of that name.
    """
    by_name = {scenario.name: scenario for scenario in scenarios}
    for name in names:
        if name not in by_name:
            raise UnknownScenarioError(name, list(by_name))
    return [by_name[name] for name in names] or list(scenarios)


def shared_seconds(scenarios: Sequence[Scenario], minutes: float) -> list[float]:
    """Return the seconds of each of *scenarios*, by their shares of *minutes*."""
    shares = sum(scenario.share for scenario in scenarios)
    return [minutes * 60 * scenario.share / shares for scenario in scenarios]


def drawn(seed: int, name: str) -> Random:
    """Return the randomness of a scenario: the same for the same seed, whatever runs beside it."""
    return Random(f"{name} {seed}")


def repeat_command(scenario: Scenario, seed: int, seconds: float) -> str:
    """Return what runs *scenario* once more, alone, with the same plan and for as long."""
    return f"make torture SEED={seed} ONLY={scenario.name} MINUTES={seconds / 60:.2f}"


def run(scenario: Scenario, seed: int, seconds: float, *, overtime_seconds: float = OVERTIME_SECONDS) -> Outcome:
    """Return what comes of *scenario*; it goes on for about *seconds*."""
    begun_at = time.monotonic()
    printed = io.StringIO()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="novaproxy-torture-") as directory,
            redirect_stdout(printed),
            _seeding(seed),
            _bounded(seconds + overtime_seconds),
        ):
            figures = scenario.run(Round(drawn(seed, scenario.name), seconds, Path(directory)))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the others run too
        took = time.monotonic() - begun_at
        # A plain assert says nothing by itself: its line does.
        said = f"{type(error).__name__}: {str(error) or traceback.extract_tb(error.__traceback__)[-1].line}"
        return Outcome(scenario, took, error=said, trace=traceback.format_exc(), printed=printed.getvalue())
    return Outcome(scenario, time.monotonic() - begun_at, figures)


@contextmanager
def _seeding(seed: int) -> Iterator[None]:
    """Let what the tests' helpers draw by themselves come from *seed* too."""
    before = os.environ.get("NOVAPROXY_TEST_SEED")
    os.environ["NOVAPROXY_TEST_SEED"] = str(seed)
    try:
        yield
    finally:
        del os.environ["NOVAPROXY_TEST_SEED"]
        if before is not None:
            os.environ["NOVAPROXY_TEST_SEED"] = before


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Raise TookTooLongError inside of the block after *seconds*, so that what it started is ended all the same."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
