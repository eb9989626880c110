"""Buckets: so many at once, and as many again over a while (the generic cell rate algorithm, in whole nanoseconds).

Of each key one number is kept: the moment at which its bucket is full again. Whoever is refused pays nothing, so that
a client that waits as long as it is told to comes in.
"""

from dataclasses import dataclass

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """At most *quota* at once, and *quota* more in each *seconds*; *name* is what the headers call it."""

    name: str
    quota: int
    seconds: int = 60

    @property
    def interval_ns(self) -> int:
        """How long one takes to come back."""
        return self.seconds * SECOND_NS // self.quota


class Kept:
    """One number for each key, at most twice *most_keys* of them however many come.

    When so many are new, those that were not written since the last time are forgotten.
    """

    def __init__(self, most_keys: int = 16_384) -> None:
        self._most_keys = most_keys
        self._newer: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Return how many keys are kept, some of them twice."""
        return len(self._newer) + len(self._older)

    def read(self, key: bytes) -> int:
        """Return what was written last for *key*, 0 where that is forgotten."""
        found = self._newer.get(key)
        return self._older.get(key, 0) if found is None else found

    def write(self, key: bytes, number: int) -> None:
        """Keep *number* for *key*."""
        self._newer[key] = number
        if len(self._newer) >= self._most_keys:
            self._older, self._newer = self._newer, {}


class Buckets:
    """The buckets of one policy, by key; a forgotten one is full."""

    def __init__(self, policy: Policy, kept: Kept | None = None) -> None:
        self.policy = policy
        self._interval_ns = policy.interval_ns
        self._depth_ns = policy.interval_ns * policy.quota
        self._full_at = kept or Kept()

    def wait_ns(self, key: bytes, now_ns: int) -> int:
        """Return how long *key* must wait until it may take one; 0: it may now."""
        return max(0, self._full_at.read(key) + self._interval_ns - self._depth_ns - now_ns)

    def take(self, key: bytes, now_ns: int) -> int:
        """Take one and return how many are left; below 0 none was there, and nothing is taken."""
        full_at = max(self._full_at.read(key), now_ns) + self._interval_ns
        left_ns = self._depth_ns - (full_at - now_ns)
        if left_ns >= 0:
            self._full_at.write(key, full_at)
        return left_ns // self._interval_ns

    def full_in_ns(self, key: bytes, now_ns: int) -> int:
        """Return how long it takes until the bucket of *key* is full."""
        return max(0, self._full_at.read(key) - now_ns)
