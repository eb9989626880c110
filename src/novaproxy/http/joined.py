"""The head of an answer and the beginning of its body in one write; uvicorn alone makes two system calls of it."""

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class JoinedHead:
    """Stands in for the transport of *cycle* until both are written. Not for HEAD, where nothing follows the head."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head = b""

    def write(self, written: bytes) -> None:
        """Hold the head back until there is more."""
        if self._head:
            self._transport.write(self._head + written)
            self._head = b""
            self._cycle.transport = self._transport
        elif self._cycle.response_started:
            self._head = written
        else:
            # 100 Continue, which the client waits for.
            self._transport.write(written)

    def is_closing(self) -> bool:
        """Return whether the connection is about to end."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection, with a head that nothing follows where the answer broke behind it."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()
