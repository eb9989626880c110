"""Commands that change the shop: whoever asked hears whether it was done, however the command ends."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

import asyncpg
from asyncpg.transaction import Transaction

from novaproxy.cli.database import run
from novaproxy.cli.output import ReaderGone, complain, flush, say
from novaproxy.cli.terminal import Progress
from novaproxy.database.pool import SoleConnection, is_outage, rolled_back
from novaproxy.errors import OperatorError

Prepared = TypeVar("Prepared")

LOCK_TIMEOUT_MS = 300
"""How long a change waits for one lock while it may hold others: shorter than an order of these accounts waits."""

LOCKS_SECONDS = 30.0
"""How long a change tries to get all its locks."""

_PAUSE_SECONDS = (0.1, 0.5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a change has to say: the *lines* that are printed, and *done*, the one that tells what was done."""

    lines: Sequence[str]
    done: str


Work = Callable[[SoleConnection], Awaitable[Answer]]
"""What a change does inside its transaction; done again where somebody else held what it needs."""


def answered(done: str, *more: str) -> Answer:
    """Return the answer of a change whose first line says what was done."""
    return Answer((done, *more), done)


class _Stage(Enum):
    """How far a change is."""

    UNDONE = auto()
    SHOWN = auto()
    """The answer is being printed, and nothing is committed yet."""
    COMMITTING = auto()
    """COMMIT was sent; until it is answered nobody here knows what became of it."""
    DONE = auto()


@dataclass(slots=True)
class _Course:
    """A change on its way.

    *look* says where its effect can be seen; *unmade* what holds when the answer was printed and the change is undone,
    None for a change whose answer is printed once it is committed.
    """

    look: str
    unmade: str | None
    progress: Progress
    stage: _Stage = _Stage.UNDONE
    done: str = ""

    async def commit(self, connection: SoleConnection, work: Work) -> None:
        """Do *work* in one transaction, and print its answer before the database is closed and stopped."""
        transaction, answer = await self._made(connection, work)
        before, self.stage, self.done = self.stage, _Stage.COMMITTING, answer.done
        try:
            await transaction.commit()
        except Exception as error:
            if not is_outage(error):
                self.stage = before
            raise
        self.stage = _Stage.DONE
        if self.unmade is None:
            self._print(answer)

    async def _made(self, connection: SoleConnection, work: Work) -> tuple[Transaction, Answer]:
        """Return the transaction in which *work* is done, open, and its answer, once it has all the locks it needs.

        It waits a moment for each, and then lets go of all of them: what it has already, orders would wait for.
        """
        deadline = time.monotonic() + LOCKS_SECONDS
        while True:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                answer = await work(connection)
                if self.unmade is not None:
                    self.stage = _Stage.SHOWN
                    self._print(answer)
            except asyncpg.LockNotAvailableError:
                await rolled_back(transaction)
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 -- spreads retries, guards nothing
            except BaseException:
                await rolled_back(transaction)
                raise
            else:
                return transaction, answer

    def _print(self, answer: Answer) -> None:
        self.progress.end()
        for line in answer.lines:
            say(line)
        flush()

    def aftermath(self) -> list[str]:
        """Return what must be told when the command fails now."""
        match self.stage:
            case _Stage.DONE:
                return [f"It was done: {self.done}"]
            case _Stage.COMMITTING:
                return [f"It may have been done: {self.look}."]
            case _Stage.SHOWN if self.unmade is not None:
                return [self.unmade]
            case _:
                return []


def change(
    prepare: Callable[[SoleConnection], Awaitable[Prepared]],
    work: Callable[[SoleConnection, Prepared], Awaitable[Answer]],
    *,
    look: str,
    unmade: str | None = None,
    progress: Progress | None = None,
    makes_database: bool = False,
) -> None:
    """Do *work* in one transaction with what *prepare* read before it, and print the answer.

    With *unmade* the answer is printed before the COMMIT, so that what cannot be shown is not done.

    Raises:
        OperatorError: it cannot be done, or not be printed; that it was done, or may have been, was told.
        ReaderGone: it was done, and nobody reads the answer.
    """
    course = _Course(look, unmade, progress or Progress())

    async def changed(connection: SoleConnection) -> None:
        prepared = await prepare(connection)
        await course.commit(connection, lambda connection: work(connection, prepared))

    try:
        run(changed, course.progress, makes_database=makes_database)
    except ReaderGone as gone:
        if course.stage is _Stage.SHOWN:
            raise OperatorError(*course.aftermath()) from gone
        raise
    except BaseException:
        complain(*course.aftermath())
        raise


async def nothing(_connection: SoleConnection) -> None:
    """Prepare nothing."""
