"""How far a worker is behind: what arrives waits before anybody has looked at it, and no queue shows that."""

import asyncio
import time

BEAT_SECONDS = 0.1


class Lag:
    """A heart that beats in the event loop; what it beats too late, everything else is late too."""

    def __init__(self) -> None:
        self._late_seconds = 0.0
        self._due_at = time.monotonic()
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._due_at = time.monotonic() + BEAT_SECONDS
        self._next = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat)

    def stop(self) -> None:
        """Beat no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _beat(self) -> None:
        self._late_seconds = time.monotonic() - self._due_at
        self.start()

    @property
    def seconds(self) -> float:
        """How late two beats in a row were at least: a process that stood still once is not behind for that."""
        return max(0.0, min(self._late_seconds, time.monotonic() - self._due_at))
