"""The service as its user starts it: ``novaproxy serve`` with its processes, for tests that kill and freeze them."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote, urlencode

import httpx

from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target, opened_connection
from roles import as_service

EFFORT = int(os.environ.get("NOVAPROXY_TEST_EFFORT", "1"))
"""How many times longer than a quick run the races and faults go on."""

SEALING_KEY_TEXT = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
START_SECONDS = 30.0
END_SECONDS = 20.0
_OPEN = re.compile(r"is open at (http://\S+)")


def seeded(name: str) -> Random:
    """Return randomness that NOVAPROXY_TEST_SEED repeats; the seed is printed with a failure."""
    seed = int(os.environ.get("NOVAPROXY_TEST_SEED", str(time.time_ns() % 1_000_000)))
    sys.stdout.write(f"{name}: NOVAPROXY_TEST_SEED={seed}\n")
    return Random(f"{name} {seed}")


def within(seconds: float, happens: Callable[[], bool], what: str) -> float:
    """Wait until *happens*, and return how long that took; fail after *seconds*."""
    begun_at = time.monotonic()
    while not happens():
        assert time.monotonic() - begun_at < seconds, f"not within {seconds} seconds: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun_at


def url(target: Target) -> str:
    """Return *target* as NOVAPROXY_DATABASE_URL takes it; the host may be a socket's directory."""
    place = urlencode({"host": target["host"], "port": target["port"]})
    return f"postgresql://{quote(target['user'])}:{quote(target['password'], safe='')}@/{target['database']}?{place}"


def on_database(target: Target) -> dict[str, str]:
    """Return the environment of a service on the operator's own database, which may not rewrite it."""
    return {
        "NOVAPROXY_DATABASE_URL": url(as_service(target)),
        "NOVAPROXY_SEALING_KEY": SEALING_KEY_TEXT,
        "NOVAPROXY_RATE_LIMIT": "off",
    }


def _processes() -> dict[int, tuple[int, str]]:
    """Return the parent of each living process, and its command."""
    # Unasked, ps cuts what it tells at 80 columns.
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 -- ps, with words of ours
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return {int(pid): (int(parent), "".join(words)) for pid, parent, state, *words in rows if not state.startswith("Z")}


def process_tree(pid: int) -> list[int]:
    """Return *pid* and the children of it that live; none where it does not."""
    living = _processes()
    return [pid, *(child for child, (parent, _) in living.items() if parent == pid)] if pid in living else []


class Service:
    """``novaproxy serve`` in a ``with`` block: started, killed and started again at will, and gone at its end."""

    def __init__(self, environment: Mapping[str, str], *, workers: int = 1, migrates: bool = True) -> None:
        self._environment = environment
        self._workers = workers
        self._migrates = migrates
        self._known: set[int] = set()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the service
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self._port = 0
        self._said: list[str] = []
        self.address = ""

    def __enter__(self) -> Self:
        try:
            self.launch()
            self.wait_until_open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process(self) -> subprocess.Popen[str]:
        """The supervisor."""
        assert self._process is not None, "the service was not started"
        return self._process

    def launch(self) -> None:
        """Start the service, on the same port each time, without waiting for it."""
        kept = {name: word for name, word in os.environ.items() if not name.startswith("NOVAPROXY_")}
        self._said = []
        self._process = subprocess.Popen(  # noqa: S603 -- our own command
            self.command(),
            env={**kept, "NOVAPROXY_GATEWAY": "off", **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self._readers.append(threading.Thread(target=_read, args=(self._process.stdout, self._said)))
        self._readers[-1].start()

    def command(self) -> list[str]:
        """Return the command that starts it."""
        return [str(Path(sys.executable).with_name("novaproxy")), *self.words()]

    def words(self) -> list[str]:
        """Return the words of its command."""
        words = ["serve", "--workers", str(self._workers), "--port", str(self._port)]
        return words if self._migrates else [*words, "--no-migrate"]

    def wait_until_open(self) -> None:
        """Wait until the service says where it is open."""
        within(
            START_SECONDS, lambda: bool(_OPEN.search(self.said)) or self.process.poll() is not None, "an open service"
        )
        found = _OPEN.search(self.said)
        assert found, f"the service ended with {self.process.poll()}: {self.log()}"
        self.address = found[1]
        self._port = int(self.address.rpartition(":")[2])
        within(START_SECONDS, lambda: len(self.worker_pids()) == self._workers, "its workers")

    @property
    def said(self) -> str:
        """What it wrote to standard output since it was last started."""
        return "".join(list(self._said))

    def log(self) -> str:
        """Return what it wrote to standard error."""
        return os.pread(self._log.fileno(), 10_000_000, 0).decode()

    def worker_pids(self) -> list[int]:
        """Return the living API workers of the living supervisor."""
        return self._children("novaproxy.serving.worker")

    def gateway_pids(self) -> list[int]:
        """Return the living gateways of the living supervisor."""
        return self._children("novaproxy.serving.gateway")

    def duties_pid(self) -> int | None:
        """Return the living process of the duties, None while there is none."""
        return next(iter(self._children("novaproxy.serving.duties")), None)

    def _children(self, module: str) -> list[int]:
        found = {pid: words for pid, (parent, words) in _processes().items() if parent == self.process.pid}
        self._known.update(found)
        return [pid for pid, words in found.items() if words.endswith(module)]

    def is_ready(self) -> bool:
        """Return whether ``/ready`` says so."""
        try:
            return httpx.get(f"{self.address}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kill supervisor, workers and duties as the kernel's out-of-memory killer would."""
        self.kill_supervisor()
        for pid in self._left():
            _send(pid, signal.SIGKILL)
        within(END_SECONDS, lambda: not self._left(), "the end of all processes that were killed")

    def kill_supervisor(self) -> None:
        """Kill the supervisor alone."""
        self.worker_pids()
        self.process.kill()
        self.process.wait(END_SECONDS)

    def kill_worker(self) -> None:
        """Kill one worker alone."""
        self.kill_process(self.worker_pids()[0])

    def kill_process(self, pid: int) -> None:
        """Kill one of its processes alone."""
        _send(pid, signal.SIGKILL)

    def freeze_worker(self) -> int:
        """Stop one worker in the middle of what it does, and return its process id."""
        pid = self.worker_pids()[0]
        _send(pid, signal.SIGSTOP)
        return pid

    def restart(self) -> None:
        """Start it again after its end."""
        self.launch()
        self.wait_until_open()

    def end(self) -> int:
        """Ask it to end, as ``kill`` and systemd do; return its exit status."""
        self.worker_pids()
        self.process.terminate()
        return self.process.wait(END_SECONDS)

    def _left(self) -> set[int]:
        return self._known & _processes().keys()

    def close(self) -> None:
        """End whatever still runs."""
        if self._process is not None:
            if self._process.poll() is None:
                self.worker_pids()
                self._process.kill()
                self._process.wait(END_SECONDS)
            for pid in self._left():
                _send(pid, signal.SIGKILL)
            for reader in self._readers:
                reader.join(END_SECONDS)
        self._log.close()


class Gateway(Service):
    """``novaproxy gateway`` in a ``with`` block: proxies alone. *processes* share its ports."""

    def __init__(self, environment: Mapping[str, str], *, processes: int = 1) -> None:
        super().__init__({**environment, "NOVAPROXY_GATEWAY_PROCESSES": str(processes)}, workers=0)
        self._processes = processes

    def words(self) -> list[str]:
        """Return the words of its command."""
        return ["gateway"]

    def wait_until_open(self) -> None:
        """Wait until the gateway says where it serves."""
        within(
            START_SECONDS,
            lambda: "serves proxies" in self.said or self.process.poll() is not None,
            "a gateway that serves",
        )
        assert "serves proxies" in self.said, f"the gateway ended with {self.process.poll()}: {self.log()}"
        within(START_SECONDS, lambda: len(self.gateway_pids()) == self._processes, "its processes")

    def kill_gateways(self) -> list[int]:
        """Kill its processes, as the kernel's out-of-memory killer would; others take their places."""
        pids = self.gateway_pids()
        for pid in pids:
            _send(pid, signal.SIGKILL)
        return pids


def _read(output: IO[str] | None, said: list[str]) -> None:
    assert output is not None
    with output:
        said.extend(iter(output.readline, ""))


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def services(target: Target, count: int = 2, *, workers: int = 1, migrates: bool = True) -> Iterator[list[Service]]:
    """Run *count* services on one database."""
    started = [Service(on_database(target), workers=workers, migrates=migrates) for _ in range(count)]
    try:
        for service in started:
            service.launch()
        for service in started:
            service.wait_until_open()
        yield started
    finally:
        for service in started:
            service.close()


class EmbeddedShop:
    """A service with the embedded PostgreSQL in *data_dir*, as a new user has it: nothing about it is made fast."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.service = Service({"NOVAPROXY_DATA_DIR": str(data_dir), "NOVAPROXY_RATE_LIMIT": "off"})

    def __enter__(self) -> Self:
        try:
            self.service.__enter__()
        except BaseException:
            self._end_database()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.service.close()
        finally:
            self._end_database()

    def _end_database(self) -> None:
        # The last one out stops the server, whoever started it.
        with EmbeddedPostgres(self.data_dir):
            pass

    @property
    def target(self) -> dict[str, Any]:
        """The database; the server must be running."""
        with EmbeddedPostgres(self.data_dir) as server:
            return {**server.address.arguments()}

    def signal_database(self, number: signal.Signals) -> int:
        """Send a signal to the server of the database and return its process id."""
        pid = int((self.data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        _send(pid, number)
        return pid


@contextmanager
def held(target: Target, statement: str, *arguments: object) -> Iterator[None]:
    """Hold what *statement* locks in a session that then does nothing, as a forgotten console would."""
    with asyncio.Runner() as runner:
        connection = runner.run(opened_connection(target, idle_in_transaction_session_timeout="0"))
        try:
            runner.run(connection.execute("BEGIN"))
            runner.run(connection.fetch(statement, *arguments))
            yield
            runner.run(connection.execute("ROLLBACK"))
        finally:
            connection.terminate()
