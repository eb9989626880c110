"""What it takes to run the shop: seconds to the first order, and memory at rest and under load.

    .venv/bin/python -m benchmarks.footprint [--starts 5] [--seconds 20] [--write]

Starts the demo shop with all its processes (an API worker, a gateway, the duties, PostgreSQL) in temporary directories.
With --write it writes docs/benchmarks.md and benchmarks/footprint.json.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.memory import CONNECTIONS, SETTLE_SECONDS, Held, Memory, measure_memory
from benchmarks.page import machine, write_section
from benchmarks.startup import Starts, measure_starts

HERE = Path(__file__).parent
START_HEADING = """## Start

Written by `make bench-curves`.
"""
MEMORY_HEADING = """## Memory

Written by `make bench-curves`.
"""


def start_section(new: Starts, existing: Starts) -> str:
    """Return the section of docs/benchmarks.md about starting."""
    lines = [
        START_HEADING,
        "`novaproxy serve --demo`, from the start of the command until its first order is answered with 201, on a new",
        "data directory and again on the one that is there then; the system has the files in its cache.",
        f"{len(new.first_order)} starts each, medians and ranges. {machine()}.",
        "",
        "| Seconds | new data directory | range | existing one | range |",
        "|---|---|---|---|---|",
        f"| **until the first 201** | **{_seconds(new.first_order)} | **{_seconds(existing.first_order)} |",
    ]
    for step, taken in new.steps.items():
        lines.append(f"| {step} | {_shown(taken)} | {_shown(existing.steps.get(step, []))} |")
    return "\n".join([*lines, ""])


def _seconds(taken: list[float]) -> str:
    return f"{median(taken):.2f}** | {min(taken):.2f} to {max(taken):.2f}"


def _shown(taken: list[float]) -> str:
    return f"{median(taken):.2f} | {min(taken):.2f} to {max(taken):.2f}" if taken else " | "


def memory_section(memory: Memory, seconds: float) -> str:
    """Return the section of docs/benchmarks.md about memory."""
    lines = [
        MEMORY_HEADING,
        "MiB by kind of process. PSS counts a page that several processes share in parts, so that it may be summed;",
        f"RSS counts it whole in each. At rest: {SETTLE_SECONDS:g} s after the start of a new shop. Under load: the",
        f"most that was seen while {CONNECTIONS} connections placed orders for {seconds:g} s, closed loop, at",
        f"{memory.orders_a_second:.0f} orders/s. {machine()}.",
        "",
        "| | processes | at rest: PSS | RSS | under load: processes | PSS | RSS |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, rest in memory.at_rest.items():
        load = memory.under_load.get(kind, Held())
        lines.append(f"| {kind} | {_held(rest)} | {_held(load)} |")
    rest_mib = sum(held.pss_mib for held in memory.at_rest.values())
    load_mib = sum(held.pss_mib for held in memory.under_load.values())
    lines += [
        f"| **together** | | **{rest_mib:.0f}** | | | **{load_mib:.0f}** | |",
        "",
        f"Breaches that `novaproxy audit` found afterwards: {memory.breaches}.",
        "",
    ]
    return "\n".join(lines)


def _held(held: Held) -> str:
    return f"{held.processes} | {held.pss_mib:.0f} | {held.rss_mib:.0f}"


def main() -> None:
    """Measure, print the sections, and write them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5, help="on a new data directory, and on an existing one")
    parser.add_argument("--seconds", type=float, default=20, help="of orders, while memory is looked at")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/footprint.json")
    given = parser.parse_args()
    new, existing = measure_starts(given.starts)
    memory = measure_memory(given.seconds)
    sections = [start_section(new, existing), memory_section(memory, given.seconds)]
    print("\n".join(sections))
    if given.write:
        for section in sections:
            write_section(section)
        kept = {"new": asdict(new), "existing": asdict(existing), "memory": asdict(memory)}
        (HERE / "footprint.json").write_text(json.dumps(kept, indent=1) + "\n")
    if memory.breaches:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
