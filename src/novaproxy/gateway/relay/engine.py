"""All tunnels of one gateway process: their pipes, their idle limit, their last way."""

import asyncio
import socket
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextlib import suppress

from novaproxy.gateway.allowance import Allowance
from novaproxy.gateway.model import Asked
from novaproxy.gateway.relay.outcome import End, Outcome
from novaproxy.gateway.relay.parting import LINGER_SECONDS, Delivery, Farewell, Parting
from novaproxy.gateway.relay.pipes import Pipes
from novaproxy.gateway.relay.tunnel import Tunnel

TICKS_OF_LIMIT = 8
"""An idle tunnel ends between its limit and an eighth more: one sweep for all costs less than a timer for each."""


class Relay:
    """Opens tunnels on *loop*, which end after *idle_seconds* without a byte in either direction.

    Each side has *linger_seconds* to fetch what was counted for it before an end that it did not make.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        idle_seconds: float,
        pipes: Pipes | None = None,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self.loop = loop
        self._linger_seconds = linger_seconds
        self.pipes = Pipes() if pipes is None else pipes
        self.tick = 0
        self._tick_seconds = idle_seconds / TICKS_OF_LIMIT
        self._tunnels: set[Tunnel] = set()
        self._partings: set[Parting] = set()
        self._all_parted = asyncio.Event()
        self._sweep_timer: TimerHandle | None = None

    @property
    def open_tunnels(self) -> int:
        """How many tunnels are open."""
        return len(self._tunnels)

    @property
    def passed_bytes(self) -> tuple[int, int]:
        """What passed so far through the tunnels that are open, from and to their clients."""
        return sum(tunnel.up_bytes for tunnel in self._tunnels), sum(tunnel.down_bytes for tunnel in self._tunnels)

    def open(
        self,
        client: socket.socket,
        exit_socket: socket.socket,
        asked: Asked,
        allowance: Allowance,
        on_end: Callable[[Outcome], None],
    ) -> Tunnel:
        """Return a new tunnel between two connected, non-blocking sockets, which are its own from here on.

        *asked* says what goes to the exit first and how much more is read. *on_end* is called exactly once, never
        before this returns, when both sockets are given up and all that was taken is counted or given back.
        """
        for side in (client, exit_socket):
            with suppress(OSError):  # a socket of another family has nothing to delay
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tunnel = Tunnel(self, client, exit_socket, asked, allowance, on_end)
        self._tunnels.add(tunnel)
        tunnel.begin()
        if not self._sweep_timer:
            self._sweep_timer = self.loop.call_later(self._tick_seconds, self._sweep)
        return tunnel

    async def close(self, end: End = End.SHUTDOWN) -> None:
        """End all tunnels at once, whose *on_end* are called, and wait until each side has what was counted.

        That takes the linger time at most; then every descriptor is given up.
        """
        for tunnel in tuple(self._tunnels):
            tunnel.close(end)
        if self._sweep_timer:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        if self._partings:
            await self._all_parted.wait()
        self.pipes.forgo()

    def forget(self, tunnel: Tunnel) -> None:
        """Let go of *tunnel*, which has ended."""
        self._tunnels.discard(tunnel)

    def bid_farewell(self, client: socket.socket) -> None:
        """Close *client*, who may still be sending, without losing what he is to have."""
        self._begin(Farewell(self.loop, client, self._linger_seconds, self._parted))

    def deliver(self, leaving: socket.socket, close: Callable[[socket.socket], None]) -> None:
        """Close *leaving* by *close* without losing what it has taken, and without reading it."""
        self._begin(Delivery(self.loop, leaving, self._linger_seconds, close, self._parted))

    def _begin(self, parting: Parting) -> None:
        self._partings.add(parting)
        self._all_parted.clear()
        parting.begin()

    def _parted(self, parting: Parting) -> None:
        self._partings.discard(parting)
        if not self._partings:
            self._all_parted.set()

    def _sweep(self) -> None:
        self.tick += 1
        for tunnel in [one for one in self._tunnels if one.idle_ticks(self.tick) > TICKS_OF_LIMIT]:
            tunnel.close(End.IDLE)
        self._sweep_timer = self.loop.call_later(self._tick_seconds, self._sweep) if self._tunnels else None
