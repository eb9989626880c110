"""The COMMIT is lost, its answer is, or it is held back while the client tries again, here and elsewhere (T6)."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

from database_line import Fate
from loads import FIELDS
from services import Service, on_database, within
from torture.fault_silence import OWN_SECONDS, retried
from torture.scenario import Figures, Round, Scenario
from torture.stand import DESK, SETTLING_SECONDS, Stand, open_stand, ready_again
from volleys import Asked, volley

LONGEST_DELAY_SECONDS = 7.0
"""Longer than a session may be idle in its transaction: a COMMIT that comes later is too late."""


def retried_meanwhile(
    stand: Stand, other: Service, fate: Fate, delay_seconds: float, *, is_killed: bool, buyers: int = 3
) -> int:
    """Let a COMMIT meet *fate* while its clients try again at both services; return how many retries there were."""
    what = f"{fate.name} for {delay_seconds:.2f} s{', and the worker killed' if is_killed else ''}"
    stand.warm()
    line, hit = stand.line, stand.buyers[:buyers]
    line.released.clear()
    line.delay_seconds = delay_seconds
    line.fates, line.met = [fate], 0
    sent = stand.ask(hit)
    outcomes = stand.asked[-len(hit) :]
    within(10, lambda: line.met == 1, f"{what}: a COMMIT")
    begun_at = time.monotonic()
    if is_killed:
        stand.service.kill_worker()
        ready_again(stand, what)
    retries = 0
    with ThreadPoolExecutor(2) as clients:
        addresses = [stand.service.address, other.address]
        # At least once; and again as long as nobody may know.
        while not retries or time.monotonic() - begun_at < delay_seconds:
            tried = [clients.submit(retried, address, outcomes, what) for address in addresses]
            retries += sum(len(answers.result()) for answers in tried)
    line.released.set()
    for one in sent:
        one.result()
    assert time.monotonic() - begun_at < delay_seconds + 2 * OWN_SECONDS, f"{what}: it took too long"
    stand.settle(outcomes, SETTLING_SECONDS, what)
    told = volley([Asked(other.address, one.buyer, FIELDS, one.key) for one in outcomes])
    assert [answer.uuid for answer in told] == [one.uuid for one in outcomes], (
        f"{what}: another service tells otherwise"
    )
    stand.assert_sold_once(what)
    return retries


def drawn_delay(random: Random) -> float:
    """Return how long a COMMIT is kept: mostly short, sometimes beyond what the server allows."""
    return random.choice([random.uniform(0, 2), random.uniform(0, 2), random.uniform(2, LONGEST_DELAY_SECONDS)])


def run(given: Round) -> Figures:
    """Let COMMITs meet each fate, in an order of the seed's."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with open_stand(given.directory) as stand, Service(on_database(dict(stand.shop.target))) as other:
        stand.line.marker = DESK
        while time.monotonic() < until:
            drawn = list(Fate)
            given.random.shuffle(drawn)
            for fate in drawn:
                if figures and time.monotonic() >= until:
                    break
                delay, is_killed = drawn_delay(given.random), given.random.random() < 0.2
                figures["retries meanwhile"] += retried_meanwhile(stand, other, fate, delay, is_killed=is_killed)
                figures["lost and late COMMITs"] += 1
        figures["orders placed"] = len(stand.asked)
    return figures


SCENARIOS = (
    Scenario(
        "lost-commits",
        "A COMMIT lost, unanswered or late while the client tries again at two services: one order under each key.",
        3,
        run,
    ),
)
