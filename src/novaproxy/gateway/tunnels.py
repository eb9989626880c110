"""The meters of orders as admission takes them: an order's bytes and its tunnels at once, counted over all gateways."""

import resource
from collections.abc import Callable

from novaproxy.gateway.admission.line import Visit
from novaproxy.gateway.refusals import GatewayUnavailable
from novaproxy.usage.meter import OrderMeter
from novaproxy.usage.teller import Meters, MeterUnavailable


class MeterBook:
    """Takes tunnels from *meters*."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    async def take_tunnel(self, visit: Visit) -> Callable[[], None] | None:
        """Take one of the tunnels that the order may have at once, and bring its bytes along as *visit*'s allowance.

        What comes back gives all of it back; None: as many as there may be are open.

        Raises:
            GatewayUnavailable: the database gives no word on the order.
        """
        bought = visit.line.bought
        try:
            meter = await self._meters.opened(visit.line.order_id, bought.speed_mbits)
        except (MeterUnavailable, LookupError) as error:
            raise GatewayUnavailable from error
        try:
            is_taken = await self._meters.take_tunnel(meter, bought.threads)
        except BaseException as error:
            self._meters.closed(meter)
            if isinstance(error, MeterUnavailable):
                raise GatewayUnavailable from error
            raise
        if not is_taken:
            self._meters.closed(meter)
            return None
        visit.allowance = meter

        def give_back() -> None:
            self._meters.give_tunnel(meter)
            self._meters.closed(meter)

        return give_back

    def begun(self, visit: Visit) -> OrderMeter:
        """Note that the tunnel of *visit* stands, and return its meter; ``tunnel_closed`` of it is to be called."""
        if not isinstance(visit.allowance, OrderMeter):
            raise AssertionError("who was admitted has an allowance")  # noqa: TRY004 -- not of this module's doing
        visit.allowance.tunnel_opened()
        return visit.allowance

    def refused(self, visit: Visit, code: str) -> None:
        """Count a refusal of a client who was admitted."""
        self._meters.refused(visit.line.order_id, code)


def descriptors() -> int:
    """Return how many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A system that names no limit has other ones.
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft
