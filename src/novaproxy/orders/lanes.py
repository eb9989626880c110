"""Who is in which batch: orders wait in one queue, and two lanes place them side by side.

While PostgreSQL works on one lane's batch, this process works on the other's (docs/adr/0023). An order whose account is
in the batch of the other lane waits behind that one, instead of for its locks.
"""

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from operator import attrgetter

from novaproxy.database.line import Line
from novaproxy.orders.model import Ask
from novaproxy.orders.pace import LARGEST_BATCH
from novaproxy.orders.placing import Answer

LANES = 2
_NEWEST_WEIGHS = 0.2
_ARRIVED_AT = attrgetter("arrived_at")

OVERDUE_SECONDS = 0.1
"""A batch that takes longer than this waits for a lock, or for a server in trouble: nobody waits to follow it."""


FEWEST_TO_FOLLOW = 4
"""A lane that follows another one's batch serves nobody else meanwhile: for fewer than this it is not worth it."""


@dataclass(slots=True)
class Waiting:
    """An order at the desk since *arrived_at* (monotonic), and where its answer goes."""

    ask: Ask
    answer: asyncio.Future[Answer]
    arrived_at: float
    was_in_batch: bool = False
    """A batch with it could not be placed, so it is placed alone."""

    def give(self, answer: Answer) -> None:
        """Answer, unless the client is gone."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass(slots=True, eq=False)
class Lane:
    """One batch at a time, on *line*: of *tokens*; who wants the same waits *behind*. *clerk* serves.

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
    behind: deque[Waiting] = field(default_factory=deque)

    @property
    def under_way(self) -> int:
        """How many orders are in its batch."""
        return len(self.batch)

    @property
    def is_ready(self) -> bool:
        """Whether a batch can begin here at once."""
        return self.line.is_open

    def holds(self, waiting: Waiting) -> bool:
        """Return whether *waiting* would wait for the locks of this lane's batch."""
        return waiting.ask.token_hash in self.tokens


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
        """When the first one of those who wait for their turn arrived (monotonic); None where nobody does.

        Not of those behind a batch that is overdue: they wait for a lock, which says nothing about anybody else's turn.
        """
        oldest_at = self._queue[0].arrived_at if self._queue else None
        for lane in self.all:
            if lane.behind and lane.clock is not None:
                first_at = lane.behind[0].arrived_at
                oldest_at = first_at if oldest_at is None else min(oldest_at, first_at)
        return oldest_at

    def add(self, waiting: Waiting) -> None:
        """Let *waiting* wait for his turn, and wake a lane where it is one's."""
        held_by = self._held_by(waiting)
        (self._queue if held_by is None else held_by.behind).append(waiting)
        self.wake()

    def turn(self) -> tuple[deque[Waiting], int]:
        """Return whom an idle lane may take now, the first ones first, and how many: its share, the other has one too.

        0 where too few wait for a batch beside the one under way: they go with the next one.
        """
        crowd = self._crowd()
        if crowd is None:
            return self._queue, 0
        everybody = max(len(self) + self._under_way(), self._usual_crowd)
        return crowd, min(LARGEST_BATCH, ceil(everybody / max(1, sum(one.is_ready for one in self.all))))

    def begin(self, lane: Lane, batch: Sequence[Waiting]) -> None:
        """Note that *lane* has *batch* under way."""
        lane.batch = batch
        lane.tokens = frozenset(waiting.ask.token_hash for waiting in batch)
        self._put_behind(lane)
        everybody = len(self) + self._under_way()
        self._usual_crowd += (everybody - self._usual_crowd) * _NEWEST_WEIGHS
        lane.clock = asyncio.get_running_loop().call_later(OVERDUE_SECONDS, self._let_by, lane)
        self.wake()

    def end(self, lane: Lane) -> None:
        """Note that *lane* has nothing under way; who waited behind it waits on, by his arrival."""
        if lane.clock is not None:
            lane.clock.cancel()
            lane.clock = None
        lane.batch, lane.tokens = (), frozenset()
        if lane.behind:
            self._let_go(lane)

    def wake_all(self) -> None:
        """Wake every lane, to see that the desk closes."""
        for lane in self.all:
            lane.woken.set()

    def wake(self) -> None:
        """Wake one idle lane where it would take something."""
        if self._crowd() is None:
            return
        idle = [lane for lane in self.all if not lane.under_way]
        ready = next((lane for lane in idle if lane.is_ready), None)
        if ready is None and len(idle) == len(self.all):
            ready = idle[0]
        if ready is not None:
            ready.woken.set()

    def _put_behind(self, lane: Lane) -> None:
        """Let those in the queue who want an account of *lane*'s new batch wait behind it."""
        tokens = lane.tokens
        wanting = [waiting for waiting in self._queue if waiting.ask.token_hash in tokens]
        if wanting:
            self._queue = deque(waiting for waiting in self._queue if waiting.ask.token_hash not in tokens)
            lane.behind.extend(wanting)

    def _let_go(self, lane: Lane) -> None:
        """Let those behind *lane* wait in the queue, or behind the other lane where its batch has their account too."""
        behind, lane.behind = lane.behind, deque()
        free: list[Waiting] = []
        for waiting in behind:
            held_by = self._held_by(waiting)
            if held_by is None:
                free.append(waiting)
            else:
                insort(held_by.behind, waiting, key=_ARRIVED_AT)
        self._queue = deque(sorted((*free, *self._queue), key=_ARRIVED_AT))

    def _held_by(self, waiting: Waiting) -> Lane | None:
        """Return the lane whose batch has the account that *waiting* orders for."""
        return next((lane for lane in self.all if lane.holds(waiting)), None)

    def _crowd(self) -> deque[Waiting] | None:
        """Return those who are enough for a batch: a small one beside a large one costs more than it gains.

        Where many order for the account of a batch, they may follow it close: its locks are waited for in the database,
        and the worker answers meanwhile.
        """
        ahead = sum(lane.under_way for lane in self.all if lane.clock is not None)
        if self._queue and len(self._queue) >= min(ahead, LARGEST_BATCH):
            return self._queue
        for lane in self.all:
            if lane.clock is not None and self._follows(lane):
                return lane.behind
        return None

    def _follows(self, lane: Lane) -> bool:
        """Return whether those behind *lane* are enough, and nobody waits longer who would stand behind them too."""
        fewest = max(FEWEST_TO_FOLLOW, min(lane.under_way, LARGEST_BATCH))
        if len(lane.behind) < fewest:
            return False
        return not self._queue or lane.behind[0].arrived_at <= self._queue[0].arrived_at

    def _under_way(self) -> int:
        return sum(lane.under_way for lane in self.all)

    def _let_by(self, lane: Lane) -> None:
        lane.clock = None
        self.wake()
