"""T3: random days of the shop, asked over HTTP at two services in turn, against a plain shop that sells one by one."""

from shop_machine import World, live_through, opened_world
from torture.ground import ground, market_on, until
from torture.scenario import Figures, Round, Scenario

_DAYS, _STEPS = 25, 40


def days(round_: Round) -> Figures:
    """Live through days, a bundle of them after the other."""
    with (
        ground(round_.directory) as target,
        market_on(target, round_.random, (1, 1)) as market,
        opened_world(target, [service.address for service in market.services]) as world,
    ):
        for _ in until(round_.seconds):
            live_through(world, round_.random.getrandbits(32), _DAYS, _STEPS)
        return _figures(world)


def _figures(world: World) -> Figures:
    return {
        "days": world.days,
        "catalogs": world.catalogs,
        "orders asked for": world.asked,
        "orders placed": world.orders,
        "moves of orders": world.moves,
    }


SCENARIOS = [Scenario("days", "Whatever a day brings, the shop does what a plain one does.", 2, days)]
