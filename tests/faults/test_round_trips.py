"""Somebody dies, freezes or falls silent at a round trip of a batch, or the database is in want (T5, T6, T7, T15).

The short forms; ``make torture`` runs these bodies everywhere, in an order of its seed's.
"""

from collections.abc import Iterator

import pytest

from database_line import Fate, Place
from novaproxy.database.pool import Target
from services import Service, on_database, seeded
from torture.fault_commands import Bench, open_bench, trips_of
from torture.fault_commands import kill_at as kill_command_at
from torture.fault_commits import retried_meanwhile
from torture.fault_disk import WANTS, refused_and_healed
from torture.fault_silence import Frozen, frozen_at, silent_at
from torture.fault_trips import Victim, kill_at
from torture.stand import DESK, TRIPS, Stand, open_stand

COMMIT = len(TRIPS)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    directory = tmp_path_factory.mktemp("stand")
    with open_stand(directory, {"max_connections": "40"}) as opened:
        yield opened


@pytest.fixture(scope="module")
def other(stand: Stand) -> Iterator[Service]:
    with Service(on_database(dict(stand.shop.target))) as started:
        yield started


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("trip", range(1, COMMIT + 1))
def test_a_session_may_end_at_any_round_trip(stand: Stand, trip: int, place: Place) -> None:
    kill_at(stand, Victim.SESSION, trip, place, 4)


def test_the_server_may_be_killed_between_commit_and_its_answer(stand: Stand) -> None:
    kill_at(stand, Victim.POSTMASTER, COMMIT, seeded("places").choice(list(Place)), 4)


@pytest.mark.parametrize("place", Place)
def test_a_line_that_falls_silent_holds_nobody_else_up(stand: Stand, place: Place) -> None:
    silent_at(stand, seeded("silence").randint(2, COMMIT), place, until_the_end=False)


def test_a_frozen_server_holds_nobody_else_up(stand: Stand, other: Service) -> None:
    frozen_at(stand, other, Frozen.POSTMASTER, COMMIT - 1, 0)


def test_a_commit_that_is_late_while_two_services_are_asked_again_is_one_order(stand: Stand, other: Service) -> None:
    stand.line.marker = DESK
    assert retried_meanwhile(stand, other, Fate.DELAYED, 1.0, is_killed=False) > 0


@pytest.mark.parametrize("want", WANTS)
def test_a_database_in_want_asks_for_patience_and_heals(stand: Stand, want: str) -> None:
    assert refused_and_healed(stand, WANTS[want], want) > 0


@pytest.fixture
def bench(database: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(database, tmp_path_factory.mktemp("operator")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "place"), [("account credit", Place.UNANSWERED), ("order fail", Place.UNSENT)], ids=str
)
def test_a_command_that_is_killed_at_its_commit_was_done_or_not(bench: Bench, name: str, place: Place) -> None:
    # COMMIT is the last round trip but the farewell.
    was_done = kill_command_at(bench, name, trips_of(bench, name) - 1, place)
    assert was_done is (place is Place.UNANSWERED)
