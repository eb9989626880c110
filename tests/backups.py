"""Where backups are restored to, and what is left in a directory."""

from pathlib import Path

EMPTY = "backed_up_into"
"""A database with nothing in it."""

BOOKS_HOLD = " invariants, 0 breaches.\n"
"""The end of what a restore says."""


def left_in(directory: Path) -> list[str]:
    """Return the names in *directory*."""
    return sorted(path.name for path in directory.iterdir())
