"""The speed that was sold, as a bucket of bytes that fills evenly: integers all the way.

Speed is in Mbit/s of 10**6 bits. An order that is busy at several gateways has a bucket at each; the database parts the
speed among them with each round (``share_of_speed``), so that their rates together are never more than it.
"""

NANOSECONDS = 10**9
BYTES_PER_MBIT = 125_000

_BURST_PART = 20
_TURN_PART = 100
_LEAST_TURN_BYTES = 1_500
_START_PART = 20


def bytes_per_second(speed_mbits: int) -> int:
    """Return *speed_mbits* (10**6 bits a second) in bytes a second."""
    return speed_mbits * BYTES_PER_MBIT


class Demand:
    """What the clients of one gateway make of its share of a speed; all in bytes a second.

    It is judged by about a second: clients who read slowly come in bursts, and would take from the other gateways in
    each what they then do not use.
    """

    def __init__(self) -> None:
        self._passed = 0
        self._usual = 0
        self._usual_rate = 0

    def note(self, passed: int, rate: int, window_ns: int) -> None:
        """Note that *passed* passed in the last *window_ns*, where *rate* might."""
        if window_ns >= 2 * NANOSECONDS:
            # It was idle: what it was before says nothing.
            self._passed = self._usual = self._usual_rate = 0
            return
        self._passed = min(passed, rate)
        # It falls faster than it rises, as what is wished for and not used is lost.
        slowness_ns = NANOSECONDS if passed > self._usual else NANOSECONDS // 4
        self._usual += (passed - self._usual) * window_ns // (window_ns + slowness_ns)
        self._usual_rate += (rate - self._usual_rate) * window_ns // (window_ns + NANOSECONDS)

    def wish(self, speed: int, *, is_low: bool) -> int:
        """Return how much of *speed* the other gateways are to leave; *is_low*: more is wanted at this moment.

        Where all that may pass passes, a quarter more; else what passes and a little to spare.
        """
        start = speed // _START_PART
        if self._usual and self._usual * 16 >= self._usual_rate * 15:
            return min(speed, max(self._usual, self._passed) * 5 // 4 + speed // 32)
        spare = speed // 64 if self._usual else 0
        return min(speed, max(self._usual * 17 // 16 + spare, start if is_low else 0))


class Bucket:
    """Bytes that may pass now: it holds a twentieth of a second's worth of *speed*, and fills with its rate.

    The rate is *speed* bytes a second, or a share of it; never less than a twentieth, so that nobody stands still until
    the others have left him something.
    """

    def __init__(self, speed: int, now_ns: int) -> None:
        self.speed = speed
        self._least_rate = max(1, speed // _START_PART)
        self._most = max(2 * _LEAST_TURN_BYTES, speed // _BURST_PART) * NANOSECONDS
        self._level = self._most
        self._filled_at_ns = now_ns
        self.set_rate(speed)

    @property
    def is_low(self) -> bool:
        """Whether less than half of what it can hold was there: lately more was wanted than came in."""
        return 2 * self._level < self._most

    def set_rate(self, rate: int) -> None:
        """Fill with *rate* bytes a second from here on."""
        self.rate = min(self.speed, max(self._least_rate, rate))
        self.turn_bytes = max(_LEAST_TURN_BYTES, self.rate // _TURN_PART)

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
