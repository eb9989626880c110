"""Errors that PostgreSQL raises in the middle of a batch: no 500 where a retry would do, nobody else suffers (T7)."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from injections import ALWAYS, injected
from shop import Buyer, Shop
from volleys import Asked, volley

GIGABYTE: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}


@pytest.fixture(autouse=True, scope="module")
def plain_logs() -> Iterator[None]:
    """Log as a worker does: the library's coloured tracebacks take the service a second each."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()])
    yield
    structlog.reset_defaults()


def together(shop: Shop, *buyers: Buyer) -> list[Asked]:
    """Return four orders of each, mixed, so that they share batches."""
    return [Asked(shop.address, buyer, GIGABYTE) for buyer in buyers * 4]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "57014", "53100", "53200"])
@pytest.mark.parametrize("moment", ["insert", "charge", "balance"])
def test_an_error_that_passes_leaves_no_trace(common_shop: Shop, sqlstate: str, moment: str) -> None:
    marked, *others = [common_shop.buyer(8_00 * 4) for _ in range(5)]

    with injected(common_shop, marked, sqlstate, 2, moment):
        answers = volley(together(common_shop, marked, *others))

    assert {answer.status for place, answer in enumerate(answers) if place % 5} == {201}
    for answer in answers[::5]:
        if answer.status != 201:
            answer.assert_asks_for_patience()
    placed = sum(answer.status == 201 for answer in answers[::5])
    assert common_shop.order_count(marked) == placed
    assert common_shop.balance_cents(marked) == 8_00 * (4 - placed)
    assert {common_shop.balance_cents(buyer) for buyer in others} == {0}


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
def test_an_error_that_passes_at_once_is_not_even_seen(common_shop: Shop, sqlstate: str) -> None:
    marked = common_shop.buyer(8_00)

    with injected(common_shop, marked, sqlstate, 1):
        assert common_shop.order(marked, **GIGABYTE).status_code == 201


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_transaction_that_loses_again_and_again_is_run_again(common_shop: Shop, sqlstate: str) -> None:
    marked = common_shop.buyer(8_00)

    # One less than the desk tries, on the common connection alone.
    with injected(common_shop, marked, sqlstate, 4):
        assert common_shop.order(marked, **GIGABYTE).status_code == 201
    assert common_shop.order_count(marked) == 1


@pytest.mark.parametrize("moment", ["insert", "commit"])
@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "57014", "53100"])
def test_an_error_that_stays_stops_its_own_account_alone(common_shop: Shop, sqlstate: str, moment: str) -> None:
    marked, *others = [common_shop.buyer(8_00 * 4) for _ in range(5)]

    with injected(common_shop, marked, sqlstate, ALWAYS, moment):
        answers = volley(together(common_shop, marked, *others))

    for answer in answers[::5]:
        answer.assert_asks_for_patience()
        assert answer.seconds < 10
    assert {answer.status for place, answer in enumerate(answers) if place % 5} == {201}
    assert (common_shop.order_count(marked), common_shop.balance_cents(marked)) == (0, 8_00 * 4)


def test_an_order_that_cannot_be_written_is_a_500_that_tells_nothing(common_shop: Shop) -> None:
    marked, *others = [common_shop.buyer(8_00 * 4) for _ in range(5)]

    with injected(common_shop, marked, "P0001", ALWAYS):
        answers = volley(together(common_shop, marked, *others))

    assert {(answer.status, answer.error) for answer in answers[::5]} == {(500, "Something went wrong on our side.")}
    assert {answer.status for place, answer in enumerate(answers) if place % 5} == {201}


def test_a_username_that_is_taken_is_drawn_again(common_shop: Shop) -> None:
    marked, *others = [common_shop.buyer(8_00 * 4) for _ in range(5)]
    taken = common_shop.order(others[0], plan="free", bandwidth=1).json()["username"]
    common_shop.sql("CREATE SEQUENCE drawn")
    common_shop.sql("GRANT USAGE ON SEQUENCE drawn TO PUBLIC")
    common_shop.sql(
        "CREATE FUNCTION draw() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.account_id = {marked.account_id} AND nextval('drawn') <= 1 THEN NEW.username = '{taken}'; END IF; "
        "RETURN NEW; END $$",
    )
    common_shop.sql("CREATE TRIGGER drawn BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION draw()")

    answers = volley(together(common_shop, marked, *others))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["username"] for answer in answers} | {taken}) == len(answers) + 1
    common_shop.sql("DROP TRIGGER drawn ON orders")


def test_a_key_whose_order_failed_inside_is_free_again(common_shop: Shop) -> None:
    marked = common_shop.buyer(8_00)

    with injected(common_shop, marked, "P0001", ALWAYS):
        assert common_shop.order(marked, "the key", **GIGABYTE).status_code == 500
    assert common_shop.order(marked, "the key", **GIGABYTE).status_code == 201
    replayed = common_shop.order(marked, "the key", **GIGABYTE)
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (201, "true")
    assert common_shop.order_count(marked) == 1
