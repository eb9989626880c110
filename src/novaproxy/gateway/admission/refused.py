"""Refusals that were given a moment ago, so that whoever knocks again costs no look-up."""

from dataclasses import dataclass

from novaproxy.gateway.refusals import ProxyRefusal

KEPT_SECONDS = 1.0
"""How long a refusal holds without a new look: shorter than anybody has to wait for a change."""

MOST_KEPT = 16_384


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal; *order_id* and *account_id* are those of the order that it is about, None of an unknown one."""

    reason: type[ProxyRefusal]
    order_id: int | None = None
    account_id: int | None = None


class RecentRefusals:
    """Refusals by a short key (a digest), the oldest forgotten where there are too many."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: dict[bytes, tuple[float, Refused]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: bytes, now: float) -> Refused | None:
        """Return the refusal of *key*, None where there is none or it is too old."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and now < kept[0] else None

    def keep(self, key: bytes, refused: Refused, now: float) -> None:
        """Keep the refusal of *key* from *now* on."""
        self._kept.pop(key, None)
        self._kept[key] = now + KEPT_SECONDS, refused
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) <= self._most and now < self._kept[oldest][0]:
                return
            del self._kept[oldest]
