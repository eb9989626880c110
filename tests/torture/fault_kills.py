"""Random kills under load, the database's too; each key then has one order, within five seconds of ready (T5)."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from loads import Load, assert_settled, under_load
from services import EmbeddedShop, within
from shop import CATALOG, Shop
from torture.scenario import Figures, Round, Scenario
from torture.stand import READY_SECONDS, SETTLING_SECONDS

BUYERS = 6
DEATHS_SECONDS = 6.5
"""More than five deaths in half a minute end a service, as they should."""


def _kill_worker(embedded: EmbeddedShop, _random: Random) -> None:
    embedded.service.kill_worker()


def _kill_duties(embedded: EmbeddedShop, _random: Random) -> None:
    pid = embedded.service.duties_pid()
    assert pid is not None, "there are no duties"
    os.kill(pid, signal.SIGKILL)


def _kill_supervisor(embedded: EmbeddedShop, _random: Random) -> None:
    embedded.service.kill_supervisor()
    embedded.service.restart()


def _kill_service(embedded: EmbeddedShop, _random: Random) -> None:
    embedded.service.kill()
    embedded.service.restart()


def _kill_server(embedded: EmbeddedShop, random: Random) -> None:
    embedded.signal_database(random.choice([signal.SIGKILL, signal.SIGQUIT]))


def _kill_server_and_service(embedded: EmbeddedShop, random: Random) -> None:
    _kill_server(embedded, random)
    time.sleep(random.uniform(0, 0.5))
    _kill_service(embedded, random)


def _kill_backend(embedded: EmbeddedShop, random: Random) -> None:
    shop = Shop(embedded.target, embedded.service.address)
    rows = shop.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'novaproxy' AND pid <> pg_backend_pid() ORDER BY pid"
    )
    shop.http.close()
    if rows:
        os.kill(int(random.choice(rows)["pid"]), signal.SIGKILL)


KILLS: dict[str, Callable[[EmbeddedShop, Random], None]] = {
    "worker": _kill_worker,
    "duties": _kill_duties,
    "supervisor": _kill_supervisor,
    "service": _kill_service,
    "database server": _kill_server,
    "database server and service": _kill_server_and_service,
    "database session": _kill_backend,
}


def kill_under_load(embedded: EmbeddedShop, load: Load, who: str, random: Random) -> float:
    """Kill *who* at a random moment of the rush; return how many seconds passed until it sold again."""
    placed = load.placed()
    within(READY_SECONDS, lambda: load.placed() > placed + 5, f"orders under load, before the {who} is killed")
    time.sleep(random.uniform(0, 0.4))
    KILLS[who](embedded, random)
    killed_at = time.monotonic()
    within(READY_SECONDS, embedded.service.is_ready, f"a ready service after the {who} was killed")
    placed = load.placed()
    within(SETTLING_SECONDS, lambda: load.placed() > placed, f"orders again after the {who} was killed")
    return time.monotonic() - killed_at


def settle(directory: Path, random: Random, until: float, figures: Counter[str]) -> None:
    """Kill at random until *until*, and settle each time what nobody knows."""
    with EmbeddedShop(directory / "shop") as embedded:
        shop = Shop(embedded.target, embedded.service.address)
        shop.apply_catalog(CATALOG.read_text())
        while time.monotonic() < until:
            # New ones each time: their orders alone are counted.
            buyers = [shop.buyer(1_000_000_00) for _ in range(BUYERS)]
            who = random.choice(list(KILLS))
            with under_load(lambda: embedded.service.address, buyers) as load:
                began_at = time.monotonic()
                slowest = kill_under_load(embedded, load, who, random)
            figures["unknown outcomes settled"] += len([one for one in load.outcomes if one.status != 201])
            told = [line for line in embedded.service.log().splitlines() if "level=error" in line][-5:]
            assert not load.faults, f"the {who} was killed: {load.faults[:3]}, and the log says {told}"
            assert_settled(shop, load, seconds=SETTLING_SECONDS)
            figures["kills under load"] += 1
            figures[f"kills of the {who} under load"] += 1
            figures["orders placed"] += len(load.outcomes)
            figures["milliseconds of the longest recovery"] = max(
                figures["milliseconds of the longest recovery"], round(slowest * 1000)
            )
            time.sleep(max(0.0, min(DEATHS_SECONDS - (time.monotonic() - began_at), until - time.monotonic())))
        shop.http.close()
        assert embedded.service.end() == 0, f"the service did not end well: {embedded.service.log()[-2000:]}"


def run(given: Round) -> Figures:
    """Kill whoever is drawn, as often as the time allows."""
    figures: Counter[str] = Counter()
    settle(given.directory, given.random, time.monotonic() + given.seconds, figures)
    return figures


SCENARIOS = (
    Scenario(
        "kills-under-load",
        "Whoever is killed under load: each key has one order and one debit within five seconds of ready.",
        4,
        run,
    ),
)
