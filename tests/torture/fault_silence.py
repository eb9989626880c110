"""The line to the database falls silent, and processes freeze: only their own orders wait, and for a bounded time."""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from itertools import product

from database_line import Place, Stop
from loads import FIELDS, Outcome
from novaproxy.database.pool import COMMAND_TIMEOUT_SECONDS
from services import Service, on_database, within
from shop import Buyer
from torture.scenario import Figures, Round, Scenario
from torture.stand import TRIPS, Stand, open_stand, ready_again
from volleys import Answer, Asked, volley

OTHERS_SECONDS = 3.0
"""How long anybody else may wait."""

OWN_SECONDS = COMMAND_TIMEOUT_SECONDS + 10
"""How long those may wait whom it hit."""

FREED_SECONDS = 9.0
"""When the accounts of a transaction that its owner forgot are everybody's again."""


class Frozen(Enum):
    """Who is stopped in the middle of what he does."""

    WORKER = "worker"
    BACKEND = "backend"
    POSTMASTER = "postmaster"


def assert_unhindered(stand: Stand, address: str, buyers: Sequence[Buyer], what: str) -> None:
    """Assert that each of *buyers* can order at *address* as if nothing were."""
    outcomes = [Outcome(buyer, f"{time.monotonic_ns()}") for buyer in buyers]
    stand.asked += outcomes
    answers = volley([Asked(address, one.buyer, FIELDS, one.key) for one in outcomes])
    for outcome, answer in zip(outcomes, answers, strict=True):
        assert answer.status == 201, f"{what}: {answer.status} for somebody else"
        assert answer.seconds < OTHERS_SECONDS, f"{what}: somebody else waited {answer.seconds:.1f} s"
        outcome.status, outcome.uuid = answer.status, answer.uuid


def retried(address: str, outcomes: Sequence[Outcome], what: str) -> list[Answer]:
    """Return what those hear who try again while the first request is still under way: an order, or patience."""
    answers = volley([Asked(address, one.buyer, FIELDS, one.key) for one in outcomes])
    for outcome, answer in zip(outcomes, answers, strict=True):
        assert answer.status in {201, 503}, f"{what}: {answer}"
        assert answer.seconds < OWN_SECONDS, f"{what}: a retry waited {answer.seconds:.1f} s"
        if answer.status == 201:
            assert outcome.uuid in {None, answer.uuid}, f"{what}: two orders under one key"
            outcome.uuid = answer.uuid
    return answers


def silent_at(stand: Stand, trip: int, place: Place, *, until_the_end: bool = True) -> None:
    """Let the line go silent at *trip* of a batch; nobody else waits, and the batch's keys have one order each."""
    what = f"a line silent at {TRIPS[trip - 1]}, {place.value}"
    stand.warm()
    hit, others = stand.buyers[:3], stand.buyers[3:]
    stand.stop_at(trip, place)
    sent = stand.ask(hit)
    outcomes = stand.asked[-len(hit) :]
    assert stand.line.stopped.wait(10), f"{what}: no batch came there"
    begun_at = time.monotonic()
    assert_unhindered(stand, stand.service.address, others * 3, what)
    retried(stand.service.address, [Outcome(one.buyer, one.key) for one in outcomes], what)
    assert_unhindered(stand, stand.service.address, others * 3, what)
    if not until_the_end:
        stand.line.cut()
    for one in sent:
        one.result()
    assert time.monotonic() - begun_at < OWN_SECONDS, f"{what}: who was hit waited {time.monotonic() - begun_at:.1f} s"
    stand.settle(outcomes, 5, what)
    stand.assert_sold_once(what)


def _freeze(stand: Stand, who: Frozen) -> int:
    match who:
        case Frozen.WORKER:
            return stand.service.freeze_worker()
        case Frozen.BACKEND:
            pid = stand.backend_pid()
        case Frozen.POSTMASTER:
            pid = stand.postmaster_pid()
    os.kill(pid, signal.SIGSTOP)
    return pid


def frozen_at(stand: Stand, other: Service, who: Frozen, trip: int, seconds: float) -> None:
    """Freeze *who* while a batch stands at *trip*: at another service nobody else waits."""
    what = f"{who.value} frozen at {TRIPS[trip - 1]}"
    stand.warm()
    hit, others = stand.buyers[:3], stand.buyers[3:]
    # A service that has not served yet would have to open its connections from the frozen server.
    assert_unhindered(stand, other.address, others, what)
    stand.stop_at(trip, Place.UNANSWERED)
    sent = stand.ask(hit)
    outcomes = stand.asked[-len(hit) :]
    assert stand.line.stopped.wait(10), f"{what}: no batch came there"
    pid = _freeze(stand, who)
    begun_at = time.monotonic()
    try:
        assert_unhindered(stand, other.address, others * 2, what)
        if who is not Frozen.POSTMASTER:
            retried(other.address, outcomes[:1], what)
        if who is Frozen.WORKER:
            _freed(other, outcomes, begun_at, what)
        time.sleep(max(0.0, seconds - (time.monotonic() - begun_at)))
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    stand.line.cut()
    for one in sent:
        one.result()
    ready_again(stand, what)
    stand.settle(outcomes, 5, what)
    stand.assert_sold_once(what)


def _freed(other: Service, outcomes: Sequence[Outcome], begun_at: float, what: str) -> None:
    """Assert that the accounts of the frozen worker are everybody's again in time."""
    waiting = list(outcomes)
    while waiting:
        answers = retried(other.address, waiting, what)
        waiting = [one for one, answer in zip(waiting, answers, strict=True) if answer.status != 201]
        waited = time.monotonic() - begun_at
        assert not waiting or waited < FREED_SECONDS, f"{what}: its accounts are not free after {waited:.1f} s"


def frozen_whole(stand: Stand) -> None:
    """Freeze the whole server, as a stalled machine does: each order hears 503 in time, and it heals."""
    what = "the whole server frozen"
    stand.warm()
    sessions = stand.shop.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'novaproxy'")
    pids = [stand.postmaster_pid(), *(int(row["pid"]) for row in sessions)]
    before = len(stand.asked)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(5):
            # Each wave is a batch of its own, more than are left to themselves at once.
            stand.ask(stand.buyers[:3])
            time.sleep(2)
        stand.wait_for_clients()
        told = {outcome.status for outcome in stand.asked[before:]}
        assert told == {503}, f"{what}: {told}"
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    ready_again(stand, what)
    stand.settle(stand.asked[before:], 5, what)
    stand.assert_sold_once(what)


def run_silence(given: Round) -> Figures:
    """Let the line fall silent everywhere, in an order of the seed's."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with open_stand(given.directory) as stand:
        while time.monotonic() < until:
            drawn = list(product(range(1, len(TRIPS) + 1), Place))
            given.random.shuffle(drawn)
            for trip, place in drawn:
                if figures and time.monotonic() >= until:
                    break
                silent_at(stand, trip, place)
                figures["silent lines"] += 1
        figures["orders placed"] = len(stand.asked)
    return figures


def run_frozen(given: Round) -> Figures:
    """Freeze processes in the middle of batches, in an order of the seed's."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with open_stand(given.directory) as stand, Service(on_database(dict(stand.shop.target))) as other:
        while time.monotonic() < until:
            drawn = list(product(Frozen, range(1, len(TRIPS) + 1)))
            given.random.shuffle(drawn)
            for who, trip in drawn:
                if figures and time.monotonic() >= until:
                    break
                frozen_at(stand, other, who, trip, given.random.uniform(0, 8))
                figures["frozen processes"] += 1
            if time.monotonic() < until:
                frozen_whole(stand)
                figures["frozen servers"] += 1
        figures["orders placed"] = len(stand.asked)
    return figures


DUTY = b"idle_session_timeout\0"
"""What the connection of a duty with a lock says of itself first."""


def run_frozen_duties(given: Round) -> Figures:
    """Freeze the duties while they hold the lock of one: those of another service take it over."""
    with open_stand(given.directory) as stand, Service(on_database(dict(stand.shop.target))) as other:
        stand.line.stop_at(Stop(DUTY, 1, Place.UNANSWERED))
        assert stand.line.stopped.wait(30), "no duty began a transaction"
        pid = stand.service.duties_pid()
        assert pid is not None, "there are no duties"
        os.kill(pid, signal.SIGSTOP)
        try:
            ordered_at = time.monotonic()
            stand.settle([stand.ask(stand.buyers[:1])[0].result()], 5, "duties frozen")
            stand.shop.sql("UPDATE orders SET expires_at = date_trunc('second', now())")
            expired = "SELECT bool_and(status = 'expired') FROM orders"
            within(75, lambda: bool(stand.shop.value(expired)), "the expiry by another service's duties")
            taken_over = time.monotonic() - ordered_at
        finally:
            os.kill(pid, signal.SIGCONT)
        stand.line.cut()
        assert other.is_ready(), "the other service is not ready"
        stand.assert_sold_once("duties frozen")
    return {"frozen duties": 1, "seconds until others took over": round(taken_over)}


SCENARIOS = (
    Scenario("silent-lines", "A line that goes silent at any round trip holds up nobody else.", 2, run_silence),
    Scenario("frozen-processes", "A frozen worker, session or server holds up nobody else.", 2, run_frozen),
    Scenario("frozen-duties", "The duties of another service take over from frozen ones.", 1, run_frozen_duties),
)
