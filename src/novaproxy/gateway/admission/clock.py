"""The database's time, as this process knows it between two looks at it."""

from collections.abc import Callable
from datetime import datetime, timedelta

_DRIFT_PPM = 500
"""How much two clocks may go apart, in microseconds a second: an old look is taken for so much less exact."""


class DatabaseClock:
    """Tells the database's time without asking; it is never ahead of it by more than the clocks went apart.

    *monotonic* gives the seconds of this process, such as ``loop.time``.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self._seen: datetime | None = None
        self._after = 0.0
        self._width = timedelta()

    def noted(self, before: float, now: datetime, after: float) -> None:
        """Note that the database said *now* somewhen between *before* and *after* of ``monotonic``.

        A look that took long says less than an older one that was quick, unless somebody has set the clock.
        """
        width = timedelta(seconds=after - before)
        if self._seen is not None:
            expected = self._seen + timedelta(seconds=after - self._after)
            drifted = self._width + timedelta(microseconds=_DRIFT_PPM * (after - self._after))
            if now <= expected + drifted and now + width >= expected - drifted and width > drifted:
                return
        self._seen, self._after, self._width = now, after, width

    def now(self) -> datetime:
        """Return the database's time, at most a round trip late: what was bought is not cut short.

        Raises:
            AssertionError: nothing was noted yet.
        """
        if self._seen is None:
            raise AssertionError("nobody asks for the time before an order was read")
        return self._seen + timedelta(seconds=self.monotonic() - self._after)
