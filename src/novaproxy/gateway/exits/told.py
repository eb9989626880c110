"""What the log hears of upstreams: that one is well or not, and why it failed, now and then."""

from collections.abc import Callable

import structlog

QUIET_SECONDS = 60.0
"""After a failure of an upstream was told: those that follow are counted."""

log = structlog.get_logger("novaproxy.gateway")


class UpstreamLog:
    """Tells of upstreams by their names, which are the catalog's. *clock* gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def failed(self, name: str, reason: str) -> None:
        """Tell that an upstream did not do its part, at most once a minute each."""
        now = self._clock()
        if now - self._told_at.get(name, now - QUIET_SECONDS) < QUIET_SECONDS:
            self._untold[name] = self._untold.get(name, 0) + 1
            return
        self._told_at[name] = now
        log.warning("upstream failed", upstream=name, reason=reason, failures=1 + self._untold.pop(name, 0))

    def moved(self, name: str, is_well: bool) -> None:  # noqa: FBT001 -- as Watch calls it
        """Tell that an upstream became well, or not."""
        if is_well:
            log.info("upstream is well again", upstream=name)
        else:
            log.warning("upstream is not tried for now", upstream=name)
