"""Broken bodies and requests that contradict themselves: no 5xx, no row, and the service goes on (T10)."""

from random import Random

import pytest

from contract import nothing_left_behind
from hostile import FRAMINGS, check_parsed, hostile_body, post, talk
from services import EFFORT, seeded
from shop import Shop


@pytest.fixture
def random() -> Random:
    return seeded("hostile bytes")


def test_a_broken_body_is_refused_or_read_and_nothing_else(random: Random) -> None:
    for _ in range(3_000 * EFFORT):
        content_type, body = hostile_body(random)
        check_parsed(body, content_type)


def test_broken_bodies_have_an_answer_and_leave_no_row(common_shop: Shop, random: Random) -> None:
    buyer = common_shop.buyer(balance_cents=0)
    with nothing_left_behind(common_shop):
        for _ in range(150 * EFFORT):
            content_type, body = hostile_body(random)
            answered = talk(common_shop.address, post(buyer.token, content_type, body))
            assert answered.was_reset or set(answered.statuses) <= {400, 413, 415, 422}, (answered, body)
            assert answered.was_reset or answered.statuses, body


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_request_that_contradicts_itself_places_no_order_beyond_its_answers(
    common_shop: Shop, random: Random, framing: str
) -> None:
    for _ in range(2 * EFFORT):
        buyer = common_shop.buyer(balance_cents=1_000_00)
        request = FRAMINGS[framing](random, buyer.token)
        answered = talk(common_shop.address, request, [random.randrange(len(request))])
        answered.unanswered(common_shop.order_count(buyer))
    assert common_shop.http.get("/health").status_code == 200
