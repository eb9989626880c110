"""T14: orders at midnight, on leap days, at month ends, under a clock that goes back, with duties beside them."""

import asyncio
from collections import Counter

from set_clock import any_moment, hand_over_the_clock, live_an_order, refund_an_order
from shop import on_connection
from torture.ground import ground, market_on, until
from torture.scenario import Figures, Round, Scenario


def clock(round_: Round) -> Figures:
    """Live orders at one moment after the other."""
    figures: Counter[str] = Counter()
    with ground(round_.directory) as target:
        asyncio.run(on_connection(target, hand_over_the_clock))
        with market_on(target, round_.random, (1,)) as market:
            for _ in until(round_.seconds):
                begun_at = any_moment(round_.random)
                try:
                    figures["moments"] += live_an_order(market.shop, round_.random, begun_at)
                    figures["moments"] += refund_an_order(market.shop, begun_at)
                except AssertionError as error:
                    error.add_note(f"begun at {begun_at}")
                    raise
                figures["orders"] += 2
    return figures


SCENARIOS = [Scenario("clock", "An order ends once and is refunded once, wherever the clock goes.", 1, clock)]
