"""What ties a process to its supervisor: its standard input.

First comes a line of JSON with its orders, then nothing for as long as the supervisor lives. The end of the input is
the end of the supervisor, however it died.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from novaproxy.metrics.sharing import Shared, remove_directory
from novaproxy.serving.handover import DutyOrders

Orders = TypeVar("Orders", bound=DutyOrders)

_INPUT = 0


def read_orders(kind: type[Orders]) -> Orders | None:
    """Return the orders; None where the supervisor died before it wrote them."""
    line = b""
    # Read by the byte: what stands behind the line must stay in the pipe, whose end is the signal.
    while not line.endswith(b"\n"):
        byte = os.read(_INPUT, 1)
        if not byte:
            return None
        line += byte
    return msgspec.json.decode(line, type=kind)


def shared_figures(orders: DutyOrders) -> Shared | None:
    """Return where this process's figures join those of the others."""
    return Shared(Path(orders.metrics_directory), orders.place) if orders.metrics_directory else None


@contextmanager
def ended_with_supervisor(orders: DutyOrders, end: Callable[[], None]) -> Iterator[None]:
    """Call *end* when the supervisor asks for it or is gone; what a dead supervisor left behind is removed."""
    loop = asyncio.get_running_loop()
    is_orphan = False

    def end_orphan() -> None:
        nonlocal is_orphan
        is_orphan = True
        # An input that has ended stays readable: left with the loop, it would call for ever.
        loop.remove_reader(_INPUT)
        end()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_reader(_INPUT, end_orphan)
    try:
        yield
    finally:
        loop.remove_reader(_INPUT)
        if is_orphan and orders.metrics_directory:
            remove_directory(Path(orders.metrics_directory))


def take_all_descriptors() -> None:
    """Allow as many connections as the system does; the usual soft limit is for programs with few files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS names no number where it means none, and takes none back.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
