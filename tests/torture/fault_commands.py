"""An operator's commands die at each of their round trips: done whole or not at all, and repeated once (T5)."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from commands import Operator, database_url
from database_line import DatabaseLine, Place, Stop, database_line
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from roles import as_service, migrated, through
from services import within
from shop import CATALOG, Shop, serving
from torture.scenario import Figures, Round, Scenario

COMMAND = b"lock_timeout\x0030s\0"
"""What a command's connection says of itself first."""

BY_HAND = CATALOG.read_text()
_numbers = count(1)


@dataclass(slots=True)
class Bench:
    """Where commands are killed: *operator* goes through *line*, *steady* does not."""

    shop: Shop
    line: DatabaseLine
    operator: Operator
    steady: Operator
    trips: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """A command that changes something once.

    Attributes:
        words: the command.
        effects: how often it was done: 0 or 1.
        is_once: whether a second one is no second effect, so that one who does not know may simply repeat it.
    """

    words: list[str]
    effects: Callable[[], int]
    is_once: bool = True


def _credit(bench: Bench) -> Trial:
    buyer, reference = bench.shop.buyer(0), f"payment {next(_numbers)}"

    def effects() -> int:
        balance, entries = bench.shop.balance_cents(buyer), _count(bench, "transfer", reference)
        assert balance == 10_00 * entries, f"{balance} cents of {entries} payments"
        return entries

    words = ["account", "credit", buyer.email, "10", "--reason", "paid", "--reference", reference]
    return Trial(words, effects)


def _count(bench: Bench, table: str, reference: str) -> int:
    return int(bench.shop.value(f"SELECT count(*) FROM {table} WHERE reference = $1", reference))  # noqa: S608 -- a name of ours


def _token(bench: Bench) -> Trial:
    buyer, name = bench.shop.buyer(0), f"token {next(_numbers)}"
    counted = "SELECT count(*) FROM api_token WHERE name = $1"
    return Trial(
        ["token", "create", buyer.email, "--name", name], lambda: int(bench.shop.value(counted, name)), is_once=False
    )


def _catalog(bench: Bench) -> Trial:
    code = f"KILLED-{next(_numbers)}"
    file = bench.operator.directory / "catalog.yaml"
    # The last section of the file is that of the codes.
    file.write_text(f"{BY_HAND.rstrip()}\n  - {{code: {code}, percent: 10, max_uses: 5}}\n", encoding="utf-8")

    def effects() -> int:
        revised = bench.shop.value(
            "SELECT max(document::text) LIKE $1 FROM catalog_revision "
            "WHERE id = (SELECT max(id) FROM catalog_revision)",
            f"%{code}%",
        )
        made = bench.shop.value("SELECT count(*) FROM discount_code WHERE code = $1", code)
        assert made == int(revised), f"{made} rows of code {code}, revised: {revised}"
        return int(made)

    return Trial(["catalog", "apply", str(file)], effects)


def _fail(bench: Bench) -> Trial:
    buyer = bench.shop.buyer(100_00)
    placed = bench.shop.order(buyer, plan="by-hand", bandwidth=1)
    assert placed.status_code == 201, placed.text
    uuid, paid = placed.json()["uuid"], 100_00 - bench.shop.balance_cents(buyer)

    def effects() -> int:
        failed = bench.shop.value("SELECT count(*) FROM orders WHERE uuid = $1 AND status = 'failed'", uuid)
        moves = bench.shop.value(
            "SELECT count(*) FROM order_move JOIN orders ON orders.id = order_id WHERE uuid = $1", uuid
        )
        balance = bench.shop.balance_cents(buyer)
        assert moves == failed, f"{moves} moves of an order that failed {failed} times"
        assert balance == 100_00 - paid * (1 - failed), f"balance {balance} after {failed} refunds of {paid}"
        return int(failed)

    return Trial(["order", "fail", uuid, "--reason", "no exits left"], effects, is_once=False)


COMMANDS = {"account credit": _credit, "token create": _token, "catalog apply": _catalog, "order fail": _fail}


@contextmanager
def open_bench(target: Target, directory: Path) -> Iterator[Bench]:
    """Give a shop on *target* whose operator works in *directory*, behind a line that stops."""
    with database_line(target) as line, serving(target) as address:
        shop = Shop(target, address)
        shop.apply_catalog(BY_HAND)
        behind = {"NOVAPROXY_DATABASE_URL": database_url(through(line.target, target))}
        steady = Operator(directory, {"NOVAPROXY_DATABASE_URL": database_url(as_service(target))})
        try:
            yield Bench(shop, line, Operator(directory, behind), steady)
        finally:
            line.released.set()
            shop.http.close()


def trips_of(bench: Bench, name: str) -> int:
    """Return how many round trips command *name* makes; asked once."""
    if name not in bench.trips:
        trial = COMMANDS[name](bench)
        bench.line.stop_at(Stop(COMMAND, 1_000, Place.UNSENT, of_all=True))
        ran = bench.operator(*trial.words)
        assert ran.status == 0, f"{name}: {ran.errors}"
        assert trial.effects() == 1, f"{name} did nothing"
        bench.trips[name] = bench.line.trips
    return bench.trips[name]


def kill_at(bench: Bench, name: str, trip: int, place: Place) -> bool:
    """Kill command *name* at its *trip*-th round trip, repeat it; return whether the killed one had been done."""
    what = f"{name} killed at round trip {trip}, {place.value}"
    trial = COMMANDS[name](bench)
    bench.line.stop_at(Stop(COMMAND, trip, place, of_all=True))
    process = bench.operator.start(*trial.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        within(20, lambda: bench.line.stopped.is_set() or process.poll() is not None, f"{what}: its round trip")
        # Nobody answers the farewell, which is the last one: by then the command may be through.
        assert bench.line.stopped.is_set() or trip == trips_of(bench, name), f"{what}: it ended before"
        process.kill()
    finally:
        process.wait(20)
    return _repeated(bench, trial, what)


def kill_after(bench: Bench, name: str, seconds: float) -> bool:
    """Kill command *name* some time after its start, repeat it; return whether the killed one had been done."""
    trial = COMMANDS[name](bench)
    process = bench.operator.start(*trial.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(seconds)
        process.kill()
    finally:
        process.wait(20)
    return _repeated(bench, trial, f"{name} killed after {seconds:.3f} s")


def _repeated(bench: Bench, trial: Trial, what: str) -> bool:
    """Repeat the command as one who does not know would, and return whether the first one was done."""
    within(10, lambda: not bench.shop.value(_UNDER_WAY), f"{what}: the end of its session")
    done = trial.effects()
    assert done in {0, 1}, f"{what}: done {done} times"
    if trial.is_once or not done:
        again = bench.steady(*trial.words)
        assert again.status == 0, f"{what}, repeated: {again.errors}"
        assert trial.effects() == 1, f"{what}, repeated: done {trial.effects()} times"
    bench.shop.assert_books_hold()
    return bool(done)


_UNDER_WAY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND state = 'idle in transaction'"
)


def run(given: Round) -> Figures:
    """Kill each command at each round trip, and at random times, in an order of the seed's."""
    until = time.monotonic() + given.seconds
    with EmbeddedPostgres(given.directory / "database") as server:
        target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        with open_bench(target, given.directory) as bench:
            return _killed_until(bench, given.random, until)


def _killed_until(bench: Bench, random: Random, until: float) -> Figures:
    figures: Counter[str] = Counter()
    drawn: list[tuple[str, int, Place]] = []
    while time.monotonic() < until:
        if not drawn:
            drawn = [
                (name, trip, place)
                for name in COMMANDS
                for trip in range(1, trips_of(bench, name) + 1)
                for place in Place
            ]
            random.shuffle(drawn)
        figures["commands that had been done"] += kill_at(bench, *drawn.pop())
        figures["kills of a command at a round trip"] += 1
        if time.monotonic() < until:
            figures["commands that had been done"] += kill_after(
                bench, random.choice(list(COMMANDS)), random.uniform(0.2, 1.2)
            )
            figures["kills of a command at a random time"] += 1
    return figures


SCENARIOS = (
    Scenario(
        "killed-commands",
        "A command that is killed was done whole or not at all, and repeating it does it once.",
        2,
        run,
    ),
)
