"""Waiting that ends when nothing moves any more, instead of after a fixed time."""

import time
from collections.abc import Callable

PATIENCE_S = 300.0
"""Seconds without any sign of progress after which a wait is given up."""

_STEP_S = 0.02
_LONGEST_STEP_S = 0.2


class Patience:
    """Waits in short steps while *sign* changes, and *limit_s* seconds longer.

    Crash recovery may take half an hour on a slow disk, so no fixed time is right; a server that is stuck shows by
    its log, which no longer grows.
    """

    def __init__(self, limit_s: float = PATIENCE_S, sign: Callable[[], object] = lambda: None) -> None:
        self._limit_s = limit_s
        self._sign = sign
        self._seen = sign()
        self._moved_at = time.monotonic()
        self._step_s = _STEP_S

    def step(self) -> bool:
        """Sleep a moment; return False when nothing has moved for the whole limit."""
        time.sleep(self._step_s)
        self._step_s = min(self._step_s * 1.2, _LONGEST_STEP_S)
        seen = self._sign()
        if seen != self._seen:
            self._seen = seen
            self._moved_at = time.monotonic()
        return time.monotonic() - self._moved_at < self._limit_s
