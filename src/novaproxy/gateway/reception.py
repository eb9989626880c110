"""A connection's way: who it is, may it, where it goes, by which exit; then bytes pass until somebody ends it."""

import asyncio
import socket
from asyncio import AbstractEventLoop

import structlog

from novaproxy.database.pool import facts
from novaproxy.gateway.admission.admission import Admission
from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.line import Line, Visit
from novaproxy.gateway.entrance.handshake import Handshake
from novaproxy.gateway.entrance.incoming import ClientLeft
from novaproxy.gateway.entrance.proxy_header import Networks
from novaproxy.gateway.exits.exits import Exits
from novaproxy.gateway.model import Asked, Entrance, Wish
from novaproxy.gateway.refusals import GatewayUnavailable, OrderExhausted, OrderExpired, ProxyRefusal
from novaproxy.gateway.relay.engine import Relay
from novaproxy.gateway.relay.outcome import End, Outcome
from novaproxy.gateway.tunnels import MeterBook
from novaproxy.metrics.delivery import GatewayFigures

MOST_HANDSHAKES = 4_096
"""How many connections may be on their way to a tunnel; more are dropped unheard, as those of a flood."""

_ENDS: dict[type[ProxyRefusal], End] = {
    OrderExhausted: End.EXHAUSTED,
    OrderExpired: End.EXPIRED,
    GatewayUnavailable: End.SHUTDOWN,
}

log = structlog.get_logger("novaproxy.gateway")


class Reception:
    """Receives connections; each is a task until its tunnel stands, and callbacks afterwards."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        admission: Admission,
        exits: Exits,
        book: MeterBook,
        relay: Relay,
        clock: DatabaseClock,
        figures: GatewayFigures,
        fronts: Networks,
    ) -> None:
        self._loop = loop
        self._admission = admission
        self._exits = exits
        self._book = book
        self._relay = relay
        self._clock = clock
        self._figures = figures
        self._fronts = fronts
        self._received: set[asyncio.Task[None]] = set()

    def take(self, client: socket.socket, port: int, entrances: frozenset[Entrance]) -> None:
        """Receive *client* on *port*."""
        if len(self._received) >= MOST_HANDSHAKES:
            client.close()
            return
        receiving = self._loop.create_task(self._receive(client, port, entrances))
        self._received.add(receiving)
        receiving.add_done_callback(self._received.discard)

    def close(self) -> None:
        """Receive nobody any more; who has no tunnel yet gets none."""
        for receiving in list(self._received):
            receiving.cancel()

    async def _receive(self, client: socket.socket, port: int, entrances: frozenset[Entrance]) -> None:
        handshake = Handshake(client, self._loop, entrances, self._fronts)
        try:
            await self._serve(client, handshake, port)
        except ProxyRefusal as refusal:
            self._figures.refused(refusal.code)
            await handshake.refuse(refusal)
        except ClientLeft:
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise
        except Exception as error:  # noqa: BLE001 -- one connection ends, and no other with it
            log.error("connection failed", **facts(error))
            client.close()

    async def _serve(self, client: socket.socket, handshake: Handshake, port: int) -> None:
        login = await handshake.login()
        visit = await self._admission.admit(login, handshake.place.address, port, handshake.entrance)
        try:
            await self._connect(client, handshake, visit)
        except BaseException as error:
            if isinstance(error, ProxyRefusal):
                self._book.refused(visit, error.code)
            visit.end()
            raise

    async def _connect(self, client: socket.socket, handshake: Handshake, visit: Visit) -> None:
        asked = await handshake.asked()
        visit.check()
        line = await self._dialled(visit, asked)
        try:
            visit.check()
            await handshake.accept()
            visit.check()
        except BaseException:
            line.close()
            raise
        meter = self._book.begun(visit)

        def ended(outcome: Outcome) -> None:
            self._figures.ended(outcome.up_bytes, outcome.down_bytes)
            meter.tunnel_closed()
            visit.end()

        tunnel = self._relay.open(client, line, asked, meter, ended)
        self._figures.opened(asked.entrance)
        visit.serve(lambda reason: tunnel.close(_ENDS.get(reason, End.REVOKED)))

    async def _dialled(self, visit: Visit, asked: Asked) -> socket.socket:
        order: Line = visit.line
        return await self._exits.dial(
            asked.target,
            Wish() if asked.login is None else asked.login.wish,
            order_id=order.order_id,
            plan=order.plan_slug,
            fixed_country=order.bought.country,
            now_seconds=int(self._clock.now().timestamp()),
        )
