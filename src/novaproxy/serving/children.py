"""The supervisor's processes: how one is started, gets its orders, and is waited for.

Between its start and its orders a process imports what it is made of, which takes longer than all the rest: the
database can be opened meanwhile.
"""

import os
import selectors
import socket
import subprocess
import sys
import time
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
class Access:
    """Where the shop's database is, and the keys that seal passwords in it."""

    target: Target = field(repr=False)
    sealing_keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """What all processes of a service are told; *metrics_token* opens ``/metrics`` from elsewhere.

    Without a *listener* no orders are taken, without *delivery* no proxies are served.
    """

    listener: socket.socket | None
    delivery: Delivery | None = None
    log_format: LogFormat = LogFormat.LOGFMT
    metrics_token: str | None = field(default=None, repr=False)
    has_access_log: bool = False
    limits: Limits | None = None


@dataclass(slots=True)
class Child:
    """A process, and the pipe whose end tells it that the supervisor is gone. *name* is what faults call it.

    *ready* is where it says that it is ready, until it has, None where it never does; it has its own end of that pipe
    as number *ready_end*. *witness* has the pipes of a gateway, and tells after its end what it was in the middle of.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    ready: int | None = None
    ready_end: int = -1
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

    def wait_until_ready(self) -> None:
        """Wait until it says so; one that never does is not waited for.

        Raises:
            OperatorError: it ended at once, or took too long.
        """
        if self.ready is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self.ready, selectors.EVENT_READ)
            if not selector.select(START_SECONDS):
                raise OperatorError(f"{self.name} was not ready after {START_SECONDS:.0f} seconds.")
        if os.read(self.ready, 1) != b"1":
            raise OperatorError(f"{self.name} ended at its start (exit status {self.process.wait()}).")
        self._close_ready()

    def _close_ready(self) -> None:
        if self.ready is not None:
            os.close(self.ready)
            self.ready = None

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
        self._close_ready()
        if self.witness is not None:
            self.witness.testify()
            self.witness = None

    def discard(self) -> None:
        """Kill it: its start went wrong."""
        self.process.kill()
        self.wait(time.monotonic() + 1)


def launched_worker(service: Service) -> Child:
    """Start a worker, which waits for its orders."""
    return _launched_ready("An API worker", "novaproxy.serving.worker", (_listener(service).fileno(),))


def launched_gateway(service: Service) -> Child:
    """Start a gateway, which waits for its orders."""
    delivery = _delivery(service)
    witness = Witness(delivery.counters_dir)
    demo = () if delivery.demo is None else (delivery.demo.fileno(),)
    child = _launched_ready("A gateway", "novaproxy.serving.gateway", (*witness.descriptors, *demo))
    child.witness = witness
    return child


def launched_duties() -> Child:
    """Start the process of the duties, which waits for its orders; it never says that it is ready."""
    return Child("The process of the duties", _launched("novaproxy.serving.duties", ()))


def _launched_ready(name: str, module: str, descriptors: tuple[int, ...]) -> Child:
    ready, ready_end = os.pipe()
    try:
        return Child(name, _launched(module, (*descriptors, ready_end)), ready, ready_end)
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(ready_end)


def _launched(module: str, descriptors: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 -- our own module
        # -P: a file in the working directory is no module of ours.
        [sys.executable, "-P", "-m", module],
        env={name: written for name, written in os.environ.items() if name not in _SUPERVISORS_OWN},
        stdin=subprocess.PIPE,
        pass_fds=descriptors,
        # In the terminal's group Ctrl-C would reach the processes before the supervisor can end them in order.
        start_new_session=True,
    )


def worker_orders(child: Child, service: Service, access: Access, place: str, directory: str | None) -> WorkerOrders:
    """Return the orders of a worker; *directory* and *place* are where its figures are kept."""
    return WorkerOrders(
        database=dict(access.target),
        log_format=service.log_format,
        metrics_directory=directory,
        place=place,
        sealing_keys=access.sealing_keys,
        metrics_token=service.metrics_token,
        has_access_log=service.has_access_log,
        limits=service.limits,
        listener=_listener(service).fileno(),
        ready=child.ready_end,
    )


def gateway_orders(child: Child, service: Service, access: Access, place: str, directory: str | None) -> GatewayOrders:
    """Return the orders of a gateway; *directory* and *place* as for a worker."""
    delivery = _delivery(service)
    if child.witness is None:
        raise AssertionError("a gateway has its witness")
    return GatewayOrders(
        database=dict(access.target),
        log_format=service.log_format,
        metrics_directory=directory,
        place=place,
        sealing_keys=access.sealing_keys,
        settings=delivery.settings,
        counters_directory=str(delivery.counters_dir),
        witness=child.witness.number,
        pipes=tuple(child.witness.pipes),
        demo=delivery.demo.fileno() if delivery.demo else -1,
        ready=child.ready_end,
    )


def duty_orders(service: Service, access: Access, place: str, directory: str | None) -> DutyOrders:
    """Return the orders of the process of the duties; *directory* and *place* as for a worker."""
    return DutyOrders(
        database=dict(access.target), log_format=service.log_format, metrics_directory=directory, place=place
    )


def _listener(service: Service) -> socket.socket:
    if service.listener is None:
        raise AssertionError("a worker has something to listen on")
    return service.listener


def _delivery(service: Service) -> Delivery:
    if service.delivery is None:
        raise AssertionError("a gateway has something to deliver")
    return service.delivery
