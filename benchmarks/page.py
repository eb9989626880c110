"""docs/benchmarks.md: each section is written by its own command, and the others stay as they are."""

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.code import code_digest

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Each section is written by its own command, which it names; run that to have your own figures. `make help` says how long
each takes, how much disk and which Debian packages it needs; `make bench-all` runs them all. Machines differ and are
noisy, and a virtual one runs faster or slower from one minute to the next: look at the ratios, on a quiet machine, and
compare no figure with one of another section.

The digest is of the code that was measured: `.venv/bin/python -m benchmarks.code` prints that of yours. A section that
names none is older than those that do.
In all sections but those of the gateway and of start and memory the service runs without its gateway and without rate
limits, which would stop a load from one address after seconds.
"""

_SECTION = re.compile(r"^(?=## )", re.MULTILINE)
_WRITTEN = re.compile(r"^(Written by `make [a-z-]+`)", re.MULTILINE)


def write_section(section: str) -> None:
    """Put *section*, which begins with its heading, in the place of the one with the same heading, or at the end."""
    sections = _SECTION.split(PAGE.read_text())[1:] if PAGE.exists() else []
    by_heading = {_heading(found): found.strip() for found in sections}
    by_heading[_heading(section)] = stamped(section.strip(), datetime.now(UTC), code_digest())
    PAGE.write_text("\n\n".join([HEAD.strip(), _contents(by_heading), *by_heading.values()]) + "\n")


def stamped(section: str, now: datetime, digest: str) -> str:
    """Return *section* with the day and the code behind the name of its command, where it has measured anything."""
    return _WRITTEN.sub(rf"\1 on {now:%Y-%m-%d}, code {digest}", section, count=1)


def machine() -> str:
    """Return what the figures were measured on."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {gigabytes:.0f} GB, {platform.system()} "
        f"{platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def _processor() -> str:
    """Return the processor's name, or its kind where the system does not tell it."""
    named = re.search(r"^model name\s*: (.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return named[1].strip() if named else platform.machine()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _heading(section: str) -> str:
    return section.partition("\n")[0].removeprefix("## ").strip()


def _contents(headings: Iterable[str]) -> str:
    return "\n".join(f"- [{heading}](#{heading.lower().replace(' ', '-')})" for heading in headings)
