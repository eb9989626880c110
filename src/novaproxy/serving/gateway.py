"""One gateway process: started by the supervisor, as its workers are, and ended with it."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

from novaproxy.gateway.site import Setup, opened_site
from novaproxy.metrics.delivery import GatewayFigures
from novaproxy.serving.handover import GatewayOrders
from novaproxy.serving.lifeline import ended_with_supervisor, read_orders, shared_figures, take_all_descriptors
from novaproxy.serving.logs import configure_logs, log_crashes

OPENING_SECONDS = 3.0
"""After which a gateway counts as started that waits for its database: the supervisor has others to look after."""


class _Ready:
    """The pipe that learns that the gateway is there."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def tell(self) -> None:
        """Tell it, once."""
        if self._pipe is not None:
            os.write(self._pipe, b"1")
            os.close(self._pipe)
            self._pipe = None


async def _serve(orders: GatewayOrders) -> None:
    end = asyncio.Event()
    ready = _Ready(orders.ready)
    asyncio.get_running_loop().call_later(OPENING_SECONDS, ready.tell)
    with ended_with_supervisor(orders, end.set):
        serving = asyncio.create_task(_keep_site(orders, ready))
        ending = asyncio.create_task(end.wait())
        await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def _keep_site(orders: GatewayOrders, ready: _Ready) -> None:
    """Serve until cancelled."""
    setup = Setup(
        orders.database,
        orders.sealing_keys,
        orders.settings,
        Path(orders.counters_directory),
        None if orders.demo < 0 else socket.socket(fileno=orders.demo),
        witness=orders.witness,
        pipes=orders.pipes,
    )
    async with opened_site(setup, GatewayFigures(shared_figures(orders))):
        ready.tell()
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until told to end."""
    orders = read_orders(GatewayOrders)
    if orders is None:
        return
    configure_logs(orders.log_format)
    log_crashes()
    take_all_descriptors()
    # Sockets are moved by the kernel here: another loop than asyncio's own brings nothing (docs/adr).
    asyncio.run(_serve(orders))


if __name__ == "__main__":
    main()
