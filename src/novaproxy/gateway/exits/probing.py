"""One upstream tried once, for an operator who asks whether it works."""

import asyncio
from collections.abc import Mapping

from novaproxy.catalog.model import Upstream
from novaproxy.errors import OperatorError
from novaproxy.gateway.exits.dialling import DIAL_SECONDS, Dialler, Judged
from novaproxy.gateway.exits.guard import Guard, is_own
from novaproxy.gateway.exits.names import GATEWAY, Names
from novaproxy.gateway.exits.upstreams import ExitFailed
from novaproxy.gateway.model import Target
from novaproxy.gateway.refusals import ProxyRefusal, TargetNotAllowed, TargetTimedOut
from novaproxy.settings import GatewaySettings


class Probe:
    """Tries upstreams. *environment* holds the passwords that the catalog only names."""

    def __init__(self, settings: GatewaySettings, environment: Mapping[str, str], names: Names | None = None) -> None:
        self._dialler = Dialler(Guard(settings.allowed, is_own), names or Names(), environment)

    async def fault(self, upstream: Upstream, target: Target | None) -> str | None:
        """Return what is wrong with *upstream*, or with the way through it to *target*; None: nothing.

        Without a target it is greeted alone. With one the rules for customers hold: their guard judges it.

        Raises:
            OperatorError: the target is one that no customer may reach, by whatever exit.
        """
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                if target is None:
                    await self._dialler.check(upstream)
                else:
                    judged = await self._judged(target)
                    (await self._dialler.dial(judged, upstream)).close()
        except ExitFailed as failure:
            return failure.reason
        except ProxyRefusal as refusal:
            return refusal.sentence
        except TimeoutError:
            return TargetTimedOut().sentence
        return None

    async def _judged(self, target: Target) -> Judged:
        try:
            return await self._dialler.judged(target, GATEWAY)
        except TargetNotAllowed:
            raise OperatorError(
                f"Customers may not reach {target.host} port {target.port}, so no upstream was tried: name another "
                "target, or let them by NOVAPROXY_GATEWAY_ALLOW."
            ) from None
