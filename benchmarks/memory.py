"""What each kind of the service's processes holds in memory, at rest and under load.

PSS (proportional set size, from /proc/PID/smaps_rollup) counts a page that n processes share as 1/n in each, so that
sums are true; RSS counts it whole in each. PostgreSQL's buffers are shared by all its processes.
"""

import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.order_rate import ACCOUNTS, prepare
from benchmarks.shop import breaches
from benchmarks.startup import Service, Starts, started
from benchmarks.wire import placed_orders
from novaproxy.database.embedded import EmbeddedPostgres

CONNECTIONS = 128
SETTLE_SECONDS = 5.0
LOOK_SECONDS = 1.0
_KIND = re.compile(rb"novaproxy\.serving\.(worker|duties|gateway)\b")
_NAMES = {b"worker": "API worker", b"duties": "duties", b"gateway": "gateway"}
SUPERVISOR = "supervisor"
POSTGRESQL = "PostgreSQL, all its processes"
_MEMORY = re.compile(r"^(Rss|Pss): +(\d+) kB$", re.MULTILINE)


@dataclass(slots=True)
class Held:
    """MiB that the processes of one kind hold together, and how many they are."""

    processes: int = 0
    pss_mib: float = 0.0
    rss_mib: float = 0.0


@dataclass(slots=True)
class Memory:
    """What was held by kind: after the start, and at most while orders came on 128 connections."""

    at_rest: dict[str, Held] = field(default_factory=dict)
    under_load: dict[str, Held] = field(default_factory=dict)
    orders_a_second: float = 0.0
    breaches: int = 0


def children(pid: int) -> list[int]:
    """Return the children of the process *pid*."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kinds(service: Service) -> dict[str, list[int]]:
    """Return the processes of the service by kind."""
    server = int((service.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    found = {SUPERVISOR: [service.pid]}
    for child in children(service.pid):
        if match := _KIND.search(Path(f"/proc/{child}/cmdline").read_bytes()):
            found.setdefault(_NAMES[match[1]], []).append(child)
    return found | {POSTGRESQL: [server, *children(server)]}


def held(processes: list[int]) -> Held:
    """Return what *processes* hold together."""
    sums = Held()
    for pid in processes:
        # One of PostgreSQL's may end while it is looked at.
        with suppress(OSError):
            read = dict(_MEMORY.findall(Path(f"/proc/{pid}/smaps_rollup").read_text()))
            sums.processes += 1
            sums.pss_mib += int(read["Pss"]) / 1024
            sums.rss_mib += int(read["Rss"]) / 1024
    return sums


def measure_memory(seconds: float) -> Memory:
    """Start a shop with all its processes, look at it at rest, then while orders come for *seconds*."""
    memory = Memory()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with started(data_dir, Starts()) as service, EmbeddedPostgres(data_dir) as server:
            time.sleep(SETTLE_SECONDS)
            memory.at_rest = {kind: held(pids) for kind, pids in kinds(service).items()}
            target = server.address.arguments()
            prepare(target)
            with ThreadPoolExecutor() as threads:
                loading = threads.submit(
                    placed_orders, service.port, range(1, ACCOUNTS + 1), CONNECTIONS, seconds, seed=1
                )
                while not loading.done():
                    time.sleep(LOOK_SECONDS)
                    _keep_most(memory.under_load, kinds(service))
                memory.orders_a_second = loading.result().rate
            memory.breaches = breaches(target)
    return memory


def _keep_most(most: dict[str, Held], found: dict[str, list[int]]) -> None:
    for kind, pids in found.items():
        now = held(pids)
        if kind not in most or now.pss_mib > most[kind].pss_mib:
            most[kind] = now
