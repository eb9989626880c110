"""Who is in which batch: orders wait in one queue, and two lanes place them side by side.

While PostgreSQL works on one lane's batch, this process works on the other's (docs/adr/0023). An order whose account or
code is in the batch of the other lane waits behind that one, instead of for its locks.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from operator import attrgetter

from novaproxy.database.line import Line
from novaproxy.orders.model import Ask
from novaproxy.orders.pace import LARGEST_BATCH
from novaproxy.orders.placing import Answer
from novaproxy.orders.store import asked_code

LANES = 2
_NEWEST_WEIGHS = 0.2

OVERDUE_SECONDS = 0.1
"""A batch that takes longer than this waits for a lock, or for a server in trouble: nobody waits to follow it."""


@dataclass(slots=True)
class Waiting:
    """An order at the desk since *arrived_at* (monotonic), and where its answer goes."""

    ask: Ask
    answer: asyncio.Future[Answer]
    arrived_at: float

    def give(self, answer: Answer) -> None:
        """Answer, unless the client is gone."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass(slots=True, eq=False)
class Lane:
    """One batch at a time, on *line*: of *tokens* and *codes*; who wants the same waits *behind*. *clerk* serves.

    Its connection is opened, where that is not done for a batch of its own, at *open_at* (monotonic) at the earliest.
    """

    line: Line
    clerk: asyncio.Task[None] | None = None
    open_at: float = 0.0
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    batch: Sequence[Waiting] = ()
    clock: asyncio.TimerHandle | None = None
    """Runs until the batch is overdue."""
    tokens: frozenset[bytes] = frozenset()
    codes: frozenset[str | None] = frozenset()
    behind: deque[Waiting] = field(default_factory=deque)

    @property
    def under_way(self) -> int:
        """How many orders are in its batch."""
        return len(self.batch)

    @property
    def is_ready(self) -> bool:
        """Whether a batch can begin here at once."""
        return self.line.is_open

    def holds(self, ask: Ask) -> bool:
        """Return whether *ask* would wait for the locks of this lane's batch."""
        return ask.token_hash in self.tokens or (bool(self.codes) and asked_code(ask) in self.codes)


class Lanes:
    """The queue, and the lanes that it feeds, one on each of *lines*."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.all = tuple(Lane(line) for line in lines)
        self._queue: deque[Waiting] = deque()
        self._usual_crowd = 0.0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._queue) + sum(len(lane.behind) for lane in self.all)

    @property
    def oldest_at(self) -> float | None:
        """When the first one of those who wait arrived (monotonic); None where nobody does."""
        oldest_at = self._queue[0].arrived_at if self._queue else None
        for lane in self.all:
            if lane.behind and (oldest_at is None or lane.behind[0].arrived_at < oldest_at):
                oldest_at = lane.behind[0].arrived_at
        return oldest_at

    def add(self, waiting: Waiting) -> None:
        """Let *waiting* wait for his turn, and wake a lane where it is one's."""
        for lane in self.all:
            if lane.under_way and lane.holds(waiting.ask):
                lane.behind.append(waiting)
                return
        self._queue.append(waiting)
        self.wake()

    def room(self) -> int:
        """Return how many an idle lane may take now: its share of those who order; the other lane has one too.

        0 where too few wait for a batch beside the one under way: they go with the next one.
        """
        if not self._is_enough():
            return 0
        crowd = max(len(self) + self._under_way(), self._usual_crowd)
        return min(LARGEST_BATCH, ceil(crowd / max(1, sum(one.is_ready for one in self.all))))

    def next(self, lane: Lane) -> Waiting | None:
        """Take the next one out of the queue that does not wait for a batch of another lane than *lane*."""
        others = [other for other in self.all if other.under_way and other is not lane]
        while self._queue:
            waiting = self._queue.popleft()
            held_by = next((other for other in others if other.holds(waiting.ask)), None)
            if held_by is None:
                return waiting
            held_by.behind.append(waiting)
        return None

    def begin(self, lane: Lane, batch: Sequence[Waiting]) -> None:
        """Note that *lane* has *batch* under way."""
        lane.batch = batch
        lane.tokens = frozenset(waiting.ask.token_hash for waiting in batch)
        lane.codes = frozenset(asked_code(waiting.ask) for waiting in batch) - {None}
        crowd = len(self) + self._under_way()
        self._usual_crowd += (crowd - self._usual_crowd) * _NEWEST_WEIGHS
        lane.clock = asyncio.get_running_loop().call_later(OVERDUE_SECONDS, self._let_by, lane)
        self.wake()

    def end(self, lane: Lane) -> None:
        """Note that *lane* has nothing under way; who waited behind it is in the queue again, by his arrival."""
        if lane.clock is not None:
            lane.clock.cancel()
            lane.clock = None
        lane.batch, lane.tokens, lane.codes = (), frozenset(), frozenset()
        if lane.behind:
            self._queue = deque(sorted((*lane.behind, *self._queue), key=attrgetter("arrived_at")))
            lane.behind.clear()

    def wake_all(self) -> None:
        """Wake every lane, to see that the desk closes."""
        for lane in self.all:
            lane.woken.set()

    def wake(self) -> None:
        """Wake one idle lane where it would take something."""
        if not self._is_enough():
            return
        idle = [lane for lane in self.all if not lane.under_way]
        ready = next((lane for lane in idle if lane.is_ready), None)
        if ready is None and len(idle) == len(self.all):
            ready = idle[0]
        if ready is not None:
            ready.woken.set()

    def _under_way(self) -> int:
        return sum(lane.under_way for lane in self.all)

    def _let_by(self, lane: Lane) -> None:
        lane.clock = None
        self.wake()

    def _is_enough(self) -> bool:
        """Return whether the queue is worth a batch: a small one beside a large one costs more than it gains."""
        ahead = sum(lane.under_way for lane in self.all if lane.clock is not None)
        return bool(self._queue) and len(self._queue) >= min(ahead, LARGEST_BATCH)
