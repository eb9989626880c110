"""Each pair of operations, interleaved at its round trips: the end is one that some serial order gives (T2)."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from random import Random

import pytest

from novaproxy.database.pool import Target
from operations import OPERATIONS, Theatre, opened_theatre
from services import EFFORT, seeded

SCHEDULES = 2 * EFFORT
"""How many interleavings of each pair are run."""


@pytest.fixture(scope="module")
def theatre(module_database: Target) -> Iterator[Theatre]:
    with opened_theatre(module_database, 3) as opened:
        yield opened


@pytest.fixture(scope="module")
def random() -> Random:
    return seeded("interleavings")


PAIRS = list(combinations_with_replacement(OPERATIONS, 2))


@pytest.mark.parametrize("pair", PAIRS, ids=" x ".join)
def test_any_interleaving_ends_as_some_serial_order_does(
    theatre: Theatre, random: Random, pair: tuple[str, str]
) -> None:
    theatre.assert_serial(pair, random, SCHEDULES)


def test_three_operations_interleaved_end_as_some_serial_order_does(theatre: Theatre, random: Random) -> None:
    for _ in range(5 * EFFORT):
        theatre.assert_serial(random.choices(list(OPERATIONS), k=3), random, SCHEDULES)


def test_the_books_hold_after_all_of_them(theatre: Theatre) -> None:
    assert theatre.breaches() == []
