"""One API worker: a process that the supervisor starts and that ends with it.

Its orders come on standard input: first a line of JSON, then nothing for as long as the supervisor lives. The end of
the input is the end of the supervisor, however it died; the worker then answers what is under way and ends too.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Iterator

import msgspec
import uvicorn
import uvloop
from starlette.types import ASGIApp

from novaproxy.app import opened_shop
from novaproxy.http.protocol import BoundedHttp
from novaproxy.serving.handover import DRAIN_SECONDS, WorkerOrders
from novaproxy.serving.logs import configure_logs

_BACKLOG = 2_048
_INPUT = 0


class _Server(uvicorn.Server):
    """A server that leaves signals to the worker and tells when it accepts."""

    def __init__(self, config: uvicorn.Config, ready: int) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn's own handling ends the process before the desk is drained."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept, and tell so."""
        await super().startup(sockets=sockets)
        if self.started:
            os.write(self._ready, b"1")
            os.close(self._ready)


async def _serve(orders: WorkerOrders) -> None:
    loop = asyncio.get_running_loop()
    async with opened_shop(orders.database, orders.sealing_key) as shop:
        server = _Server(_config(shop), orders.ready)

        def end() -> None:
            # An input that has ended stays readable: left with the loop, it would call for ever.
            loop.remove_reader(_INPUT)
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        loop.add_reader(_INPUT, end)
        await server.serve(sockets=[socket.socket(fileno=orders.listener)])
        loop.remove_reader(_INPUT)


def _config(shop: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        shop,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _line() -> bytes:
    """Return the first line of the input; empty where the supervisor died before it wrote one."""
    line = b""
    # Read by the byte: what stands behind the line must stay in the pipe, whose end is the signal.
    while not line.endswith(b"\n"):
        byte = os.read(_INPUT, 1)
        if not byte:
            return b""
        line += byte
    return line


def _take_all_descriptors() -> None:
    """Allow as many connections as the system does; the usual soft limit is for programs with few files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS names no number where it means none, and takes none back.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Serve until told to end."""
    configure_logs()
    _take_all_descriptors()
    line = _line()
    if not line:
        return
    orders = msgspec.json.decode(line, type=WorkerOrders)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(orders))


if __name__ == "__main__":
    main()
