"""How fast the desk goes, and how long a new order would wait there."""

from dataclasses import dataclass

LARGEST_BATCH = 64
_NEWEST_WEIGHS = 0.2


@dataclass(slots=True)
class Pace:
    """A running mean of what a batch takes, newer ones weighing more; at first nothing is known, and nothing waits.

    Small batches count like large ones. They are faster, so a sudden crowd is let in too freely for a few batches; the
    other way round, a desk that was slow once would refuse long after.
    """

    batch_seconds: float = 0.0

    def note(self, seconds: float) -> None:
        """Note what a batch took."""
        self.batch_seconds += (seconds - self.batch_seconds) * _NEWEST_WEIGHS

    def wait_seconds(self, waiting: int) -> float:
        """Return how long one more order would wait behind *waiting*, the batch under way taken as half done."""
        return (waiting // LARGEST_BATCH + 0.5) * self.batch_seconds
