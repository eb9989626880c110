"""The order rate with 1, 2 and 4 API workers, and with two services on one database; what an order costs in each.

    .venv/bin/python -m benchmarks.workers [--seconds 4] [--runs 3] [--write]

Starts a PostgreSQL of its own in a temporary directory with the durable settings of every installation, loads 10,000
accounts with 100,000 orders, and starts the service in each layout in turn, forwards and backwards. Afterwards it
audits the books: where they do not hold, or an order that was answered is not there, it fails. With --write it writes
its section of docs/benchmarks.md and benchmarks/workers.json. The usual runs take less than 5 minutes.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlencode

from benchmarks.page import write_section
from benchmarks.peers.carriers import free_port
from benchmarks.processes import cpu_seconds, family
from benchmarks.rate.sides import postmaster_pid
from benchmarks.rate.start import ACCOUNTS, ORDERS, prepare, shown_settings
from benchmarks.shop import NOVAPROXY, breaches, environment, query, running_shop
from benchmarks.wire import Run, placed_orders
from benchmarks.workers_section import CASES, LAYOUTS, Case, Figures, WorkersRun, section
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target

HERE = Path(__file__).parent
START_SECONDS = 30.0
WARMING_SECONDS = 1.0
EVERYBODY = range(1, ACCOUNTS + 1)
_KEPT = "SELECT count(*), count(DISTINCT created_at) FROM orders WHERE uuid = ANY ($1::uuid[])"
_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'novaproxy' AND backend_type = 'client backend'"
)


class Service:
    """``novaproxy serve`` with so many workers, on a database that is there already."""

    def __init__(self, url: str, data_dir: Path, workers: int) -> None:
        self.port = free_port()
        command = [NOVAPROXY, "serve", "--no-migrate", "--port", str(self.port), "--workers", str(workers)]
        self._process = subprocess.Popen(  # noqa: S603 -- our own command
            command, env=environment(data_dir) | {"NOVAPROXY_DATABASE_URL": url}, stdout=subprocess.DEVNULL
        )
        self._workers = workers

    def workers(self) -> list[int]:
        """Return the process ids of those that answer requests."""
        return [
            pid
            for pid in family(self._process.pid)
            if b"novaproxy.serving.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def wait_until_open(self) -> None:
        """Wait until all workers are there and one says that it is ready."""
        deadline = time.monotonic() + START_SECONDS
        while len(self.workers()) < self._workers or not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit("the service did not open")
            time.sleep(0.1)
        # The others are as old.
        time.sleep(1)

    def _is_ready(self) -> bool:
        line = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            line.request("GET", "/ready")
            return line.getresponse().status == 200
        except OSError:
            return False
        finally:
            line.close()

    def end(self) -> None:
        """End it, drained."""
        self._process.terminate()
        self._process.wait(30)


def url(target: Target) -> str:
    """Return *target*, on a socket, as NOVAPROXY_DATABASE_URL takes it."""
    place = urlencode({"host": target["host"], "port": target["port"]})
    return f"postgresql://{quote(target['user'])}:{quote(target['password'], safe='')}@/{target['database']}?{place}"


@contextmanager
def services(service_target: Target, data_dir: Path, workers: Sequence[int]) -> Iterator[list[Service]]:
    """Run services with so many *workers* each on one database."""
    with ExitStack() as stack:
        started = []
        for number in workers:
            started.append(Service(url(service_target), data_dir, number))
            stack.callback(started[-1].end)
        for service in started:
            service.wait_until_open()
        yield started


def ordered(started: Sequence[Service], case: Case, connections: int, seconds: float, seed: int) -> Run:
    """Place orders at all of *started* at once, on *connections* together, and return what was seen."""
    each = connections // len(started)
    with ThreadPoolExecutor(len(started)) as threads:
        runs = list(
            threads.map(
                lambda place: placed_orders(
                    started[place].port, case.accounts or EVERYBODY, each, seconds, seed * 10 + place
                ),
                range(len(started)),
            )
        )
    together = Run(max(run.seconds for run in runs))
    for run in runs:
        together.uuids += run.uuids
        together.times += run.times
        for status, count in run.refusals.items():
            together.refusals[status] = together.refusals.get(status, 0) + count
    return together


def measured(
    started: Sequence[Service], target: Target, postmaster: int, case: Case, seconds: float, seed: int
) -> WorkersRun:
    """Place the orders of *case*, and return what they took."""
    pids = [pid for service in started for pid in service.workers()]
    connections = case.connections(len(pids))
    before = [cpu_seconds(pid) for pid in pids]
    postgres, own = cpu_seconds(postmaster), time.process_time()
    run = ordered(started, case, connections, seconds, seed)
    own, postgres = time.process_time() - own, cpu_seconds(postmaster) - postgres
    used = [cpu_seconds(pid) - so_far for pid, so_far in zip(pids, before, strict=True)]
    sessions = query(target, _SESSIONS)[0][0]
    kept, commits = query(target, _KEPT, [uuid.decode() for uuid in run.uuids])[0]
    placed = max(1, len(run.uuids))
    return WorkersRun(
        connections=connections,
        rate=kept / run.seconds,
        missing=len(run.uuids) - kept,
        refused=sum(run.refusals.values()),
        orders_a_commit=kept / max(1, commits),
        p50_ms=run.percentile_ms(0.5),
        p99_ms=run.percentile_ms(0.99),
        workers_us=1e6 * sum(used) / placed,
        postgres_us=1e6 * postgres / placed,
        load_us=1e6 * own / placed,
        busiest=max(used) / max(0.01, sum(used)),
        sessions=sessions,
    )


def measure(seconds: float, runs: int, orders: int) -> Figures:
    """Run all layouts, forwards and backwards in turn, and return the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server:
            target: Target = {**server.address.arguments()}
            with running_shop(data_dir):
                prepare(target, orders=orders)
            figures.settings = shown_settings(target)
            postmaster = postmaster_pid(data_dir)
            for number in range(runs):
                names = list(LAYOUTS)
                for name in names if number % 2 == 0 else names[::-1]:
                    with services({**server.service_address.arguments()}, data_dir, LAYOUTS[name]) as started:
                        ordered(started, CASES[0], CASES[0].connections(1), WARMING_SECONDS, seed=0)
                        for case in CASES:
                            run = measured(started, target, postmaster, case, seconds, number + 1)
                            figures.note(name, case, run)
                            print(f"run {number + 1}: {name}, {case.name}: {run.rate:.0f} orders/s", flush=True)
            figures.breaches = breaches(target)
    return figures


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each run of each point")
    parser.add_argument("--runs", type=int, default=3, help="of each layout")
    parser.add_argument("--orders", type=int, default=ORDERS, help="that are there before the first run")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/workers.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.runs, given.orders)
    text = section(figures, given.seconds, given.runs)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "workers.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
    if figures.missing or figures.breaches:
        raise SystemExit("the books do not hold: these figures count for nothing")


if __name__ == "__main__":
    main()
