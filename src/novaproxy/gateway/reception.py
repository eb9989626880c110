"""A connection's way: who it is, may it, where it goes, by which exit; then bytes pass until somebody ends it."""

import asyncio
import socket
from asyncio import AbstractEventLoop
from functools import partial

import structlog

from novaproxy.database.pool import facts
from novaproxy.gateway.admission.admission import Admission
from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.line import Line, Visit
from novaproxy.gateway.entrance.handshake import Handshake
from novaproxy.gateway.entrance.incoming import ClientLeft
from novaproxy.gateway.entrance.proxy_header import Networks, place_of
from novaproxy.gateway.exits.exits import Exits
from novaproxy.gateway.model import Address, Asked, Entrance, Wish
from novaproxy.gateway.refusals import GatewayUnavailable, OrderExhausted, OrderExpired, ProxyRefusal
from novaproxy.gateway.relay.engine import Relay
from novaproxy.gateway.relay.outcome import End, Outcome
from novaproxy.gateway.relay.parting import reset
from novaproxy.gateway.room import Strangers, host_of
from novaproxy.gateway.tunnels import MeterBook
from novaproxy.metrics.delivery import GatewayFigures

DROPPED = "dropped"
"""How the figures call those who went, unheard, because strangers had no room any more."""

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
        most_strangers: int,
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
        self._strangers: Strangers[asyncio.Task[None]] = Strangers(most_strangers)

    def take(self, client: socket.socket, port: int, entrances: frozenset[Entrance]) -> None:
        """Receive *client* on *port*; where there is no room for it, somebody of the largest crowd goes."""
        try:
            host, peer_port, *_ = client.getpeername()
            peer = place_of(host, peer_port)
        except (OSError, ValueError):
            # It has left already.
            client.close()
            return
        receiving = self._loop.create_task(self._receive(client, port, entrances))
        self._received.add(receiving)
        receiving.add_done_callback(partial(self._over, client))
        self._enter(receiving, peer.address)

    def close(self) -> None:
        """Receive nobody any more; who has no tunnel yet gets none."""
        for receiving in list(self._received):
            receiving.cancel()

    def _enter(self, receiving: "asyncio.Task[None]", address: Address) -> None:
        gone = self._strangers.enter(receiving, host_of(address))
        if gone is not None:
            self._figures.refused(DROPPED)
            gone.cancel()

    def _over(self, client: socket.socket, received: "asyncio.Task[None]") -> None:
        self._received.discard(received)
        self._strangers.leave(received)
        if received.cancelled():
            # Perhaps before its first step: then nobody else has closed it.
            reset(client)

    async def _receive(self, client: socket.socket, port: int, entrances: frozenset[Entrance]) -> None:
        handshake = Handshake(client, self._loop, entrances, self._fronts)
        try:
            await self._answered(client, handshake, port)
        except ClientLeft:
            client.close()
        except Exception as error:  # noqa: BLE001 -- one connection ends, and no other with it
            log.error("connection failed", **facts(error))
            client.close()

    async def _answered(self, client: socket.socket, handshake: Handshake, port: int) -> None:
        receiving = asyncio.current_task()
        if receiving is None:
            raise AssertionError("each connection is received by a task of its own")
        try:
            await self._serve(client, handshake, port, receiving)
        except ProxyRefusal as refusal:
            self._figures.refused(refusal.code)
            if receiving not in self._strangers:
                # A customer's place among the tunnels is free again; who takes his time to read why not has none.
                self._enter(receiving, handshake.place.address)
            await handshake.refuse(refusal)

    async def _serve(
        self, client: socket.socket, handshake: Handshake, port: int, receiving: "asyncio.Task[None]"
    ) -> None:
        address = (await handshake.met()).address
        if self._fronts:
            self._strangers.move(receiving, host_of(address))
        login = await handshake.login()
        visit = await self._admission.admit(login, address, port, handshake.entrance)
        self._strangers.leave(receiving)
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

        try:
            tunnel = self._relay.open(client, line, asked, meter, ended)
        except BaseException:
            meter.tunnel_closed()
            line.close()
            raise
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
