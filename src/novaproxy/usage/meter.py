"""The meter of one order at one gateway: what may pass now, and the count of what passed.

All numbers of bytes are counted from the moment when the order's slot was taken. Up to ``_ceiling`` bytes may be
counted: the database has lent them to this gateway. Between the two stand those that tunnels have taken and not yet
passed or given back.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from novaproxy.usage.counters import CounterFile
from novaproxy.usage.speed import NANOSECONDS, Bucket, Demand, bytes_per_second

FLOOR_BYTES = 64 * 1024
"""The least that is asked for, and the least that is granted where there is as much: the last bytes go in one piece."""

FIRST_BYTES = 1024 * 1024
"""What is asked for while nobody knows how fast an order is."""

MOST_BYTES = 2 * 1024**3
"""The most that one gateway asks for: more than a second's worth of one process."""

IDLE_NS = NANOSECONDS
"""What is not used for so long goes back."""

_MEASURED_NS = NANOSECONDS // 10
_PRESSED_NS = NANOSECONDS // 5
_UNLIMITED = 2**62
_TOO_MUCH = 4
_LEAST_PAUSE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Told:
    """What a round tells of one order; all counts since its slot was taken. No limit of tunnels, or speed, is None.

    Of a limited speed (bytes a second) this gateway asks for *asked_per_second*, and wishes the others to leave it
    *wished_per_second*.
    """

    order_id: int
    up_bytes: int
    down_bytes: int
    connections: int
    wanted_bytes: int = 0
    opens: bool = False
    closes: bool = False
    wished_per_second: int = 0
    asked_per_second: int = 0
    speed: int | None = None
    tunnels: int = 0
    wanted_tunnels: int = 0
    tunnel_limit: int | None = None

    @property
    def counted_bytes(self) -> int:
        """Both directions."""
        return self.up_bytes + self.down_bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What a round says of one order.

    Attributes:
        is_here: whether this gateway has a lease of it, be it one of no bytes.
        is_metered: whether bytes were sold, and not time.
        is_sold: whether it is active, unexpired, and its account not suspended.
        is_exhausted: whether every byte is used.
        leased_bytes: what may pass beyond the count that was told.
        free_bytes: what no gateway has of what is left; 0 where it is unmetered.
        tunnels: how many may be open at this gateway.
        bytes_per_second: this gateway's share of a limited speed; 0 where it has none, or none is limited.
    """

    order_id: int
    is_here: bool
    is_metered: bool
    is_sold: bool
    is_exhausted: bool
    leased_bytes: int
    free_bytes: int
    tunnels: int
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Bell:
    """How a meter calls the task that keeps it.

    Attributes:
        needs: it wants a round now.
        lives: something about it changed; a round at the next time will do.
        now_ns: the time on a clock that only goes forward.
    """

    needs: Callable[["OrderMeter"], None]
    lives: Callable[["OrderMeter"], None]
    now_ns: Callable[[], int]


class OrderMeter:
    """The allowance of one order at this gateway (``novaproxy.gateway.allowance.Allowance``).

    Attributes:
        order_id: of the order.
        is_exhausted: whether every byte that was bought is used, at whichever gateway.
        is_lively: whether the keeping task looks at it at each of its times.
        users: how many hold it.
        tunnels: how many are open.
        held_tunnels: how many of a limited number were taken.
    """

    def __init__(self, order_id: int, counters: CounterFile, speed_mbits: int | None, bell: Bell) -> None:
        self.order_id = order_id
        self.is_exhausted = False
        self.is_lively = False
        self.users = 0
        self.tunnels = 0
        self.held_tunnels = 0
        self._counters = counters
        self._cell = counters.claimed(order_id)
        self._bell = bell
        self._loop = asyncio.get_running_loop()
        self._up_bytes = self._down_bytes = self._connections = 0
        self._is_metered = True
        self._ceiling = 0
        self._taken = 0
        self._low_water = 0
        self._is_asking = False
        self._is_barren = False
        self._is_starved = False
        self._wanted = FIRST_BYTES
        self._speed = None if speed_mbits is None else bytes_per_second(speed_mbits)
        self._bucket = None if self._speed is None else Bucket(self._speed, bell.now_ns())
        self._demand = Demand()
        self._is_pressed = False
        self._waiting: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._waking: asyncio.TimerHandle | asyncio.Handle | None = None
        self._pace = 0
        self._measured_bytes = 0
        self._measured_ns = self._moved_ns = bell.now_ns()
        self._told = Told(order_id, 0, 0, 0)

    @property
    def up_bytes(self) -> int:
        """From the client, since the slot was taken."""
        return self._up_bytes

    @property
    def down_bytes(self) -> int:
        """To the client, likewise."""
        return self._down_bytes

    @property
    def _counted(self) -> int:
        return self._up_bytes + self._down_bytes

    # What tunnels call.

    def take(self, most: int) -> int:
        """Reserve up to *most* bytes and return how many; 0: none may pass at this moment."""
        free = self._ceiling - self._up_bytes - self._down_bytes - self._taken
        if free <= 0:
            self._need()
            return 0
        taken = min(most, free)
        if self._bucket is not None:
            ready = self._bucket.bytes_at(self._bell.now_ns())
            turn = self._bucket.turn_bytes
            if self._bucket.is_low:
                self._press(self._bucket)
            if ready < min(taken, turn):
                return 0
            if self._waiting:
                ready = max(turn, ready // (len(self._waiting) + 1))
            taken = min(taken, ready)
            self._bucket.take(taken)
        self._taken += taken
        if free - taken < self._low_water:
            self._need()
        return taken

    def give_back(self, count: int) -> None:
        """Give *count* bytes back that were taken and did not pass."""
        self._taken -= count
        if self._bucket is not None:
            self._bucket.put_back(count)
        if self._waiting and count:
            self._wake_in(0)

    def passed_up(self, count: int) -> None:
        """Count *count* taken bytes that came from the client."""
        if self._cell:
            self._taken -= count
            self._up_bytes += count
            self._counters.cells[self._cell + 1] = self._up_bytes
            self._counters.moved()
            if not self.is_lively:
                self._bell.lives(self)

    def passed_down(self, count: int) -> None:
        """Count *count* taken bytes that went to the client."""
        if self._cell:
            self._taken -= count
            self._down_bytes += count
            self._counters.cells[self._cell + 2] = self._down_bytes
            self._counters.moved()
            if not self.is_lively:
                self._bell.lives(self)

    def filling_up(self, pipe: int) -> None:
        """Note that bytes of the client are about to come into the empty *pipe*."""
        if self._cell:
            self._counters.filling_up(self._cell, pipe)

    def pouring_down(self, pipe: int, held_bytes: int) -> None:
        """Note that the *held_bytes* in the *pipe* are about to go to the client."""
        if self._cell:
            self._counters.pouring_down(self._cell, pipe, held_bytes)

    def stood_still(self) -> None:
        """Note that what was about to move did not."""
        if self._cell:
            self._counters.moved()

    def when_more(self, resume: Callable[[], None]) -> Callable[[], None]:
        """Call *resume* once, as soon as ``take`` may give bytes again; return what takes that wish back."""
        number = next(self._numbers)
        self._waiting[number] = resume
        if self._free_bytes <= 0:
            self._is_starved = True
            self._need()
            self._live()
        elif self._waking is None:
            self._wake_in(self._pause_seconds())
        return lambda: self._forget(number)

    def tunnel_opened(self) -> None:
        """Note that a tunnel opened; it is counted as a connection."""
        self.tunnels += 1
        if self._cell:
            self._connections += 1
            self._counters.cells[self._cell + 3] = self._connections
        self._live()

    def tunnel_closed(self) -> None:
        """Note that it closed."""
        self.tunnels -= 1
        self._live()

    # What the keeping task calls.

    @property
    def is_quiet(self) -> bool:
        """Whether nothing can pass or wait: no tunnel is open and no byte is taken."""
        return not (self.tunnels or self.held_tunnels or self._taken or self._waiting)

    def told(
        self, *, opens: bool = False, closes: bool = False, wanted_tunnels: int = 0, tunnel_limit: int | None = None
    ) -> Told:
        """Return what a round is to tell; what it gives back can pass no more from here on."""
        now_ns = self._bell.now_ns()
        self._measure(now_ns)
        is_pressed = self._is_pressed_at(now_ns)
        wished = 0 if self._speed is None or closes else self._demand.wish(self._speed, is_low=is_pressed)
        wanted = self._wanted_bytes(now_ns) if self._is_metered and not closes else 0
        if self._is_metered or closes:
            self._ceiling = min(self._ceiling, self._counted + max(wanted, self._taken))
        open_tunnels = self.tunnels if tunnel_limit is None else self.held_tunnels
        self._told = Told(
            order_id=self.order_id,
            up_bytes=self._up_bytes,
            down_bytes=self._down_bytes,
            connections=self._connections,
            wanted_bytes=wanted,
            opens=opens,
            closes=closes,
            wished_per_second=wished,
            asked_per_second=self._speed if is_pressed and self._speed is not None else wished,
            speed=self._speed,
            tunnels=open_tunnels,
            wanted_tunnels=open_tunnels + wanted_tunnels,
            tunnel_limit=tunnel_limit,
        )
        return self._told

    def answered(self, told: Told, answered: Answered) -> None:
        """Take in what a round said to *told*."""
        self.is_exhausted = answered.is_exhausted
        self._is_metered = answered.is_metered
        if answered.is_metered:
            self._ceiling = told.counted_bytes + answered.leased_bytes
            # Where the database has nothing more to give, it is asked again when all is spent.
            self._low_water = min(self._wanted, answered.leased_bytes) // 2 if answered.free_bytes else 0
        else:
            self._ceiling = _UNLIMITED if answered.is_sold else self._counted + self._taken
        if self._bucket is not None and self._speed is not None:
            self._bucket.set_rate(answered.bytes_per_second)
        self._is_asking = False
        self._is_starved = False
        self._is_barren = self._free_bytes <= 0 and told.wanted_bytes > 0
        if self._waiting:
            self._wake_in(self._pause_seconds())
        if self._free_bytes < self._low_water:
            self._need()

    def is_due(self, now_ns: int) -> bool:
        """Return whether the database should hear of it at one of the regular times."""
        told = self._told
        is_counted = told.up_bytes == self._up_bytes and told.down_bytes == self._down_bytes
        if not is_counted or told.connections != self._connections or told.wished_per_second:
            return True
        is_thirsty = self._free_bytes <= 0 and bool(self._waiting)
        return is_thirsty or (self._is_metered and self._free_bytes > 0 and self._is_idle(now_ns))

    def is_settled(self, now_ns: int) -> bool:
        """Return whether the keeping task need not look at it until it lives again."""
        return not self.is_due(now_ns) and not (self._is_metered and self._free_bytes > 0)

    def end(self) -> int:
        """Count nothing and let nothing pass from here on; return the slot's cell, 0 where it has ended before."""
        cell, self._cell = self._cell, 0
        self._ceiling = 0
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._waiting.clear()
        return cell

    # Inside.

    @property
    def _free_bytes(self) -> int:
        return self._ceiling - self._up_bytes - self._down_bytes - self._taken

    def _need(self) -> None:
        """Ask for a round, once until it is answered; one that brought nothing is repeated at the regular times."""
        if self._cell and not self._is_asking and not self._is_barren:
            self._is_asking = True
            self._bell.needs(self)

    def _press(self, bucket: Bucket) -> None:
        """Ask for more of the speed, at once and now and then: it may be that no other gateway needs it any more."""
        is_due = bucket.rate < bucket.speed and self._bell.now_ns() - self._measured_ns >= _PRESSED_NS
        if self._cell and (is_due or not self._is_pressed) and not self._is_asking:
            self._is_pressed = self._is_asking = True
            self._bell.needs(self)

    def _is_pressed_at(self, now_ns: int) -> bool:
        if self._bucket is None:
            return False
        self._bucket.bytes_at(now_ns)
        self._is_pressed = self._bucket.is_low
        return self._is_pressed

    def _live(self) -> None:
        if self._cell and not self.is_lively:
            self._bell.lives(self)

    def _measure(self, now_ns: int) -> None:
        counted = self._counted
        if counted != self._told.counted_bytes or self._taken or self._waiting:
            self._moved_ns = now_ns
        passed_ns = now_ns - self._measured_ns
        if passed_ns >= _MEASURED_NS:
            self._pace = (counted - self._measured_bytes) * NANOSECONDS // passed_ns
            self._measured_ns, self._measured_bytes = now_ns, counted
            if self._bucket is not None:
                self._demand.note(self._pace, self._bucket.rate, passed_ns)

    def _is_idle(self, now_ns: int) -> bool:
        return not self._taken and not self._waiting and now_ns - self._moved_ns >= IDLE_NS

    def _wanted_bytes(self, now_ns: int) -> int:
        """Return how large the lease shall be: a second's worth, doubled where that did not last."""
        lease = max(0, self._ceiling - self._counted)
        if self._is_idle(now_ns):
            self._wanted = FLOOR_BYTES
            return 0
        second = max(FLOOR_BYTES, self._pace)
        if self._is_starved:
            second = max(second, 2 * self._wanted)
        elif not self._measured_bytes:
            second = max(second, self._wanted)
        if self._speed is not None:
            second = min(second, max(FLOOR_BYTES, self._speed))
        self._wanted = min(second, MOST_BYTES)
        if lease > _TOO_MUCH * self._wanted:
            return max(self._wanted, self._taken)
        return max(self._wanted, lease)

    def _pause_seconds(self) -> float:
        """Return how long those who wait must wait for their speed."""
        if self._bucket is None:
            return 0
        self._bucket.bytes_at(self._bell.now_ns())
        return max(_LEAST_PAUSE_SECONDS, self._bucket.ns_until_turn() / NANOSECONDS)

    def _wake_in(self, seconds: float) -> None:
        if self._waking is not None:
            self._waking.cancel()
        self._waking = self._loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        """Resume those who wait, who waited longest first; as many as there are turns."""
        self._waking = None
        if self._free_bytes <= 0 or not self._waiting:
            return
        turns = len(self._waiting)
        if self._bucket is not None:
            turns = min(turns, self._bucket.bytes_at(self._bell.now_ns()) // self._bucket.turn_bytes)
        for number in list(self._waiting)[:turns]:
            self._loop.call_soon(self._waiting.pop(number))
        if self._waiting:
            self._wake_in(self._pause_seconds())

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)
