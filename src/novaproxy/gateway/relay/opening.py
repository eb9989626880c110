"""What must reach the exit before anything else: what the client sent along with his handshake."""


class Opening:
    """The head of a plain HTTP request and early payload, and what is to be counted for them.

    A head is counted as long as the client sent it, and passes whole or not at all: half a request is none.
    """

    __slots__ = ("_early", "_head", "_owed_bytes")

    def __init__(self, head: bytes, head_bytes: int, early: bytes) -> None:
        self._head = head
        self._owed_bytes = head_bytes
        self._early = early

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
