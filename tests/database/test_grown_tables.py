"""What was planned while a table was empty is planned anew as it grows: an order does not read those before it."""

from uuid import uuid4

import pytest

from services import within
from shop import Shop
from volleys import Asked, volley

READ = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'orders'"
AT_ONCE = 30


@pytest.mark.parametrize("begun", ["never analysed", "analysed while it was empty"])
def test_a_new_shop_does_not_read_all_orders_of_an_account_for_each_new_one(shop: Shop, begun: str) -> None:
    # Nobody analyses the tables meanwhile, as in the first minutes of a shop.
    shop.sql("ALTER TABLE orders SET (autovacuum_enabled = off)")
    if begun != "never analysed":
        shop.sql("ANALYZE orders")
    buyer = shop.buyer(8_00 * 30 * AT_ONCE)

    def buy() -> None:
        fields = {"plan": "mobile", "bandwidth": 1}
        answers = volley([Asked(shop.address, buyer, fields, str(uuid4())) for _ in range(AT_ONCE)])
        assert {answer.status for answer in answers} == {201}

    def read_before() -> int:
        """Return how many entries of its indexes were read, once the sessions have told it, which takes a second."""
        told = [-1, int(shop.value(READ))]

        def stands_still() -> bool:
            volley([Asked(shop.address, buyer, {"plan": "mobile"}, None)])
            told.append(int(shop.value(READ)))
            return len(set(told[-20:])) == 1 and len(told) > 20

        within(20, stands_still, "figures that stand still")
        return told[-1]

    for _ in range(25):
        buy()
    before = read_before()
    buy()
    assert read_before() - before <= 2 * AT_ONCE
