"""T1 and T8: everything that can be wanted by many at once, from services, from workers, and from both."""

from collections import Counter

from market import Market
from rounds import RACES
from torture.ground import ground, market_on, until
from torture.scenario import Figures, Round, Scenario

LAYOUTS = ((1, 1), (2,), (4,), (2, 2))
"""Services, by their number of workers."""

AT_ONCE = (2, 8, 64, 200)
_ROUNDS_TO_AN_AUDIT = 25


def volleys(round_: Round) -> Figures:
    """Run one race after the other, on each layout for its part of the time."""
    figures: Counter[str] = Counter({"rounds": 0, **{f"rounds of {many}": 0 for many in AT_ONCE}})
    with ground(round_.directory) as target:
        for workers in LAYOUTS:
            with market_on(target, round_.random, workers) as market:
                for number in until(round_.seconds / len(LAYOUTS)):
                    _run_one(market, workers, figures)
                    if number % _ROUNDS_TO_AN_AUDIT == 0:
                        market.shop.assert_books_hold()
                        figures["audits"] += 1
                figures["orders placed"] = market.shop.value("SELECT count(*) FROM orders")
    return figures


def _run_one(market: Market, workers: tuple[int, ...], figures: Counter[str]) -> None:
    name, many = market.random.choice(list(RACES)), market.random.choice(AT_ONCE)
    try:
        RACES[name](market, many)
    except Exception as error:
        error.add_note(f"in '{name}' with {many} at once, on services with {workers} workers")
        raise
    figures["rounds"] += 1
    figures[f"rounds of {many}"] += 1


SCENARIOS = [
    Scenario("volleys", "Of those who want the same thing at once, exactly as many as have room get it.", 3, volleys)
]
