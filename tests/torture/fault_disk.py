"""The database has no room, no connection, no memory, or may not write: patience is asked for, and it heals (T7)."""

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import asyncpg

from loads import Load, assert_settled, under_load
from novaproxy.database.pool import SoleConnection
from services import EmbeddedShop, held, within
from shop import CATALOG, Shop, on_connection
from torture.scenario import Figures, Round, Scenario
from torture.stand import SETTLING_SECONDS, Stand, open_stand

DISK_MIB = 512
"""Far more than what is ordered in the longest run, so that it is the ballast that fills it."""
HEALING_SECONDS = 10.0
_BLOCK_BYTES = 2**20


@contextmanager
def small_disk(place: Path, size_mib: int) -> Iterator[Path]:
    """Mount a file system of *size_mib* MiB at *place*.

    Raises:
        AssertionError: this account may not mount.
    """
    place.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(place)]
    mounted = subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603 -- mount, words of ours
    assert mounted.returncode == 0, f"no small file system could be mounted (root may): {mounted.stderr}"
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607 -- the system's own


def fill(disk: Path) -> Path:
    """Take all that is left of *disk*; return the file that has it."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        for size in (_BLOCK_BYTES, 4096, 1):
            try:
                while True:
                    os.write(file.fileno(), b"\1" * size)
            except OSError:
                continue
    return ballast


def full_disk_round(shop: Shop, embedded: EmbeddedShop, load: Load, disk: Path, random: Random) -> int:
    """Fill the disk under load, give the space back, and see orders again; return how many orders had to wait."""
    placed = load.placed()
    within(15, lambda: load.placed() > placed + 10, "orders under load")
    ballast = fill(disk)
    before = len(load.outcomes)
    try:
        # Segments of the log that are there already are written on; only when they are full nothing goes.
        within(40, lambda: any(one.status == 503 for one in load.outcomes[before:]), "an order that met the full disk")
        time.sleep(random.uniform(0, 1.5))
        assert shop.http.get("/health").status_code == 200, "the service is not even there"
    finally:
        ballast.unlink()
    refused = sum(one.status != 201 for one in load.outcomes[before:])
    placed = load.placed()
    within(HEALING_SECONDS, lambda: load.placed() > placed, "orders once there is room again")
    assert embedded.service.process.poll() is None, f"the service ended: {embedded.service.log()[-2000:]}"
    return refused


def run_disk(given: Round) -> Figures:
    """Fill the disk and free it, as often as the time allows."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with small_disk(given.directory / "disk", DISK_MIB) as disk, EmbeddedShop(disk / "shop") as embedded:
        shop = Shop(embedded.target, embedded.service.address)
        shop.apply_catalog(CATALOG.read_text())
        buyers = [shop.buyer(1_000_000_00) for _ in range(4)]
        with under_load(lambda: embedded.service.address, buyers) as load:
            while not figures or time.monotonic() < until:
                figures["orders that met a full disk"] += full_disk_round(shop, embedded, load, disk, given.random)
                figures["full disks"] += 1
                # More than five deaths of the database in half a minute end the service, as they should.
                time.sleep(min(7.0, max(0.0, until - time.monotonic())))
        assert_settled(shop, load, seconds=SETTLING_SECONDS)
        figures["orders placed"] = len(load.outcomes)
        shop.http.close()
        assert embedded.service.end() == 0, "the service did not end well"
    return figures


@contextmanager
def no_connections(stand: Stand) -> Iterator[None]:
    """Take every connection that the server has, once the service's own were ended."""
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'novaproxy' "
        "AND pid <> pg_backend_pid()"
    )
    with asyncio.Runner() as runner:
        taken: list[SoleConnection] = []
        runner.run(_take(stand, taken))
        try:
            runner.run(_execute(taken[0], ended))
            runner.run(_take(stand, taken))
            yield
        finally:
            for connection in taken:
                connection.terminate()


async def _take(stand: Stand, taken: list[SoleConnection]) -> None:
    for _ in range(200):
        try:
            taken.append(await asyncpg.connect(**stand.shop.target))
        except asyncpg.TooManyConnectionsError:
            return
    raise AssertionError("the server has connections without end")


async def _execute(connection: SoleConnection, words: str) -> None:
    await connection.execute(words)


@contextmanager
def read_only(stand: Stand) -> Iterator[None]:
    """Let the database take no writing, as a standby does: each new session is read-only to its end."""
    sessions = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'novaproxy' "
        "AND pid <> pg_backend_pid()"
    )
    database = stand.shop.target["database"]
    stand.shop.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    stand.shop.sql(sessions)
    try:
        yield
    finally:
        asyncio.run(on_connection(stand.shop.target, lambda connection: _reset(connection, database)))


async def _reset(connection: SoleConnection, database: str) -> None:
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")


def refused_and_healed(stand: Stand, want: Callable[[Stand], AbstractContextManager[None]], what: str) -> int:
    """Order while *want* holds, each hears 503; afterwards every way to the database is well again."""
    stand.warm()
    with want(stand):
        sent = [one.result() for one in stand.ask(stand.buyers)]
        told = {one.status for one in sent}
        assert told <= {201, 503}, f"{what}: {told}"
        assert 503 in told, f"{what}: nobody met it"
    refused = sum(one.status != 201 for one in sent)
    stand.settle(sent, SETTLING_SECONDS, what)
    # Orders that go aside have connections of their own, and those must be well too.
    aside(stand, what)
    stand.assert_sold_once(what)
    return refused


def aside(stand: Stand, what: str) -> None:
    """Place an order whose account is locked for longer than the common batch waits."""
    buyer = stand.buyers[0]
    with held(stand.shop.target, "SELECT FROM account WHERE id = $1 FOR UPDATE", buyer.account_id):
        (sent,) = stand.ask([buyer])
        time.sleep(1.3)
    outcome = sent.result()
    assert outcome.status == 201, f"{what}: an order served aside heard {outcome.status}"


WANTS = {"too many connections": no_connections, "a read-only database": read_only}


def run_wants(given: Round) -> Figures:
    """Let the database want connections, and the right to write, by turns."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with open_stand(given.directory, {"max_connections": "24"}) as stand:
        while not figures or time.monotonic() < until:
            for what, want in WANTS.items():
                figures["orders that met a database in want"] += refused_and_healed(stand, want, what)
                figures[f"times of {what}"] += 1
        figures["orders placed"] = len(stand.asked)
    return figures


SCENARIOS = (
    Scenario("full-disk", "On a full disk orders hear 503; with room again they are placed.", 2, run_disk),
    Scenario(
        "database-in-want",
        "Without connections, or the right to write, orders hear 503; afterwards they are placed, aside too.",
        1,
        run_wants,
    ),
)
