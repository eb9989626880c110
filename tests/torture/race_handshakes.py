"""What strangers say to the gateway before it knows them: broken, cut, trickled, truncated, and left in the middle."""

import asyncio
from collections import Counter

from any_handshake import SOUND, check_opening, check_readers, drawn_opening
from torture.ground import until
from torture.scenario import Figures, Round, Scenario

_READINGS = 50


def handshakes(round_: Round) -> Figures:
    """Give broken bytes to the readers, and open connections with them; half of the time each."""
    figures: Counter[str] = Counter()
    random = round_.random
    for _ in until(round_.seconds / 2):
        for _ in range(_READINGS):
            check_readers(drawn_opening(random).said)
        figures["openings read"] += _READINGS
    with asyncio.Runner() as runner:
        for _ in until(round_.seconds / 2):
            opening = drawn_opening(random)
            try:
                told = runner.run(check_opening(opening))
            except BaseException as error:
                error.add_note(repr(opening))
                raise
            figures["connections " + ("left" if told is None else "served or refused")] += 1
    assert figures["openings read"] >= len(SOUND)
    return figures


SCENARIOS = [
    Scenario(
        "handshakes",
        "Whatever a stranger says to the gateway, it is served, refused or left in time, and no descriptor stays open.",
        1,
        handshakes,
    )
]
