"""Figures as a reader sees them."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

# In the sections of rates, which have goals.
PROFILE = "[Where the time of an order goes](order-profile.md): what stands in the way of more, and what was tried."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown, with an empty one behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def middle(values: Iterable[float], digits: int = 0) -> str:
    """Return the median of *values*."""
    return f"{median(values):.{digits}f}"


def span(values: Sequence[float], digits: int = 0) -> str:
    """Return the least and the most of *values*."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def listed(counts: Mapping[str, float]) -> str:
    """Return what is counted, each with its count."""
    return ", ".join(f"{name} {count:g}" for name, count in counts.items()) or "none"


def clients(counts: Iterable[int]) -> str:
    """Return how many clients there were, in words; *counts* are those of the runs."""
    found = sorted(set(counts))
    return " or ".join(map(str, found)) + (" client" if found == [1] else " clients")
