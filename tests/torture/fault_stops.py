"""SIGTERM, or the terminal's Ctrl-C, in every bad state: the service ends in time and in peace (T15)."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import product

from database_line import Place
from loads import assert_settled, under_load
from services import EmbeddedShop, held, within
from shop import CATALOG, Shop
from torture.scenario import Figures, Round, Scenario
from torture.stand import READY_SECONDS, SETTLING_SECONDS, TRIPS, Stand, open_stand, ready_again

STOP_SECONDS = 20.0


@contextmanager
def silence(stand: Stand, trip: int) -> Iterator[None]:
    """Let the line of a batch be silent at *trip*."""
    stand.stop_at(trip, Place.UNANSWERED)
    stand.ask(stand.buyers[:3])
    assert stand.line.stopped.wait(10), "no batch came there"
    yield
    stand.line.cut()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Keep process *pid* stopped."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen_session(stand: Stand, trip: int) -> Iterator[None]:
    """Keep the server's process of a batch stopped at *trip*."""
    with silence(stand, trip), frozen(stand.backend_pid()):
        yield


@contextmanager
def frozen_server(stand: Stand, _trip: int) -> Iterator[None]:
    """Keep the server from taking connections."""
    with frozen(stand.postmaster_pid()):
        yield


@contextmanager
def frozen_worker(stand: Stand, trip: int) -> Iterator[None]:
    """Keep the worker stopped in the middle of a batch."""
    with silence(stand, trip), frozen(stand.service.worker_pids()[0]):
        yield


@contextmanager
def frozen_duties(stand: Stand, _trip: int) -> Iterator[None]:
    """Keep the duties stopped."""
    pid = stand.service.duties_pid()
    assert pid is not None, "there are no duties"
    with frozen(pid):
        yield


@contextmanager
def locked_account(stand: Stand, _trip: int) -> Iterator[None]:
    """Hold the account of a buyer who has ordered."""
    buyer = stand.buyers[0]
    with held(stand.shop.target, "SELECT FROM account WHERE id = $1 FOR UPDATE", buyer.account_id):
        stand.ask([buyer])
        time.sleep(0.2)
        yield


@contextmanager
def killed_server(stand: Stand, _trip: int) -> Iterator[None]:
    """Kill the server, with orders under way."""
    pid = stand.postmaster_pid()
    stand.ask(stand.buyers)
    os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        stand.server.revive()


@contextmanager
def recovering_server(stand: Stand, _trip: int) -> Iterator[None]:
    """Kill a session of the server's, so that it begins anew, with orders under way."""
    session = stand.shop.value(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'novaproxy' AND pid <> pg_backend_pid() LIMIT 1"
    )
    stand.ask(stand.buyers)
    os.kill(session, signal.SIGKILL)
    yield


STATES: dict[str, Callable[[Stand, int], AbstractContextManager[None]]] = {
    "a silent line": silence,
    "a frozen session": frozen_session,
    "a frozen server": frozen_server,
    "a frozen worker": frozen_worker,
    "frozen duties": frozen_duties,
    "a locked account": locked_account,
    "a killed server": killed_server,
    "a recovering server": recovering_server,
}


def stop_in(stand: Stand, state: str, trip: int, number: signal.Signals) -> float:
    """End the service in *state*, start it again, settle; return how many seconds the end took."""
    what = f"{number.name} with {state} at {TRIPS[trip - 1]}"
    stand.warm()
    before = len(stand.asked)
    process = stand.service.process
    stand.service.worker_pids()
    with STATES[state](stand, trip):
        began_at = time.monotonic()
        os.kill(process.pid, number)
        within(STOP_SECONDS, lambda: process.poll() is not None, f"{what}: the end of the service")
        took_seconds = time.monotonic() - began_at
    assert process.returncode == 0, f"{what}: it ended with {process.returncode}: {stand.service.log()[-2000:]}"
    # A server that was frozen or killed may need a moment itself.
    within(READY_SECONDS, lambda: _answers(stand), f"{what}: the database")
    stand.service.restart()
    ready_again(stand, what)
    stand.wait_for_clients()
    stand.settle(stand.asked[before:], SETTLING_SECONDS, what)
    stand.assert_sold_once(what)
    return took_seconds


def _answers(stand: Stand) -> bool:
    try:
        return bool(stand.shop.value("SELECT true"))
    except Exception:  # noqa: BLE001 -- whatever it is, this is no answer
        return False


def run(given: Round) -> Figures:
    """End the service in each state, in an order of the seed's."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with open_stand(given.directory) as stand:
        while time.monotonic() < until:
            drawn = list(product(STATES, (signal.SIGTERM, signal.SIGINT)))
            given.random.shuffle(drawn)
            for state, number in drawn:
                if figures and time.monotonic() >= until:
                    break
                took = stop_in(stand, state, given.random.randint(1, len(TRIPS)), number)
                figures["stops in a bad state"] += 1
                figures["milliseconds of the longest stop"] = max(
                    figures["milliseconds of the longest stop"], round(took * 1000)
                )
        figures["orders placed"] = len(stand.asked)
    return figures


BREAKS = ("a session of the database", "the database", "the worker")


def stop_broken(embedded: EmbeddedShop, shop: Shop, broken: str, pause: float, number: signal.Signals) -> float:
    """Kill *broken* under load, and end the service *pause* seconds later; return how many seconds that took."""
    what = f"{number.name} {pause:.2f} s after {broken} was killed"
    buyers = [shop.buyer(1_000_000_00) for _ in range(4)]
    process = embedded.service.process
    embedded.service.worker_pids()
    with under_load(lambda: embedded.service.address, buyers) as load:
        within(READY_SECONDS, lambda: load.placed() > 5, f"{what}: orders under load")
        match broken:
            case "the worker":
                embedded.service.kill_worker()
            case "the database":
                embedded.signal_database(signal.SIGKILL)
            case _:
                rows = shop.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'novaproxy' ORDER BY pid")
                os.kill(int(rows[0]["pid"]), signal.SIGKILL)
        time.sleep(pause)
        began_at = time.monotonic()
        os.kill(process.pid, number)
        within(STOP_SECONDS, lambda: process.poll() is not None, f"{what}: the end of the service")
        took_seconds = time.monotonic() - began_at
    assert process.returncode == 0, f"{what}: it ended with {process.returncode}: {embedded.service.log()[-2000:]}"
    embedded.service.restart()
    within(READY_SECONDS, embedded.service.is_ready, f"{what}: a ready service")
    assert_settled(shop, load, seconds=SETTLING_SECONDS)
    return took_seconds


def run_broken(given: Round) -> Figures:
    """End a service with the embedded database just after something was killed, at moments of the seed's."""
    figures: Counter[str] = Counter()
    until = time.monotonic() + given.seconds
    with EmbeddedShop(given.directory / "shop") as embedded:
        shop = Shop(embedded.target, embedded.service.address)
        shop.apply_catalog(CATALOG.read_text())
        while not figures or time.monotonic() < until:
            number = given.random.choice([signal.SIGTERM, signal.SIGINT])
            pause = given.random.uniform(0, 1.5)
            took = stop_broken(embedded, shop, given.random.choice(BREAKS), pause, number)
            figures["stops just after a kill"] += 1
            figures["milliseconds of the longest stop"] = max(
                figures["milliseconds of the longest stop"], round(took * 1000)
            )
        shop.http.close()
    return figures


SCENARIOS = (
    Scenario("stops", "SIGTERM and SIGINT end the service within twenty seconds in every bad state.", 2, run),
    Scenario("stops-after-kills", "The service ends within twenty seconds just after a kill, too.", 1, run_broken),
)
