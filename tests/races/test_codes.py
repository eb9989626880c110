"""Uses of a code that many want: counted last while there are many, behind a lock where they run out (L1, L4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from injections import ALWAYS
from shop import CATALOG, Shop
from volleys import Asked, volley

MAX_USES = 1_030
"""More than a code has left that is locked before the decision: the volleys pass from one way into the other."""

AT_ONCE = 60


def test_a_code_that_everybody_uses_is_sold_exactly_as_often_as_it_may_be(shop: Shop) -> None:
    shop.apply_catalog(f"{CATALOG.read_text()}  - {{code: MANY, percent: 10, max_uses: {MAX_USES}}}\n")
    buyers = [shop.buyer(10_000_00) for _ in range(20)]
    asked = [
        Asked(shop.address, buyer, {"plan": "mobile", "bandwidth": 1, "discount_code": "MANY"}) for buyer in buyers
    ]

    answers = [answer for _ in range(MAX_USES // AT_ONCE + 2) for answer in volley(asked * (AT_ONCE // len(asked)))]

    refused = [answer for answer in answers if answer.status != 201]
    assert len(answers) - len(refused) == MAX_USES
    assert {(answer.status, answer.error) for answer in refused} == {(422, "The discount code has been used up.")}
    assert shop.value("SELECT uses FROM discount_code WHERE code = 'MANY'") == MAX_USES
    assert {8_00 - 80} == {row["net_cents"] for row in shop.sql("SELECT DISTINCT net_cents FROM orders")}


@contextmanager
def too_late(shop: Shop, times: int) -> Iterator[None]:
    """Let the first *times* counts of a code come too late, as if its uses had just gone."""
    shop.sql("CREATE SEQUENCE lateness")
    shop.sql("GRANT USAGE ON SEQUENCE lateness TO PUBLIC")
    shop.sql(
        "CREATE FUNCTION be_late() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF nextval('lateness') <= {times} THEN RETURN NULL; END IF; RETURN NEW; END $$"
    )
    shop.sql("CREATE TRIGGER late BEFORE UPDATE ON discount_code FOR EACH ROW EXECUTE FUNCTION be_late()")
    try:
        yield
    finally:
        shop.sql("DROP TRIGGER late ON discount_code")
        shop.sql("DROP FUNCTION be_late")
        shop.sql("DROP SEQUENCE lateness")


def redeeming(shop: Shop) -> list[Asked]:
    fields: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}
    return [
        Asked(shop.address, shop.buyer(8_00), fields | ({"discount_code": "TEN"} if number % 2 else {}))
        for number in range(6)
    ]


@pytest.mark.parametrize("times", [1, 4])
def test_who_counts_a_code_too_late_is_not_even_told(common_shop: Shop, times: int) -> None:
    with too_late(common_shop, times):
        answers = volley(redeeming(common_shop))

    assert [answer.status for answer in answers] == [201] * 6


def test_a_code_that_is_never_counted_in_time_stops_those_alone_who_use_it(common_shop: Shop) -> None:
    asked = redeeming(common_shop)
    with too_late(common_shop, ALWAYS):
        answers = volley(asked)

    assert [answer.status for answer in answers[::2]] == [201] * 3
    for answer in answers[1::2]:
        answer.assert_asks_for_patience()
    assert [answer.status for answer in volley(asked[1::2])] == [201] * 3
