"""Long lists: how fast one account reads 10,000 orders, and what everybody else notices of it.

    .venv/bin/python -m benchmarks.order_lists [--seconds 8] [--runs 3] [--write]

Starts a shop of its own in a temporary directory, seeds an account with 10,000 past orders beside 1,000 others, and
asks as one of the others (its balance, an order placed, an order read; one after the other, on a connection each) while
nobody, one client and four clients read the whole list again and again. Then one client reads it beside a program that
reads and encodes the same rows without HTTP, and readers come that stop in the middle. With --write it writes its
section of docs/benchmarks.md and benchmarks/order_lists.json.
"""

import argparse
import json
import multiprocessing
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bare_list import BareReader
from benchmarks.page import machine, write_section
from benchmarks.shop import NOVAPROXY, RunningShop, breaches, environment, query, running_shop
from novaproxy.credentials.keys import decoded
from novaproxy.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
ORDERS = 10_000
OTHERS = 1_000
LISTERS = (0, 1, 4)
STALLED = 16
PACE_SECONDS = 0.002
BALANCE, PLACED, SHOWN = "GET /balance", "POST /orders", "GET /orders/{uuid}"
WHOLE, WALK, ENTRIES = "GET /orders", "GET /orders?limit=500", "GET /balance/entries"
BESIDE_BARE = 8
"""How many times a run reads the list in turn with the bare one."""
ORDER = b'{"plan":"residential","bandwidth":2}'
HEADING = """## Long lists

Written by `make bench-lists`.
"""

Times = dict[str, list[float]]
"""Answer times in seconds by request."""


@dataclass(slots=True)
class Figures:
    """What was measured, one figure a run; by list, or by the number of clients that list and by request."""

    rows: dict[str, int] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    list_seconds: dict[str, list[float]] = field(default_factory=dict)
    streamed_seconds: list[float] = field(default_factory=list)
    bare_seconds: list[float] = field(default_factory=list)
    lists_a_second: dict[int, list[float]] = field(default_factory=dict)
    p50_ms: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    p99_ms: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    max_ms: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    grown_mb: dict[int, list[float]] = field(default_factory=dict)
    stalled_grown_mb: float = 0.0
    stalled_p99_ms: dict[str, float] = field(default_factory=dict)
    breaches: int = 0

    def to_bare(self) -> float:
        """Return how many times as long the list takes over HTTP as its bare rows and JSON."""
        return median(self.streamed_seconds) / median(self.bare_seconds)


@dataclass(frozen=True, slots=True)
class Measured:
    """The shop, the token of who lists, and that of who asks for other things."""

    shop: RunningShop
    collector: str
    other: str


def seed(data_dir: Path, *words: str) -> None:
    """Run ``novaproxy seed``; the demo's own account is no reason to refuse."""
    command = [NOVAPROXY, "seed", *words, "--beside-customers"]
    subprocess.run(command, env=environment(data_dir), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command


def seeded(data_dir: Path) -> tuple[str, str]:
    """Return the tokens of an account with 10,000 orders and of one of the others."""
    first, others = data_dir / "collector.txt", data_dir / "others.txt"
    seed(data_dir, "accounts", "1", "--tokens", str(first))
    seed(data_dir, "orders", str(ORDERS))
    seed(data_dir, "accounts", str(OTHERS), "--credit", "1000000", "--tokens", str(others))
    return tuple(path.read_text().split()[1] for path in (first, others))  # type: ignore[return-value]  # two of two


def request(token: str, path: str) -> bytes:
    """Return a GET whose answer ends with its connection."""
    return (f"GET {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n").encode(
        "ascii"
    )


def received(port: int, token: str, path: str) -> Iterator[bytes]:
    """Yield an answer as it comes, head and all."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(request(token, path))
        while part := line.recv(262_144):
            yield part


def list_in_loop(port: int, token: str, begins: Barrier, is_over: Event, counts: "multiprocessing.Queue[int]") -> None:
    """Read the whole list again and again; a process of its own, so that the asking one is left alone."""
    begins.wait()
    count = 0
    while not is_over.is_set():
        end = b""
        for part in received(port, token, "/orders"):
            end = part
        if not end.endswith(b"0\r\n\r\n"):
            raise SystemExit("a list ended in the middle")
        count += 1
    counts.put(count)


@contextmanager
def listed_by(measured: Measured, clients: int) -> Iterator[list[int]]:
    """Let *clients* clients list while the block runs; their numbers of lists are there after it."""
    spawning = multiprocessing.get_context("spawn")
    begins, is_over, counts = spawning.Barrier(clients + 1), spawning.Event(), spawning.Queue()
    arguments = (measured.shop.port, measured.collector, begins, is_over, counts)
    processes = [spawning.Process(target=list_in_loop, args=arguments) for _ in range(clients)]
    told: list[int] = []
    for process in processes:
        process.start()
    begins.wait(30)
    try:
        yield told
    finally:
        is_over.set()
        told += [counts.get(timeout=60) for _ in processes]
        for process in processes:
            process.join(30)


class Asking:
    """One of the others, with a connection for each thing that he asks."""

    def __init__(self, measured: Measured) -> None:
        self._headers = {"Authorization": f"Bearer {measured.other}", "Content-Type": "application/json"}
        self._lines = {name: HTTPConnection("127.0.0.1", measured.shop.port) for name in (BALANCE, PLACED, SHOWN)}
        self._uuid = json.loads(self._asked(PLACED, "/orders", ORDER))["uuid"]

    def _asked(self, name: str, path: str, body: bytes | None = None) -> bytes:
        line = self._lines[name]
        line.request(name.partition(" ")[0], path, body, self._headers)
        response = line.getresponse()
        answer = response.read()
        if response.status not in (200, 201):
            raise SystemExit(f"{name}: {response.status} {answer!r}")
        return answer

    def times(self, seconds: float) -> Times:
        """Ask for *seconds*, one thing after the other, and return how long each answer took."""
        taken: Times = {name: [] for name in self._lines}
        for line in self._lines.values():
            # The service closes what was idle for some seconds; the next request opens it again.
            line.close()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for name, path, body in (
                (BALANCE, "/balance", None),
                (PLACED, "/orders", ORDER),
                (SHOWN, f"/orders/{self._uuid}", None),
            ):
                began = time.perf_counter()
                self._asked(name, path, body)
                taken[name].append(time.perf_counter() - began)
                time.sleep(PACE_SECONDS)
        return taken


def percentile_ms(times: list[float], share: float) -> float:
    """Return the time within which *share* of the answers came, in milliseconds."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def memory_mb(pid: int, what: str) -> float:
    """Return a process's ``VmRSS`` (what it has now) or ``VmHWM`` (the most that it had)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {what} of process {pid}")


def forget_peak(pid: int) -> None:
    """Let ``VmHWM`` begin anew at what the process has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def measure(seconds: float, runs: int) -> Figures:
    """Run everything and return the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="novaproxy-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        with EmbeddedPostgres(data_dir) as server, running_shop(data_dir) as shop:
            target = server.address.arguments()
            measured = Measured(shop, *seeded(data_dir))
            query(target, "VACUUM ANALYZE")
            query(target, "CHECKPOINT")
            asking = Asking(measured)
            asking.times(2)
            calm_mb = memory_mb(shop.worker_pid, "VmRSS")
            for number in range(runs):
                for clients in LISTERS if number % 2 == 0 else LISTERS[::-1]:
                    _measure_others(figures, measured, asking, clients, seconds, calm_mb)
            for _ in range(runs):
                _measure_lists(figures, measured)
            with bare_reader(data_dir, target, measured) as bare:
                for _ in range(runs):
                    _measure_beside_bare(figures, measured, bare)
            _measure_stalled(figures, measured, asking, seconds)
            figures.breaches = breaches(target)
    return figures


def _measure_others(
    figures: Figures, measured: Measured, asking: Asking, clients: int, seconds: float, calm_mb: float
) -> None:
    forget_peak(measured.shop.worker_pid)
    with listed_by(measured, clients) as counts:
        began = time.perf_counter()
        times = asking.times(seconds)
    # To the end of the last list of each.
    rate = sum(counts) / (time.perf_counter() - began)
    figures.lists_a_second.setdefault(clients, []).append(rate)
    figures.grown_mb.setdefault(clients, []).append(memory_mb(measured.shop.worker_pid, "VmHWM") - calm_mb)
    for name, taken in times.items():
        for kept, share in ((figures.p50_ms, 0.5), (figures.p99_ms, 0.99), (figures.max_ms, 1.0)):
            kept.setdefault(clients, {}).setdefault(name, []).append(percentile_ms(taken, share))
    shown = ", ".join(f"{name} {percentile_ms(taken, 0.99):.1f} ms" for name, taken in times.items())
    print(
        f"{clients} clients list ({rate:.1f} lists/s): p99 {shown}; {figures.grown_mb[clients][-1]:+.1f} MB", flush=True
    )


def _measure_lists(figures: Figures, measured: Measured) -> None:
    reads: dict[str, Callable[[], list[bytes]]] = {
        WHOLE: lambda: [whole(measured, "/orders")],
        WALK: lambda: walk(measured, "/orders?limit=500"),
        ENTRIES: lambda: [whole(measured, "/balance/entries")],
    }
    for name, read in reads.items():
        began = time.perf_counter()
        bodies = read()
        figures.list_seconds.setdefault(name, []).append(time.perf_counter() - began)
        figures.rows[name] = sum(len(json.loads(body)) for body in bodies)
        figures.megabytes[name] = sum(map(len, bodies)) / 1e6
        print(f"{name}: {figures.rows[name]} rows in {figures.list_seconds[name][-1]:.3f} s", flush=True)


@contextmanager
def bare_reader(data_dir: Path, target: Mapping[str, Any], measured: Measured) -> Iterator[BareReader]:
    """Give the reader of the bare list, which is the same to the byte."""
    (email,) = {order["user"]["email"] for order in json.loads(whole(measured, "/orders?limit=1"))}
    (key,) = decoded((data_dir / "sealing.key").read_text(), "the key file")
    bare = BareReader(target, email, key)
    try:
        if bare.body() != whole(measured, "/orders"):
            raise SystemExit("the bare list is another one: there is nothing to compare")
        yield bare
    finally:
        bare.close()


def _measure_beside_bare(figures: Figures, measured: Measured, bare: BareReader) -> None:
    """Read the list in turn over HTTP and bare; the client takes it from the line as it comes, and looks at nothing."""
    for _ in range(BESIDE_BARE):
        figures.bare_seconds.append(bare.seconds())
        began = time.perf_counter()
        for _ in received(measured.shop.port, measured.collector, "/orders"):
            pass
        figures.streamed_seconds.append(time.perf_counter() - began)
    print(f"over HTTP {figures.streamed_seconds[-1]:.3f} s, bare {figures.bare_seconds[-1]:.3f} s", flush=True)


def whole(measured: Measured, path: str) -> bytes:
    """Return the body of a list."""
    line = HTTPConnection("127.0.0.1", measured.shop.port)
    line.request("GET", path, headers={"Authorization": f"Bearer {measured.collector}"})
    return line.getresponse().read()


def walk(measured: Measured, path: str) -> list[bytes]:
    """Return the bodies of a list's pages, as its Link headers lead."""
    line, bodies = HTTPConnection("127.0.0.1", measured.shop.port), []
    while path:
        line.request("GET", path, headers={"Authorization": f"Bearer {measured.collector}"})
        response = line.getresponse()
        bodies.append(response.read())
        path = (response.headers["Link"] or "").partition(">")[0].removeprefix("<")
    return bodies


def _measure_stalled(figures: Figures, measured: Measured, asking: Asking, seconds: float) -> None:
    """Readers that take the beginning of the list and then nothing more."""
    pid = measured.shop.worker_pid
    before_mb = memory_mb(pid, "VmRSS")
    with ExitStack() as stack:
        for _ in range(STALLED):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            line.connect(("127.0.0.1", measured.shop.port))
            line.sendall(request(measured.collector, "/orders"))
            line.recv(1_024)
        # Until each has as much as it is given.
        time.sleep(1)
        times = asking.times(seconds)
        figures.stalled_grown_mb = memory_mb(pid, "VmRSS") - before_mb
    figures.stalled_p99_ms = {name: percentile_ms(taken, 0.99) for name, taken in times.items()}
    print(f"{STALLED} stalled readers: {figures.stalled_p99_ms}, {figures.stalled_grown_mb:+.1f} MB", flush=True)


def section(figures: Figures, seconds: float, runs: int) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        HEADING,
        f"One account has {ORDERS} orders, {OTHERS} others are beside it. {runs} alternating runs of {seconds:g} s a",
        f"point, medians. {machine()}; one API worker.",
        "Load generator, service and database share one machine.",
        "",
        "The whole list as it is streamed, and the same page by page, on one connection:",
        "",
        "| One client reads | rows | MB | seconds | rows/s |",
        "|---|---|---|---|---|",
    ]
    for name, taken in figures.list_seconds.items():
        rate = figures.rows[name] / median(taken)
        lines.append(
            f"| `{name}` | {figures.rows[name]} | {figures.megabytes[name]:.1f} | {median(taken):.2f} | {rate:.0f} |"
        )
    lines += [
        "",
        "The whole list read from the socket and not parsed, in turn with the same statements and the same JSON",
        f"without HTTP (`benchmarks/bare_list.py`), {len(figures.bare_seconds)} times each, apart from that table:",
        f"{median(figures.streamed_seconds):.3f} s and {median(figures.bare_seconds):.3f} s,",
        f"**{figures.to_bare():.2f} times** as long.",
        "",
        "What a customer waits who asks for other things meanwhile, one after the other:",
        "",
        "| Clients that list in a loop | lists/s | request | p50 | p99 | max | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for clients, by_name in figures.p50_ms.items():
        for name in by_name:
            lines.append(_row(figures, clients, name))
    stalled = ", ".join(f"`{name}` {taken:.1f} ms" for name, taken in figures.stalled_p99_ms.items())
    lines += [
        "",
        "Memory is what the worker had at most in any run beyond what it had before the first list.",
        f"{STALLED} readers that stop in the middle hold {figures.stalled_grown_mb:.1f} MB together;",
        f"p99 of the others meanwhile: {stalled}.",
        f"Breaches that `novaproxy audit` found afterwards: {figures.breaches}.",
        "",
    ]
    return "\n".join(lines)


def _row(figures: Figures, clients: int, name: str) -> str:
    p50, p99, most = (
        f"{median(kept[clients][name]):.1f} ms" for kept in (figures.p50_ms, figures.p99_ms, figures.max_ms)
    )
    rate = f"{median(figures.lists_a_second[clients]):.1f}" if clients else ""
    grown = f"{max(figures.grown_mb[clients]):+.1f} MB" if clients else ""
    return f"| {clients} | {rate} | `{name}` | {p50} | {p99} | {most} | {grown} |"


def main() -> None:
    """Measure, print the section, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each run of each point")
    parser.add_argument("--runs", type=int, default=3, help="of each point")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/order_lists.json")
    given = parser.parse_args()
    figures = measure(given.seconds, given.runs)
    text = section(figures, given.seconds, given.runs)
    print(text)
    if given.write:
        write_section(text)
        (HERE / "order_lists.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
    if figures.breaches or figures.rows[WHOLE] != ORDERS or figures.rows[WALK] != ORDERS:
        raise SystemExit("lists or books are not whole: these figures count for nothing")


if __name__ == "__main__":
    main()
