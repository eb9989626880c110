"""Somebody is killed at each round trip of a batch: each key then has one order, within five seconds of ready (T5)."""

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum

from database_line import Place
from torture.scenario import Figures, Round, Scenario
from torture.stand import SETTLING_SECONDS, TRIPS, Stand, open_stand, ready_again

DEATHS_SECONDS = 6.5
"""More than five deaths in half a minute end a service, as they should."""


class Victim(Enum):
    """Who is killed."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"
    SERVICE = "service"
    SESSION = "session"
    BACKEND = "backend"
    POSTMASTER = "postmaster"


def _kill_supervisor(stand: Stand) -> None:
    stand.service.kill_supervisor()
    stand.service.restart()


def _kill_service(stand: Stand) -> None:
    stand.service.kill()
    stand.service.restart()


def _end_session(stand: Stand) -> None:
    stand.shop.value("SELECT pg_terminate_backend($1)", stand.backend_pid())


def _kill_backend(stand: Stand) -> None:
    os.kill(stand.backend_pid(), signal.SIGKILL)


def _kill_postmaster(stand: Stand) -> None:
    os.kill(stand.postmaster_pid(), signal.SIGKILL)
    stand.server.revive()


KILLS: dict[Victim, Callable[[Stand], None]] = {
    Victim.WORKER: lambda stand: stand.service.kill_worker(),
    Victim.SUPERVISOR: _kill_supervisor,
    Victim.SERVICE: _kill_service,
    Victim.SESSION: _end_session,
    Victim.BACKEND: _kill_backend,
    Victim.POSTMASTER: _kill_postmaster,
}


def draws() -> Iterator[tuple[Victim, int, Place]]:
    """Yield each victim at each round trip and both places of it."""
    yield from itertools.product(Victim, range(1, len(TRIPS) + 1), Place)


def kill_at(stand: Stand, victim: Victim, trip: int, place: Place, buyers: int) -> int:
    """Kill *victim* while the batch stands at *trip*; return how many orders had an outcome that nobody was told."""
    what = f"{victim.value} killed at {TRIPS[trip - 1]}, {place.value}"
    stand.warm()
    stand.stop_at(trip, place)
    sent = stand.ask([*stand.buyers[:buyers]])
    assert stand.line.stopped.wait(10), f"{what}: no batch came there"
    # A server that was stopped behind its work has it done by now.
    KILLS[victim](stand)
    ready_again(stand, what)
    ready_at = time.monotonic()
    outcomes = [one.result() for one in sent]
    unknown = [outcome for outcome in outcomes if outcome.status != 201]
    stand.settle(unknown, SETTLING_SECONDS + max(0.0, ready_at - time.monotonic()), what)
    stand.assert_sold_once(what)
    return len(unknown)


def run(given: Round) -> Figures:
    """Kill everybody everywhere, in an order of the seed's, as often as the time allows."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with open_stand(given.directory) as stand:
        while time.monotonic() < until:
            drawn = list(draws())
            given.random.shuffle(drawn)
            for victim, trip, place in drawn:
                if time.monotonic() >= until:
                    break
                begun_at = time.monotonic()
                figures["unknown outcomes settled"] += kill_at(
                    stand, victim, trip, place, given.random.randint(1, len(stand.buyers))
                )
                figures["kills at a round trip"] += 1
                figures[f"kills of the {victim.value} at a round trip"] += 1
                if victim is Victim.WORKER:
                    time.sleep(max(0.0, min(DEATHS_SECONDS - (time.monotonic() - begun_at), until - time.monotonic())))
        figures["orders placed"] = len(stand.asked)
    return figures


SCENARIOS = (
    Scenario(
        "kills-at-round-trips",
        "Whoever is killed at whichever round trip of a batch: each key has one order and one debit.",
        3,
        run,
    ),
)
