"""What the keeping task knows of a meter, and what is said where it cannot keep one."""

import asyncio

from novaproxy.usage.meter import OrderMeter


class MeterUnavailable(Exception):  # noqa: N818 -- an answer, not a fault of the program
    """The database gives no word on the order: it is away, or this gateway is ending."""


class GatewayLost(MeterUnavailable):
    """This gateway was marked lost: its leases are charged. The process begins anew, as another one."""


class Held:
    """A meter and what its keeping task knows of it."""

    def __init__(self, meter: OrderMeter) -> None:
        loop = asyncio.get_running_loop()
        self.meter = meter
        self.opened: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        # Nobody may be waiting.
        self.opened.add_done_callback(_seen)
        self.gone.add_done_callback(_seen)
        self.is_closing = False
        self.tunnel_limit: int | None = None
        self.asking: list[asyncio.Future[bool]] = []
        self.left_ns = 0


def _seen(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
