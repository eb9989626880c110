"""Which upstreams are well, as this process sees it: by the tunnels that ask for them, and by checks of its own.

Only what no customer can bring about counts against an upstream: it takes no connection, or refuses our credentials.
Else whoever asks for targets that do not answer could take the exits from everybody.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from novaproxy.catalog.model import Upstream

CHECK_SECONDS: Final = 10.0
"""From one check of an upstream to the next."""

_PATIENCE: Final = 2
"""Failures in a row of tunnels after which an upstream rests. Of a check one is enough: it meets nobody's target."""

_LONGEST_REST_SECONDS: Final = 30.0
_AFTER_CHECK_SECONDS: Final = 3 * CHECK_SECONDS
"""Until three more checks should have come: without them the tunnels try again."""

_Place = tuple[object, ...]


@dataclass(slots=True)
class _State:
    is_well: bool = True
    failures: int = 0
    rests_until: float = 0.0


class Health:
    """What is known of each upstream.

    Args:
        clock: seconds that never go back.
        on_change: told the name of an upstream and whether it is well, whenever that changed.
    """

    def __init__(self, clock: Callable[[], float], on_change: Callable[[str, bool], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._states: dict[_Place, _State] = {}

    def is_well(self, upstream: Upstream) -> bool:
        """Return whether *upstream* may be tried."""
        state = self._states.get(_place(upstream)) if self._states else None
        return state is None or self._clock() >= state.rests_until

    def worked(self, upstream: Upstream) -> None:
        """Note that *upstream* did its part."""
        state = self._states.get(_place(upstream))
        if state is not None:
            self._states[_place(upstream)] = _State(is_well=state.is_well)
            self._moved(upstream, is_well=True)

    def failed(self, upstream: Upstream, *, is_check: bool = False) -> None:
        """Note that *upstream* did not do its part: it rests, twice as long each time it fails in a row."""
        state = self._states.setdefault(_place(upstream), _State())
        state.failures += 1
        if is_check:
            state.rests_until = self._clock() + _AFTER_CHECK_SECONDS
        elif state.failures >= _PATIENCE:
            rest_seconds = min(2.0 ** min(state.failures - _PATIENCE, 10), _LONGEST_REST_SECONDS)
            state.rests_until = max(state.rests_until, self._clock() + rest_seconds)
        if state.rests_until > self._clock():
            self._moved(upstream, is_well=False)

    def keep(self, upstreams: Collection[Upstream]) -> None:
        """Forget all others."""
        places = {_place(upstream) for upstream in upstreams}
        self._states = {place: state for place, state in self._states.items() if place in places}

    def _moved(self, upstream: Upstream, *, is_well: bool) -> None:
        state = self._states[_place(upstream)]
        if state.is_well != is_well:
            state.is_well = is_well
            self._on_change(upstream.name, is_well)


def _place(upstream: Upstream) -> _Place:
    """Return what makes *upstream* another one, to be judged anew; its weight or its country do not."""
    return (
        upstream.name,
        upstream.type,
        upstream.host,
        upstream.port,
        upstream.source,
        upstream.username,
        upstream.password,
        upstream.password_env,
    )
