"""Random days of the real shop, asked at two services in turn, against the plain one (T3)."""

from market import opened_market
from novaproxy.database.pool import Target
from services import EFFORT, seeded
from shop_machine import live_through, opened_world


def test_a_random_day_of_the_shop_is_as_the_plain_one_says(database: Target) -> None:
    random = seeded("random days")
    with opened_market(database, "days") as market:
        with opened_world(database, [service.address for service in market.services]) as world:
            live_through(world, random.getrandbits(32), days=12 * EFFORT, steps=20)

            # It was no dry run; how many orders a day has is the draw's.
            assert world.orders > world.days // 3
        market.shop.assert_books_hold()
