"""docs/benchmarks.md: each section is written by its own command, and the others stay as they are."""

import os
import platform
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Each section is written by its own command; run it to have your own figures. Machines differ and are noisy: look at the
ratios.
"""

_SECTION = re.compile(r"^(?=## )", re.MULTILINE)


def write_section(section: str) -> None:
    """Put *section*, which begins with its heading, in the place of the one with the same heading, or at the end."""
    sections = _SECTION.split(PAGE.read_text())[1:] if PAGE.exists() else []
    by_heading = {found.partition("\n")[0]: found.strip() for found in sections}
    by_heading[section.partition("\n")[0]] = section.strip()
    PAGE.write_text("\n\n".join([HEAD.strip(), *by_heading.values()]) + "\n")


def machine() -> str:
    """Return what the figures were measured on."""
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
