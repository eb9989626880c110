"""What happens when more orders arrive than can be placed: open loop, arrivals at a fixed rate whatever is answered.

    .venv/bin/python -m benchmarks.overload [--seconds 20] [--write]

Finds the best rate of 128 connections in a closed loop, then lets half of it, all of it and twice it arrive, each for
the given time, and audits the books. With --write it writes docs/benchmarks.md and benchmarks/overload.json.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.arrivals import CONNECTIONS, Flood, arrived, missing_orders, percentile_ms
from benchmarks.order_rate import ACCOUNTS, prepare
from benchmarks.page import machine, write_section
from benchmarks.shop import breaches, running_shop
from benchmarks.wire import placed_orders
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
SHARES = (0.5, 1.0, 2.0)
HEADING = """## Overload

Written by `make bench-overload`.
"""


def _figures(flood: Flood) -> dict[str, Any]:
    refused = [seconds for times in flood.refused.values() for seconds in times]
    return {
        "due_a_second": round(flood.due / flood.seconds, 1),
        "placed_a_second": round(len(flood.placed) / flood.seconds, 1),
        "placed_p50_ms": round(percentile_ms(flood.placed, 0.5), 1),
        "placed_p99_ms": round(percentile_ms(flood.placed, 0.99), 1),
        "placed_max_ms": round(percentile_ms(flood.placed, 1.0), 1),
        "refused": {str(status): len(times) for status, times in sorted(flood.refused.items())},
        "refused_p99_ms": round(percentile_ms(refused, 0.99), 1),
        "refused_max_ms": round(percentile_ms(refused, 1.0), 1),
        "without_retry_after": flood.without_retry_after,
        "unanswered": flood.due - len(flood.placed) - len(refused),
    }


def measure(seconds: float) -> dict[str, Any]:
    """Run everything and return the figures."""
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir) as shop:
            target = server.address.arguments()
            prepare(target)
            placed_orders(shop.port, range(1, ACCOUNTS + 1), 32, 2, seed=0)
            best = placed_orders(shop.port, range(1, ACCOUNTS + 1), CONNECTIONS, seconds / 2, seed=1).rate
            print(f"best, {CONNECTIONS} connections in a closed loop: {best:.0f} orders/s", flush=True)
            floods, missing = {}, 0
            for number, share in enumerate(SHARES):
                flood = arrived(shop.port, ACCOUNTS, best * share, seconds, seed=number)
                missing += missing_orders(target, flood.uuids)
                floods[f"{share:g}"] = _figures(flood)
                print(f"{share:g} times: {floods[f'{share:g}']}", flush=True)
            return {"best": round(best, 1), "floods": floods, "missing": missing, "breaches": breaches(target)}


def page(figures: dict[str, Any], seconds: float) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        HEADING,
        f"Orders arrive at a fixed rate for {seconds:g} s, whatever is answered: open loop.",
        f"{machine()}; one API worker.",
        "Load generator, service and database share one machine: sending what is too much takes from the shop as well.",
        "Times go from the moment at which an order was due.",
        f"The best of {CONNECTIONS} connections in a closed loop, just before: {figures['best']:.0f} orders/s.",
        "",
        "| Arrive | orders/s due | placed/s | of the best | 201: p50 | p99 | longest | 503 | p99 | longest |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for share, run in figures["floods"].items():
        lines.append(
            f"| {share} times the best | {run['due_a_second']:.0f} | {run['placed_a_second']:.0f} "
            f"| **{run['placed_a_second'] / figures['best']:.2f}** | {run['placed_p50_ms']:.0f} ms "
            f"| {run['placed_p99_ms']:.0f} ms | {run['placed_max_ms']:.0f} ms | {run['refused'].get('503', 0)} "
            f"| {run['refused_p99_ms']:.0f} ms | {run['refused_max_ms']:.0f} ms |"
        )
    runs = figures["floods"].values()
    others = sum(count for run in runs for status, count in run["refused"].items() if status != "503")
    bare = sum(run["without_retry_after"] for run in runs)
    unanswered = sum(run["unanswered"] for run in runs)
    lines += [
        "",
        f"Refusals without `Retry-After`: {bare}; other answers: {others}; orders without an answer: {unanswered}.",
        f"Orders answered with 201 and not in the database: {figures['missing']}.",
        f"Breaches that `novaproxy audit` found afterwards: {figures['breaches']}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each flood")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/overload.json")
    given = parser.parse_args()
    figures = measure(given.seconds)
    text = page(figures, given.seconds)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "overload.json").write_text(json.dumps(figures, indent=1) + "\n")
    if figures["missing"] or figures["breaches"]:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
