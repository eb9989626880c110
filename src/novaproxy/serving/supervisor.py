"""The supervisor: database, migrations, workers; started in this order, ended in reverse, drained.

What dies is started again; what dies again and again ends the service with a clear word.
"""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import structlog

from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from novaproxy.errors import OperatorError
from novaproxy.serving.handover import DRAIN_SECONDS, WorkerOrders

START_SECONDS = 30.0
KILL_SECONDS = DRAIN_SECONDS + 3.0
"""How long a worker may take to end before it is killed."""

_DEATHS = 5
_DEATHS_SECONDS = 30.0
_TICK_SECONDS = 0.25

log = structlog.get_logger("novaproxy.supervisor")


@dataclass(slots=True)
class Worker:
    """A worker process, and the pipe whose end tells it that the supervisor is gone."""

    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """Ask it to answer what is under way and end."""
        self.process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait for its end; kill it past *deadline* (monotonic)."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("worker killed: it did not end in time", pid=self.process.pid)
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            # What it did not read is still buffered where it died at its start.
            with suppress(BrokenPipeError):
                self.process.stdin.close()


def started_worker(target: Target, sealing_key: bytes, listener: socket.socket) -> Worker:
    """Start a worker and return it once it accepts.

    Raises:
        OperatorError: it ended at once, or took too long.
    """
    ready, ready_end = os.pipe()
    try:
        process = subprocess.Popen(
            # -P: a file in the working directory is no module of ours.
            [sys.executable, "-P", "-m", "novaproxy.serving.worker"],
            stdin=subprocess.PIPE,
            pass_fds=(listener.fileno(), ready_end),
            # In the terminal's group Ctrl-C would reach the workers before the supervisor can end them in order.
            start_new_session=True,
        )
    finally:
        os.close(ready_end)
    worker = Worker(process)
    try:
        orders = WorkerOrders(dict(target), sealing_key, listener.fileno(), ready_end)
        _hand_over(process, orders)
        _wait_until_ready(process, ready)
    except BaseException:
        process.kill()
        worker.wait(time.monotonic() + 1)
        raise
    finally:
        os.close(ready)
    return worker


def _hand_over(process: subprocess.Popen[bytes], orders: WorkerOrders) -> None:
    if process.stdin is None:
        raise AssertionError("a pipe was asked for")
    try:
        process.stdin.write(msgspec.json.encode(orders) + b"\n")
        process.stdin.flush()
    except BrokenPipeError as error:
        raise OperatorError(f"An API worker ended at its start (exit status {process.wait()}).") from error


def _wait_until_ready(process: subprocess.Popen[bytes], ready: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(ready, selectors.EVENT_READ)
        if not selector.select(START_SECONDS):
            raise OperatorError(f"An API worker was not ready after {START_SECONDS:.0f} seconds.")
    if os.read(ready, 1) != b"1":
        raise OperatorError(f"An API worker ended at its start (exit status {process.wait()}).")


@dataclass(slots=True)
class Supervisor:
    """Keeps *workers* workers on *listener*, and the embedded database alive."""

    target: Target
    server: EmbeddedPostgres | None
    sealing_key: bytes
    listener: socket.socket
    workers: int
    _running: list[Worker] = field(default_factory=list)
    _deaths: deque[float] = field(default_factory=deque)

    def run(self, announce: Callable[[], None]) -> None:
        """Start the workers, *announce*, and keep all alive until a signal raises KeyboardInterrupt.

        Whatever ends it, the workers are ended first, drained.

        Raises:
            OperatorError: something died again and again, or could not be started again.
        """
        try:
            self._start()
            announce()
            while True:
                time.sleep(_TICK_SECONDS)
                self._mend()
        finally:
            self._end()

    def _start(self) -> None:
        for _ in range(self.workers):
            self._running.append(started_worker(self.target, self.sealing_key, self.listener))

    def _mend(self) -> None:
        if self.server is not None and not self.server.alive():
            log.error("the database died; starting it again")
            self._count_death("The database")
            self.server.revive()
        for place, worker in enumerate(self._running):
            if worker.process.poll() is not None:
                log.error("a worker died; starting another", pid=worker.process.pid, status=worker.process.returncode)
                self._count_death("An API worker")
                worker.wait(0)
                self._running[place] = started_worker(self.target, self.sealing_key, self.listener)

    def _count_death(self, what: str) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths and self._deaths[0] < now - _DEATHS_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) > _DEATHS:
            raise OperatorError(f"{what} died again and again; the service ends. The log above says why.")

    def _end(self) -> None:
        self.listener.close()
        deadline = time.monotonic() + KILL_SECONDS
        for worker in self._running:
            worker.end()
        for worker in self._running:
            worker.wait(deadline)
