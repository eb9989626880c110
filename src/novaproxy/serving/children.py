"""The supervisor's processes: how one is started, gets its orders, and is waited for."""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from novaproxy.database.pool import Target
from novaproxy.errors import OperatorError
from novaproxy.serving.handover import DRAIN_SECONDS, DutyOrders, GatewayOrders, WorkerOrders
from novaproxy.settings import GatewaySettings, Limits, LogFormat
from novaproxy.usage.witness import Witness

START_SECONDS = 30.0
KILL_SECONDS = DRAIN_SECONDS + 3.0
"""How long a process may take to end before it is killed."""

_SUPERVISORS_OWN = ("NOVAPROXY_DATABASE_URL", "NOVAPROXY_DATABASE_OWNER_URL", "NOVAPROXY_SEALING_KEY")
"""Secrets that a process gets with its orders, or has no business with: none of them is in its environment."""

log = structlog.get_logger("novaproxy.supervisor")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How gateways are run: *demo* is where the demo page is served, None where there is none."""

    settings: GatewaySettings
    counters_dir: Path
    demo: socket.socket | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """What all processes of a service are told; *metrics_token* opens ``/metrics`` from elsewhere.

    Without a *listener* no orders are taken, without *delivery* no proxies are served.
    """

    target: Target
    sealing_keys: tuple[bytes, ...] = field(repr=False)
    listener: socket.socket | None
    delivery: Delivery | None = None
    log_format: LogFormat = LogFormat.LOGFMT
    metrics_token: str | None = field(default=None, repr=False)
    has_access_log: bool = False
    limits: Limits | None = None


@dataclass(slots=True)
class Child:
    """A process, and the pipe whose end tells it that the supervisor is gone. *name* is what faults call it.

    *witness* has the pipes of a gateway, and tells after its end what it was in the middle of.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    witness: Witness | None = None

    def hand_over(self, orders: DutyOrders) -> None:
        """Give it its orders.

        Raises:
            OperatorError: it ended before it took them.
        """
        if self.process.stdin is None:
            raise AssertionError("a pipe was asked for")
        try:
            self.process.stdin.write(msgspec.json.encode(orders) + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise OperatorError(f"{self.name} ended at its start (exit status {self.process.wait()}).") from error

    def wait_until_ready(self, ready: int) -> None:
        """Wait until it says so through *ready*.

        Raises:
            OperatorError: it ended at once, or took too long.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(ready, selectors.EVENT_READ)
            if not selector.select(START_SECONDS):
                raise OperatorError(f"{self.name} was not ready after {START_SECONDS:.0f} seconds.")
        if os.read(ready, 1) != b"1":
            raise OperatorError(f"{self.name} ended at its start (exit status {self.process.wait()}).")

    def end(self) -> None:
        """Ask it to finish what is under way and end."""
        self.process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait for its end; kill it past *deadline* (monotonic)."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            log.warning("process killed: it did not end in time", process=self.name, pid=self.process.pid)
        if self.process.stdin is not None:
            # What it did not read is still buffered where it died at its start.
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        if self.witness is not None:
            self.witness.testify()
            self.witness = None

    def discard(self) -> None:
        """Kill it: its start went wrong."""
        self.process.kill()
        self.wait(time.monotonic() + 1)


def _launched(name: str, module: str, descriptors: tuple[int, ...] = ()) -> Child:
    process = subprocess.Popen(  # noqa: S603 -- our own module
        # -P: a file in the working directory is no module of ours.
        [sys.executable, "-P", "-m", module],
        env={name: written for name, written in os.environ.items() if name not in _SUPERVISORS_OWN},
        stdin=subprocess.PIPE,
        pass_fds=descriptors,
        # In the terminal's group Ctrl-C would reach the processes before the supervisor can end them in order.
        start_new_session=True,
    )
    return Child(name, process)


def started_worker(service: Service, place: str, directory: str | None) -> Child:
    """Start a worker and return it once it accepts; *directory* and *place* are where its figures are kept.

    Raises:
        OperatorError: it ended at once, or took too long.
    """
    if service.listener is None:
        raise AssertionError("a worker has something to listen on")
    listener = service.listener.fileno()

    def orders(ready: int) -> WorkerOrders:
        return WorkerOrders(
            database=dict(service.target),
            log_format=service.log_format,
            metrics_directory=directory,
            place=place,
            sealing_keys=service.sealing_keys,
            metrics_token=service.metrics_token,
            has_access_log=service.has_access_log,
            limits=service.limits,
            listener=listener,
            ready=ready,
        )

    return _started_ready("An API worker", "novaproxy.serving.worker", (listener,), orders)


def started_gateway(service: Service, place: str, directory: str | None) -> Child:
    """Start a gateway and return it once it has tried to listen; *directory* as for a worker.

    Raises:
        OperatorError: it ended at once, or took too long.
    """
    delivery = service.delivery
    if delivery is None:
        raise AssertionError("a gateway has something to deliver")
    demo = delivery.demo.fileno() if delivery.demo else -1
    witness = Witness(delivery.counters_dir)

    def orders(ready: int) -> GatewayOrders:
        return GatewayOrders(
            database=dict(service.target),
            log_format=service.log_format,
            metrics_directory=directory,
            place=place,
            sealing_keys=service.sealing_keys,
            settings=delivery.settings,
            counters_directory=str(delivery.counters_dir),
            witness=witness.number,
            pipes=tuple(witness.pipes),
            demo=demo,
            ready=ready,
        )

    descriptors = witness.descriptors if delivery.demo is None else (*witness.descriptors, demo)
    return _started_ready("A gateway", "novaproxy.serving.gateway", descriptors, orders, witness)


def _started_ready(
    name: str,
    module: str,
    descriptors: tuple[int, ...],
    orders: Callable[[int], DutyOrders],
    witness: Witness | None = None,
) -> Child:
    """Start a process that inherits *descriptors*, hand its orders over, and wait until it says that it is ready."""
    ready, ready_end = os.pipe()
    try:
        try:
            child = _launched(name, module, (*descriptors, ready_end))
            child.witness = witness
        finally:
            os.close(ready_end)
        try:
            child.hand_over(orders(ready_end))
            child.wait_until_ready(ready)
        except BaseException:
            child.discard()
            raise
    finally:
        os.close(ready)
    return child


def started_duties(service: Service, place: str, directory: str | None) -> Child:
    """Start the process of the duties and return it at once: nobody waits for it; *directory* as for a worker.

    Raises:
        OperatorError: it ended before it took its orders.
    """
    keeper = _launched("The process of the duties", "novaproxy.serving.duties")
    orders = DutyOrders(
        database=dict(service.target), log_format=service.log_format, metrics_directory=directory, place=place
    )
    try:
        keeper.hand_over(orders)
    except BaseException:
        keeper.discard()
        raise
    return keeper
