"""What a scenario of the torture is, and what it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a scenario.

    Attributes:
        random: what the seed gives; the same seed draws the same plan.
        seconds: about how long it may go on.
        directory: an empty one of its own, for whatever it writes.
    """

    random: Random
    seconds: float
    directory: Path


Figures = Mapping[str, int]
"""What was done and seen, by what it counts in plural words: ``{"kills": 12, "orders placed": 5310}``."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to break the shop.

    Attributes:
        name: one word or several joined by hyphens, as the command takes it.
        says: what must hold, in a sentence.
        share: its part of the minutes, relative to the others'.
        run: does it; raises AssertionError where something does not hold.
    """

    name: str
    says: str
    share: int
    run: Callable[[Round], Figures]
