"""A tunnel: a client's socket, an exit's socket, and the two directions between them."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from novaproxy.gateway.allowance import Allowance
from novaproxy.gateway.model import Asked
from novaproxy.gateway.relay.body import Body
from novaproxy.gateway.relay.flow import Download, Upload
from novaproxy.gateway.relay.opening import Opening
from novaproxy.gateway.relay.outcome import End, Outcome
from novaproxy.gateway.relay.parting import reset

if TYPE_CHECKING:
    from novaproxy.gateway.relay.engine import Relay


class Tunnel:
    """Passes bytes both ways until both sides have ended, one is lost, it idles too long, or somebody closes it.

    It owns both sockets. Of a plain HTTP request the exit's end alone ends it: the answer is complete.
    """

    __slots__ = (
        "_client",
        "_download",
        "_exit",
        "_is_plain",
        "_on_end",
        "_touched_tick",
        "_upload",
        "allowance",
        "down_bytes",
        "has_client_ended",
        "is_ended",
        "is_exit_lost",
        "relay",
        "up_bytes",
    )

    def __init__(
        self,
        relay: "Relay",
        client: socket.socket,
        exit_socket: socket.socket,
        asked: Asked,
        allowance: Allowance,
        on_end: Callable[[Outcome], None],
    ) -> None:
        self.relay = relay
        self.allowance = allowance
        self.up_bytes = 0
        self.down_bytes = 0
        self.is_ended = False
        self.is_exit_lost = False
        self.has_client_ended = False
        self._client = client
        self._exit = exit_socket
        self._is_plain = not asked.is_tunnel
        self._on_end = on_end
        self._touched_tick = relay.tick
        body = Body(asked)
        opening = Opening(asked.head, asked.head_bytes, body.early)
        opening_or_none = None if opening.is_over else opening
        self._upload = Upload(self, client, exit_socket, opening_or_none, body)
        self._download = Download(self, exit_socket, client)

    def begin(self) -> None:
        """Wait for bytes from both sides; nothing moves, and nobody is called, before the loop's next round."""
        self._upload.begin()
        self._download.begin()

    def close(self, end: End) -> None:
        """End it at once, and say why; nothing happens where it has ended already.

        What the client's socket has taken still reaches him, as it was counted.
        """
        self._close(end, is_client_reset=False)

    def idle_ticks(self, tick: int) -> int:
        """Return how many of the relay's ticks nothing has moved for."""
        return tick - self._touched_tick

    def touch(self) -> None:
        """Note that bytes moved."""
        self._touched_tick = self.relay.tick

    def count_up(self, count: int) -> None:
        """Count *count* taken bytes that were read from the client."""
        self.up_bytes += count  # before the allowance counts, as that may end the tunnel
        self.allowance.passed_up(count)
        self._touched_tick = self.relay.tick

    def count_down(self, count: int) -> None:
        """Count *count* taken bytes that were written to the client."""
        self.down_bytes += count
        self.allowance.passed_down(count)
        self._touched_tick = self.relay.tick

    def flow_finished(self) -> None:
        """End, if no direction is left that matters."""
        if self.is_ended:
            return
        if self._download.is_finished and (self._upload.is_finished or self._is_plain):
            self.close(End.EXIT_LOST if self.is_exit_lost else End.FINISHED)

    def lose_exit(self) -> None:
        """End because the exit was reset; a client who waits for more must not take that for a proper end."""
        self._close(End.EXIT_LOST, is_client_reset=not self.is_exit_lost)

    def _close(self, end: End, *, is_client_reset: bool) -> None:
        if self.is_ended:
            return
        self.is_ended = True
        has_exit_ended = self._download.is_finished
        self._upload.pour_last()
        self._upload.stop()
        unwritten_bytes = self._download.stop()
        if unwritten_bytes:
            self.allowance.give_back(unwritten_bytes)
        del self._upload, self._download  # they point here: without this only the garbage collector would find them
        self._part_from_exit(has_ended=has_exit_ended, is_reset=end is End.CLIENT_LOST)
        self._part_from_client(is_lost=end is End.CLIENT_LOST, is_reset=is_client_reset)
        self.relay.forget(self)
        self._on_end(Outcome(end, self.up_bytes, self.down_bytes))

    def _part_from_exit(self, *, has_ended: bool, is_reset: bool) -> None:
        if is_reset:
            reset(self._exit)
        elif has_ended:
            self._exit.close()
        else:
            self.relay.deliver(self._exit, socket.socket.close)

    def _part_from_client(self, *, is_lost: bool, is_reset: bool) -> None:
        if is_reset:
            self.relay.deliver(self._client, reset)
        elif is_lost or self.has_client_ended:
            self._client.close()
        else:
            self.relay.bid_farewell(self._client)
