"""Midnight, leap days, month ends, and a clock that goes back: an order ends once, to the microsecond (T14)."""

import asyncio
from collections.abc import Iterator
from datetime import datetime

import pytest

from contract import catalog_with
from novaproxy.database.pool import Target
from services import seeded
from set_clock import MOMENTS, hand_over_the_clock, live_an_order, refund_an_order
from shop import Shop, on_connection, open_shop


@pytest.fixture(scope="module")
def timeless_shop(module_database: Target) -> Iterator[Shop]:
    asyncio.run(on_connection(module_database, hand_over_the_clock))
    with open_shop(module_database) as shop:
        shop.apply_catalog(catalog_with())
        yield shop
        shop.assert_books_hold()


@pytest.mark.parametrize("moment", MOMENTS[:4], ids=str)
def test_an_order_ends_once_to_the_microsecond_wherever_the_clock_goes(timeless_shop: Shop, moment: datetime) -> None:
    live_an_order(timeless_shop, seeded("clock"), moment)


def test_a_clock_that_goes_back_refunds_nothing_twice(timeless_shop: Shop) -> None:
    for moment in MOMENTS[:2]:
        refund_an_order(timeless_shop, moment)
