"""What the gateway costs beside other proxies: CPU for each GB and each new tunnel, memory of idle ones, capacity.

    .venv/bin/python -m benchmarks.gateway [--gb 8] [--runs 5] [--without NAME] [--write]

Each carrier is started once and takes its turn in each run. The CPU is user and system time of the process that
carries, with its threads and children, from /proc/PID/stat. With --write it writes docs/benchmarks.md and
benchmarks/gateway.json.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.page import machine, write_section
from benchmarks.peers.carriers import CARRIERS, Carrier, find
from benchmarks.peers.load import fetch, idle, origin

HERE = Path(__file__).parent
STREAMS = 4
SMALL_BYTES = 100
WARM_TUNNELS = 50
SETTLE_SECONDS = 1.0
DEBIAN = ("haproxy", "squid")
NAMES = {
    "gateway": "**NovaProxy's gateway**",
    "bare": "its entrance and engine, without admission and meter",
    "haproxy": "HAProxy, TCP mode with splice (forwards only)",
    "squid": "Squid, CONNECT without passwords",
    "streams": "a proxy on asyncio's streams",
}
HEADING = """## The gateway

Written by `make bench-gateway`.
"""


def idle_kib(carrier: Carrier, tunnels: int) -> float:
    """Return the KiB of memory that each of *tunnels* takes on which nothing moves."""
    fetch(carrier.way, WARM_TUNNELS, SMALL_BYTES, STREAMS)
    time.sleep(SETTLE_SECONDS)
    before_bytes = carrier.resident_bytes()
    with idle(carrier.way, tunnels):
        time.sleep(SETTLE_SECONDS)
        grown_bytes = carrier.resident_bytes() - before_bytes
    time.sleep(SETTLE_SECONDS)
    return grown_bytes / tunnels / 1024


def transfer(carrier: Carrier, gigabytes: int) -> dict[str, float]:
    """Fetch *gigabytes* on several tunnels at once; return the CPU seconds for each GB of 10**9 bytes, and Gbit/s."""
    begun_at, before = time.monotonic(), carrier.cpu_seconds()
    fetch(carrier.way, STREAMS, gigabytes * 10**9 // STREAMS, STREAMS)
    seconds = time.monotonic() - begun_at
    return {"cpu_s_per_gb": (carrier.cpu_seconds() - before) / gigabytes, "gbit_s": 8 * gigabytes / seconds}


def new_tunnels(carrier: Carrier, tunnels: int) -> float:
    """Return the milliseconds of CPU that a new tunnel takes, with a small answer and its end."""
    before = carrier.cpu_seconds()
    fetch(carrier.way, tunnels, SMALL_BYTES, STREAMS)
    return 1000 * (carrier.cpu_seconds() - before) / tunnels


def measure(names: Sequence[str], gigabytes: int, runs: int, tunnels: int) -> dict[str, dict[str, Any]]:
    """Run everything, and return the figures of each carrier."""
    figures: dict[str, dict[str, Any]] = {name: {"cpu_s_per_gb": [], "gbit_s": [], "tunnel_ms": []} for name in names}
    with ExitStack() as stack:
        port = stack.enter_context(origin())
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="novaproxy-bench-")))
        carriers: dict[str, Carrier] = {}
        for name in names:
            (root / name).mkdir()
            carriers[name] = stack.enter_context(CARRIERS[name](root / name, port))
            figures[name]["idle_kib"] = idle_kib(carriers[name], tunnels)
        for _ in range(runs):
            for name, carrier in carriers.items():
                for key, value in transfer(carrier, gigabytes).items():
                    figures[name][key].append(value)
                figures[name]["tunnel_ms"].append(new_tunnels(carrier, tunnels))
                print(f"{name}: {figures[name]}", flush=True)
    return figures


def page(figures: dict[str, dict[str, Any]], gigabytes: int, runs: int, tunnels: int) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        HEADING,
        f"{runs} alternating runs, medians and ranges; {STREAMS} parallel downloads of together {gigabytes} GB (10**9",
        f"bytes) over loopback, then {tunnels} new tunnels with an answer of {SMALL_BYTES} bytes, {STREAMS} at a time.",
        f"{machine()}. Load, origin and carrier share one machine, and the origin sends by `sendfile`.",
        "CPU is user and system time of the process that carries, with threads and children, read alike for all;",
        "PostgreSQL, which hears of a metered order about once a second, is not in it.",
        f"Memory is what that process grew by for each of {tunnels} idle tunnels, before it carried anything large.",
        "HAProxy opens no tunnel by itself: its clients reach the origin without CONNECT, which is less work.",
        "It has one thread, and pipes of 1 MiB as the gateway has.",
        "",
        "| | CPU s a GB | range | to HAProxy | CPU ms a new tunnel | KiB an idle tunnel | Gbit/s of one process |",
        "|---|---|---|---|---|---|---|",
    ]
    peer = median(figures["haproxy"]["cpu_s_per_gb"]) if "haproxy" in figures else None
    for name, found in figures.items():
        cpu = found["cpu_s_per_gb"]
        ratio = f"{median(cpu) / peer:.2f}" if peer else ""
        lines.append(
            f"| {NAMES[name]} | {median(cpu):.2f} | {min(cpu):.2f} to {max(cpu):.2f} | {ratio} "
            f"| {median(found['tunnel_ms']):.2f} | {found['idle_kib']:.1f} | {median(found['gbit_s']):.1f} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tunnels", type=int, default=2_000)
    parser.add_argument("--without", action="append", default=[], choices=sorted(NAMES), help="leave a carrier out")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/gateway.json")
    given = parser.parse_args()
    for name in DEBIAN:
        if name not in given.without and find(name) is None:
            raise SystemExit(f"{name} is missing: apt-get install {name} (Debian), or leave it out: --without {name}")
    names = [name for name in NAMES if name not in given.without]
    figures = measure(names, given.gb, given.runs, given.tunnels)
    text = page(figures, given.gb, given.runs, given.tunnels)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "gateway.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
