"""One API worker: a process that the supervisor starts and that ends with it.

However the supervisor ends, the worker answers what is under way and ends too.
"""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Iterator
from functools import partial

import uvicorn
import uvloop

from novaproxy.app import Watched, opened_shop
from novaproxy.http.crowd import Crowd
from novaproxy.http.edge import Edge
from novaproxy.http.protocol import BoundedHttp
from novaproxy.serving.handover import DRAIN_SECONDS, WorkerOrders
from novaproxy.serving.lifeline import ended_with_supervisor, read_orders, shared_figures, take_all_descriptors
from novaproxy.serving.logs import configure_logs, log_crashes

_BACKLOG = 2_048
_NEW_OBJECTS = 20_000
"""How many objects that may stand in circles come into being between two looks for garbage; a few megabytes."""


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


def _collect_garbage_seldom() -> None:
    """Look for garbage in circles less often, and never in what stays for good: it took 5 % of an order's time here."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


async def _serve(orders: WorkerOrders) -> None:
    watched = Watched(shared_figures(orders), orders.metrics_token, orders.has_access_log)
    async with opened_shop(orders.database, orders.sealing_keys, watched, orders.limits) as shop:
        server = _Server(_config(shop), orders.ready)

        _collect_garbage_seldom()

        def end() -> None:
            server.should_exit = True

        with ended_with_supervisor(orders, end):
            await server.serve(sockets=[socket.socket(fileno=orders.listener)])


def _config(shop: Edge) -> uvicorn.Config:
    return uvicorn.Config(
        shop,
        loop="uvloop",
        http=partial(BoundedHttp, told=shop.told, shedding=shop.shedding, crowd=Crowd()),  # type: ignore[arg-type]  # uvicorn calls it, class or not
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def main() -> None:
    """Serve until told to end."""
    orders = read_orders(WorkerOrders)
    if orders is None:
        return
    configure_logs(orders.log_format)
    log_crashes()
    take_all_descriptors()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(orders))


if __name__ == "__main__":
    main()
