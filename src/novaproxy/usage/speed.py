"""The speed that was sold, as a bucket of bytes that fills evenly: integers all the way.

Speed is in Mbit/s of 10**6 bits. An order that is busy at several gateways has a bucket at each; they share by what
each of them tells the others with its rounds.
"""

NANOSECONDS = 10**9
BYTES_PER_MBIT = 125_000

_BURST_PART = 20
_TURN_PART = 100
_LEAST_TURN_BYTES = 1_500


def bytes_per_second(speed_mbits: int) -> int:
    """Return *speed_mbits* (10**6 bits a second) in bytes a second."""
    return speed_mbits * BYTES_PER_MBIT


def share_of(speed: int, other_rates: int, other_busy: int) -> int:
    """Return which part of *speed* is this gateway's, beside *other_busy* ones that use *other_rates* together.

    All in bytes a second. Never less than an equal part, and never less than what the others leave.
    """
    return max(speed // (other_busy + 1), speed - other_rates)


class Bucket:
    """Bytes that may pass now: it fills with *rate* bytes a second, and holds a twentieth of a second's worth."""

    def __init__(self, rate: int, now_ns: int) -> None:
        self._level = 0
        self._filled_at_ns = now_ns
        self.set_rate(rate)
        self._level = self._most

    def set_rate(self, rate: int) -> None:
        """Fill with *rate* bytes a second from here on."""
        self.rate = rate
        self.turn_bytes = max(_LEAST_TURN_BYTES, rate // _TURN_PART)
        self._most = max(2 * self.turn_bytes, rate // _BURST_PART) * NANOSECONDS
        self._level = min(self._level, self._most)

    def bytes_at(self, now_ns: int) -> int:
        """Return how many bytes may pass."""
        if now_ns > self._filled_at_ns:
            self._level = min(self._most, self._level + (now_ns - self._filled_at_ns) * self.rate)
            self._filled_at_ns = now_ns
        return max(0, self._level // NANOSECONDS)

    def take(self, count: int) -> None:
        """Take *count* bytes out."""
        self._level -= count * NANOSECONDS

    def put_back(self, count: int) -> None:
        """Put *count* bytes back that did not pass."""
        self._level = min(self._most, self._level + count * NANOSECONDS)

    def ns_until_turn(self) -> int:
        """Return in how many nanoseconds of the last look there is enough for a turn."""
        missing = self.turn_bytes * NANOSECONDS - self._level
        return max(0, -(-missing // self.rate))
