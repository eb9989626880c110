"""A customer in the middle of a talk through his proxy, at a pace at which an order lasts: every byte is known."""

import socket
import threading
import time
from contextlib import suppress

from deliveries import DeliveryShop, Proxy

_WORD = b"0123456789abcdef" * 64
_PAUSE_SECONDS = 0.01
HELLO = b"GET /echo HTTP/1.1\r\nHost: origin\r\n\r\n"


class Chatter:
    """Says a word, waits for its echo, and says the next, until the line ends or ``hush`` is called.

    Attributes:
        sent_bytes: what was said; of the last word it is not known whether the gateway has read it.
        got_bytes: what came back.
        longest_seconds: the longest wait for an echo.
    """

    def __init__(self, delivery: DeliveryShop, proxy: Proxy, *, over_socks: bool = False) -> None:
        connected = proxy.socks_connected if over_socks else proxy.connected
        self._line = connected("127.0.0.1", delivery.origin.port)
        self._line.settimeout(120)
        self._line.sendall(HELLO)
        self.sent_bytes = len(HELLO)
        self.got_bytes = 0
        self.longest_seconds = 0.0
        self.is_cut = False
        self._end = threading.Event()
        self._talking = threading.Thread(target=self._talk)
        self._talking.start()

    def _talk(self) -> None:
        with self._line, suppress(ConnectionError):
            while not self._end.wait(_PAUSE_SECONDS):
                begun_at = time.monotonic()
                self._line.sendall(_WORD)
                self.sent_bytes += len(_WORD)
                left = len(_WORD)
                while left:
                    more = self._line.recv(left)
                    if not more:
                        self.is_cut = True
                        return
                    self.got_bytes += len(more)
                    left -= len(more)
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - begun_at)
            self._line.shutdown(socket.SHUT_WR)
            while more := self._line.recv(65_536):
                self.got_bytes += len(more)
            return
        self.is_cut = True

    def hush(self) -> None:
        """Say no more, and wait for the end."""
        self._end.set()
        self.ended()

    def ended(self) -> None:
        """Wait until the line has ended."""
        self._talking.join(120)
        assert not self._talking.is_alive(), "the line did not end"

    def words(self) -> int:
        """Return how many words have come back so far."""
        return self.got_bytes // len(_WORD)


def assert_charged(chatters: "list[Chatter]", charged_bytes: int) -> None:
    """Assert that what was charged is what they saw: no byte less than came back, at most the last word unheard."""
    got = sum(one.got_bytes for one in chatters)
    sent = sum(one.sent_bytes for one in chatters)
    unsure = sum(len(_WORD) for one in chatters if one.is_cut)
    assert got + sent - unsure <= charged_bytes <= got + sent, (got, sent, unsure, charged_bytes)
