"""A lane's next transaction begins with its last COMMIT: it holds nothing, ends soon, and hides no lost server."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from database_line import Place, Stop
from novaproxy.database.line import Line
from novaproxy.database.pool import LOST, Target, opened_connection
from novaproxy.orders.desk import REST_AFTER_SECONDS
from services import Service, on_database, within
from shop import CATALOG, Shop
from torture.fault_silence import OTHERS_SECONDS
from torture.stand import DESK, Stand, open_stand

GIGABYTE: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}
FROZEN_SECONDS = 6.0
"""Longer than a session of ours may stay in a transaction that asks nothing."""

WAITING = (
    "SELECT pid, backend_xid IS NULL AND backend_xmin IS NULL AS is_free FROM pg_stat_activity "
    "WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE '%AND CHAIN'"
)
"""The duties have transactions too."""


def waiting(shop: Shop) -> list[Any]:
    """Return the sessions that are in a transaction and ask nothing."""
    return list(shop.sql(WAITING))


@pytest.fixture
def service(database: Target) -> Iterator[Service]:
    with Service(on_database(dict(database))) as started:
        yield started


def test_a_transaction_that_waits_for_orders_holds_nothing_and_ends_soon(common_shop: Shop) -> None:
    buyer = common_shop.buyer(16_00)
    assert common_shop.order(buyer, **GIGABYTE).status_code == 201

    found = waiting(common_shop)
    locks = "SELECT count(*) FROM pg_locks WHERE pid = ANY ($1) AND locktype <> 'virtualxid'"

    assert [one["is_free"] for one in found] == [True]
    assert common_shop.value(locks, [one["pid"] for one in found]) == 0
    within(REST_AFTER_SECONDS + 2, lambda: not waiting(common_shop), "a session at rest")
    assert common_shop.order(buyer, **GIGABYTE).status_code == 201


def test_a_lane_that_never_rests_still_tells_what_it_changed(common_shop: Shop) -> None:
    """Autovacuum goes by that; a session tells it only where it is in no transaction."""
    buyer = common_shop.buyer()
    told = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'meter'"

    def sells_and_tells(more_than: int) -> bool:
        assert common_shop.order(buyer, plan="free", bandwidth=1).status_code == 201
        return bool(common_shop.value(told) > more_than)

    # What other lanes have to tell is told by then.
    until = time.monotonic() + REST_AFTER_SECONDS + 0.5
    while time.monotonic() < until:
        sells_and_tells(0)
    known = common_shop.value(told)
    within(5, lambda: sells_and_tells(known), "figures of a session that is always in a transaction")


def test_an_order_that_is_refused_leaves_the_next_one_a_transaction_too(common_shop: Shop) -> None:
    poor, rich = common_shop.buyer(0), common_shop.buyer(8_00)

    assert common_shop.order(poor, **GIGABYTE).status_code == 422
    assert [one["is_free"] for one in waiting(common_shop)] == [True]
    assert common_shop.order(rich, **GIGABYTE).status_code == 201
    assert common_shop.balance_cents(rich) == 0


def test_a_worker_that_froze_for_longer_than_a_transaction_may_stay_open_sells_again(
    database: Target, service: Service
) -> None:
    shop = Shop(database, service.address)
    try:
        sold_before_and_after_frost(shop, service)
    finally:
        shop.http.close()


def sold_before_and_after_frost(shop: Shop, service: Service) -> None:
    shop.apply_catalog(CATALOG.read_text())
    buyer = shop.buyer(16_00)
    assert shop.order(buyer, **GIGABYTE).status_code == 201
    session = waiting(shop)[0]["pid"]

    pid = service.freeze_worker()
    try:
        is_gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
        within(FROZEN_SECONDS, lambda: bool(shop.value(is_gone, session)), "the end of the session that was left")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert shop.order(buyer, **GIGABYTE).status_code == 201
    assert (shop.order_count(buyer), shop.balance_cents(buyer)) == (2, 0)


async def test_a_session_that_ended_while_this_process_slept_is_lost_not_broken(database: Target) -> None:
    connection = await opened_connection(database, idle_in_transaction_session_timeout="100")
    await connection.execute("BEGIN")
    # The last word of the server is there, and unread, when the next question goes out.
    time.sleep(0.5)  # noqa: ASYNC251 -- this whole process sleeps, as a frozen one does

    with pytest.raises(LOST):
        await asyncio.wait_for(connection.fetchval("SELECT 1"), 5)
    connection.terminate()


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with open_stand(tmp_path_factory.mktemp("stand")) as opened:
        yield opened


@pytest.mark.parametrize("place", Place)
def test_a_line_that_falls_silent_on_its_way_to_rest_keeps_nobody(stand: Stand, place: Place) -> None:
    stand.warm()
    stand.line.stop_at(Stop(DESK, 0, place, of_rest=True))
    assert stand.line.stopped.wait(REST_AFTER_SECONDS + 5), "no lane went to rest"

    begun_at = time.monotonic()
    outcome = stand.ask(stand.buyers[:1])[0].result()

    assert outcome.status == 201
    assert time.monotonic() - begun_at < OTHERS_SECONDS


async def test_a_line_that_was_cut_is_at_rest(database: Target) -> None:
    line = Line(database, command_timeout=5, settings={})
    connection = await line.connection()
    await connection.execute("BEGIN")
    # As a batch does whose ROLLBACK is not answered.
    connection.terminate()

    await line.rest()

    assert not line.is_open
    assert await (await line.for_use()).fetchval("SELECT 1") == 1
    await line.close()
