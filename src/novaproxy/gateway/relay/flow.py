"""One direction of a tunnel, living on the event loop's callbacks.

Each turn moves one chunk: fill the hand from the source, pour it into the sink. Then it waits for exactly one thing:
the source (nothing is held), the sink (something is), or the allowance (none may pass). What is not waited for is not
watched, so nothing is ever called in vain.
"""

import socket
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from novaproxy.gateway.relay.body import LOOKED_AT_BYTES, Body
from novaproxy.gateway.relay.hand import Hand
from novaproxy.gateway.relay.opening import Opening
from novaproxy.gateway.relay.outcome import End
from novaproxy.gateway.relay.pipes import LARGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from novaproxy.gateway.relay.tunnel import Tunnel

CHUNK_BYTES = LARGE_BYTES
"""The most that one turn moves. A second chunk in the same turn costs others their turn, and CPU: it is smaller."""


class _Awaits(Enum):
    NOTHING = 0
    SOURCE = 1
    SINK = 2


class Flow:
    """Moves bytes from *source* to *sink* as long as the tunnel's allowance gives."""

    __slots__ = ("_awaits", "_hand", "_sink", "_source", "_take_back_wish", "_tunnel", "is_finished")

    def __init__(self, tunnel: "Tunnel", source: socket.socket, sink: socket.socket) -> None:
        self._tunnel = tunnel
        self._source = source
        self._sink = sink
        self._hand = Hand(tunnel.relay.pipes)
        self._awaits = _Awaits.NOTHING
        self._take_back_wish: Callable[[], None] | None = None
        self.is_finished = False

    def begin(self) -> None:
        """Wait for the first bytes."""
        self._await(_Awaits.SOURCE)

    def stop(self) -> int:
        """Move no more bytes, and return how many were read and will not be written."""
        self._await(_Awaits.NOTHING)
        if self._take_back_wish:
            self._take_back_wish()
            self._take_back_wish = None
        return self._hand.drop()

    def _run(self) -> None:
        if self._tunnel.is_ended:
            return
        try:
            self._turn()
        except BaseException:
            self._tunnel.close(End.FAULT)  # else the loop would call again at once, and fail again, for ever
            raise

    def _turn(self) -> None:
        if not self._hand.held_bytes and not self._fill():
            return
        if self._hand.held_bytes and not self._pour():
            return
        self._await_next()

    def _await_next(self) -> None:
        self._await(_Awaits.SOURCE)

    def _fill(self) -> bool:
        """Read a chunk; False: there is something else to wait for, or the flow is over."""
        return self._fill_from_source(CHUNK_BYTES)

    def _fill_from_source(self, most: int) -> bool:
        taken = self._take(most)
        if not taken:
            return False
        try:
            got = self._filled(taken)
        except BlockingIOError:
            self._tunnel.allowance.give_back(taken)
            return self._await(_Awaits.SOURCE)
        except OSError:
            self._tunnel.allowance.give_back(taken)
            return self._lose_source()
        self._note_filled(got)
        if got < taken:
            self._tunnel.allowance.give_back(taken - got)
        return self._finish() if not got else not self._tunnel.is_ended

    def _take(self, most: int) -> int:
        taken = self._tunnel.allowance.take(most)
        if taken and self._tunnel.is_ended:
            self._tunnel.allowance.give_back(taken)
            return 0
        if not taken and not self._tunnel.is_ended:
            self._await(_Awaits.NOTHING)
            self._take_back_wish = self._tunnel.allowance.when_more(self._resume)
        return taken

    def _resume(self) -> None:
        # Whoever gave bytes back is in the middle of its own turn: this one comes after it.
        self._take_back_wish = None
        self._tunnel.relay.loop.call_soon(self._run)

    def _pour(self) -> bool:
        """Write what is held; False: not all of it passed."""
        try:
            poured = self._poured()
        except BlockingIOError:
            return self._await(_Awaits.SINK)
        except OSError:
            return self._lose_sink()
        self._note_poured(poured)
        if self._tunnel.is_ended:
            return False
        if self._hand.held_bytes:
            return self._await(_Awaits.SINK)
        self._hand.rest()
        return True

    def _filled(self, most: int) -> int:
        return self._hand.fill(self._source, most)

    def _poured(self) -> int:
        return self._hand.pour(self._sink)

    def _note_filled(self, count: int) -> None:
        """Note *count* bytes that were read."""

    def _note_poured(self, count: int) -> None:
        """Note *count* bytes that were written."""

    def _finish(self) -> bool:
        """Pass the source's end on; all that came before it has been written."""
        if not self._tunnel.is_ended:
            with suppress(OSError):
                self._sink.shutdown(socket.SHUT_WR)
            self._be_finished()
        return False

    def _be_finished(self) -> None:
        self._await(_Awaits.NOTHING)
        self.is_finished = True
        self._tunnel.flow_finished()

    def _lose_source(self) -> bool:
        raise NotImplementedError

    def _lose_sink(self) -> bool:
        raise NotImplementedError

    def _await(self, what: _Awaits) -> bool:
        """Wait for *what* alone; return False, as whoever waits moves nothing."""
        if what is not self._awaits and (what is _Awaits.NOTHING or not self._tunnel.is_ended):
            loop = self._tunnel.relay.loop
            if self._awaits is _Awaits.SOURCE:
                loop.remove_reader(self._source.fileno())
            elif self._awaits is _Awaits.SINK:
                loop.remove_writer(self._sink.fileno())
            self._awaits = what
            if what is _Awaits.SOURCE:
                loop.add_reader(self._source.fileno(), self._run)
            elif what is _Awaits.SINK:
                loop.add_writer(self._sink.fileno(), self._run)
        return False


class Upload(Flow):
    """From the client to the exit: counted when it is read.

    *opening* goes before all else; then as much is read as is the *body*'s.
    """

    __slots__ = ("_body", "_opening")

    def __init__(
        self,
        tunnel: "Tunnel",
        source: socket.socket,
        sink: socket.socket,
        opening: Opening | None,
        body: Body,
    ) -> None:
        super().__init__(tunnel, source, sink)
        self._opening = opening
        self._body = body

    def begin(self) -> None:
        """Wait for the exit, if there is something for it already."""
        self._await_next()

    def pour_last(self) -> None:
        """Write what is held and counted, as far as the exit takes it at once: the very last chunk of an order, say."""
        if self._hand.held_bytes:
            with suppress(OSError):
                self._hand.pour(self._sink)

    def _await_next(self) -> None:
        self._await(_Awaits.SINK if self._opening else _Awaits.SOURCE)

    def _fill(self) -> bool:
        if self._opening:
            return self._fill_from_opening(self._opening)
        if self._body.left_bytes == 0:
            return self._watch() if self._body.is_over else self._look()
        left_bytes = self._body.left_bytes
        return self._fill_from_source(CHUNK_BYTES if left_bytes is None else min(CHUNK_BYTES, left_bytes))

    def _fill_from_opening(self, opening: Opening) -> bool:
        taken = self._take(opening.wanted_bytes)
        if not taken:
            return False
        self._tunnel.count_up(taken)
        if self._tunnel.is_ended:
            return False
        self._hand.hold(opening.pay(taken))
        if opening.is_over:
            self._opening = None
        return True

    def _filled(self, most: int) -> int:
        """Fill the hand, with a word before and after: a kill in the middle leaves the pipe to tell how far it came."""
        allowance = self._tunnel.allowance
        got = 0
        try:
            got = self._hand.fill(self._source, most, allowance.filling_up)
        finally:
            if not got:
                allowance.stood_still()
        return got

    def _finish(self) -> bool:
        self._tunnel.has_client_ended = True
        return super()._finish()

    def _look(self) -> bool:
        """Look how much of what comes next is the request's, and read that."""
        arrived = self._peeked(LOOKED_AT_BYTES)
        if not arrived:
            return False
        self._body.look(arrived)
        # One that is broken ends here: the exit hears no more of it, and whoever sent it gets the exit's answer.
        return self._fill() if self._body.left_bytes else super()._finish()

    def _watch(self) -> bool:
        """Look for the client's end once his request is read; a request after it is not served.

        One that comes once the answer began means that the origin left the connection open in spite of the request. It
        is told that nothing more comes, and closes; else the client would wait for long. Before the answer that could
        cost a client, who only sent several requests at once, his first answer.
        """
        if not self._peeked(1):
            return False
        if self._tunnel.down_bytes:
            return super()._finish()
        self._be_finished()
        return False

    def _peeked(self, most: int) -> bytes:
        """Return what has arrived and leave it there; empty: there is something else to wait for, or all is over."""
        try:
            arrived = self._source.recv(most, socket.MSG_PEEK)
        except BlockingIOError:
            self._await(_Awaits.SOURCE)
            return b""
        except OSError:
            self._lose_source()
            return b""
        if not arrived:
            self._finish()
        return arrived

    def _note_filled(self, count: int) -> None:
        if count:
            self._tunnel.count_up(count)
            self._body.passed(count)

    def _note_poured(self, count: int) -> None:
        del count
        self._tunnel.touch()

    def _lose_source(self) -> bool:
        self._tunnel.close(End.CLIENT_LOST)
        return False

    def _lose_sink(self) -> bool:
        # The exit takes no more, but it may have answered before it left ("too large"): the answer is read first.
        self._hand.drop()
        self._tunnel.is_exit_lost = True
        self._be_finished()
        return False


class Download(Flow):
    """From the exit to the client: counted when it is written."""

    __slots__ = ()

    def _poured(self) -> int:
        """Empty the hand, with a word before and after, as an upload fills it."""
        number = self._hand.pipe_number
        if not number:
            return super()._poured()
        allowance = self._tunnel.allowance
        allowance.pouring_down(number, self._hand.held_bytes)
        try:
            return super()._poured()
        except OSError:
            allowance.stood_still()
            raise

    def _note_filled(self, count: int) -> None:
        if count:
            self._tunnel.touch()

    def _note_poured(self, count: int) -> None:
        self._tunnel.count_down(count)

    def _lose_source(self) -> bool:
        self._tunnel.lose_exit()
        return False

    def _lose_sink(self) -> bool:
        self._tunnel.close(End.CLIENT_LOST)
        return False
