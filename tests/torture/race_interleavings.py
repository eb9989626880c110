"""T2: operations interleaved at their round trips, by twos and threes, end as some serial order of them does."""

from collections import Counter

from operations import OPERATIONS, opened_theatre
from torture.ground import ground, until
from torture.scenario import Figures, Round, Scenario

_SCHEDULES = {2: 6, 3: 12}
_GROUPS_TO_AN_AUDIT = 50


def interleavings(round_: Round) -> Figures:
    """Draw two or three operations again and again, and interleave them in several ways."""
    figures: Counter[str] = Counter()
    groups = set()
    with ground(round_.directory, syncs=False) as target, opened_theatre(target, max(_SCHEDULES)) as theatre:
        for number in until(round_.seconds):
            names = round_.random.choices(list(OPERATIONS), k=round_.random.choice(list(_SCHEDULES)))
            theatre.assert_serial(names, round_.random, _SCHEDULES[len(names)])
            groups.add(tuple(sorted(names)))
            figures["interleavings"] += _SCHEDULES[len(names)]
            if number % _GROUPS_TO_AN_AUDIT == 0:
                assert theatre.breaches() == []
        assert theatre.breaches() == []
    pairs = sum(len(group) == 2 for group in groups)
    return {**figures, "different pairs": pairs, "different triples": len(groups) - pairs}


SCENARIOS = [
    Scenario(
        "interleavings", "Operations cut at any round trip end as some serial order of them does.", 2, interleavings
    )
]
