"""What must reach the exit before anything else: what the client sent along with his handshake."""

from novaproxy.gateway.model import Asked


class Opening:
    """The head of a plain HTTP request and early payload, and what is to be counted for them.

    A head is counted as long as the client sent it, and passes whole or not at all: half a request is none.
    """

    __slots__ = ("_early", "_head", "_owed_bytes")

    def __init__(self, asked: Asked) -> None:
        self._head = asked.head
        self._owed_bytes = asked.head_bytes
        self._early = asked.early if asked.body_bytes is None else asked.early[: asked.body_bytes]

    @property
    def wanted_bytes(self) -> int:
        """How many bytes must be taken for all of it to pass."""
        return self._owed_bytes + len(self._early)

    @property
    def is_over(self) -> bool:
        """Whether all of it has been paid out."""
        return not (self._head or self._owed_bytes or self._early)

    def pay(self, taken_bytes: int) -> bytes:
        """Count *taken_bytes* (up to ``wanted_bytes``) towards it, and return what may pass for them."""
        if taken_bytes < self._owed_bytes:
            self._owed_bytes -= taken_bytes
            return b""
        early_bytes = taken_bytes - self._owed_bytes
        piece = self._head + self._early[:early_bytes]
        self._head, self._owed_bytes, self._early = b"", 0, self._early[early_bytes:]
        return piece


def body_after(asked: Asked) -> int | None:
    """Return how many bytes of the request's body are still to come; None: until the client ends his side."""
    return None if asked.body_bytes is None else max(0, asked.body_bytes - len(asked.early))
