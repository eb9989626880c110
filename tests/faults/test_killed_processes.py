"""``kill -9``, SIGSTOP, SIGTERM under load, against real processes and what they left on the disk (T5, T6, T15)."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loads import FIELDS, assert_settled, under_load
from novaproxy.database.pool import Target
from novaproxy.orders.desk import LONGEST_QUEUE
from novaproxy.orders.lanes import LANES
from novaproxy.orders.pace import LARGEST_BATCH
from services import EFFORT, EmbeddedShop, Service, held, on_database, seeded, services, within
from shop import CATALOG, Buyer, Shop
from volleys import Asked, opened, send_and_hang_up, volley

READY_SECONDS = 15
BUYERS = 6


def stocked(target: Target, address: str) -> tuple[Shop, list[Buyer]]:
    """Return a shop with the test catalog and buyers who can pay for whatever they ask."""
    shop = Shop(target, address)
    shop.apply_catalog(CATALOG.read_text())
    return shop, [shop.buyer(1_000_000_00) for _ in range(BUYERS)]


@pytest.fixture
def service(database: Target) -> Iterator[Service]:
    with Service(on_database(database)) as started:
        yield started


def outlive_deaths() -> None:
    """Keep to five deaths in half a minute where there are many: more end the service with a word, as they should."""
    time.sleep(8 if EFFORT > 1 else 0)


def kill_all(service: Service) -> None:
    service.kill()
    service.restart()


def kill_supervisor(service: Service) -> None:
    service.kill_supervisor()
    service.restart()


@pytest.mark.parametrize("kill", [kill_all, kill_supervisor, Service.kill_worker])
def test_orders_survive_a_killed_service(database: Target, service: Service, kill: Callable[[Service], None]) -> None:
    random = seeded("kills")
    shop, buyers = stocked(database, service.address)

    with under_load(lambda: service.address, buyers) as load:
        for _ in range(2 * EFFORT):
            placed = load.placed()
            within(10, lambda before=placed: load.placed() > before, "orders under load")  # type: ignore[misc]  # mypy: cannot infer a lambda's default
            time.sleep(random.uniform(0, 0.3))
            kill(service)
            within(READY_SECONDS, service.is_ready, "a ready service after the kill")
            outlive_deaths()
    # Retries that the load left to us must settle at once: nothing is stuck.
    assert_settled(shop, load, seconds=5)
    shop.http.close()


def kill_with_database(shop: EmbeddedShop, number: signal.Signals) -> None:
    shop.signal_database(number)


def kill_with_worker(shop: EmbeddedShop, number: signal.Signals) -> None:
    shop.signal_database(number)
    shop.service.kill_worker()


def kill_with_service(shop: EmbeddedShop, number: signal.Signals) -> None:
    shop.signal_database(number)
    kill_all(shop.service)


def test_orders_survive_a_killed_database(tmp_path: Path) -> None:
    random = seeded("killed database")
    with EmbeddedShop(tmp_path / "shop") as embedded:
        service = embedded.service
        shop, buyers = stocked(embedded.target, service.address)
        with under_load(lambda: service.address, buyers) as load:
            for kill in [kill_with_database, kill_with_worker, kill_with_service] * EFFORT:
                placed = load.placed()
                within(10, lambda before=placed: load.placed() > before, "orders under load")  # type: ignore[misc]  # as above
                time.sleep(random.uniform(0, 0.3))
                kill(embedded, random.choice([signal.SIGKILL, signal.SIGQUIT]))
                placed = load.placed()
                within(READY_SECONDS, lambda before=placed: load.placed() > before, "orders again")  # type: ignore[misc]  # as above
                outlive_deaths()
        assert_settled(shop, load, seconds=5)
        shop.http.close()
        assert service.end() == 0


def test_sigterm_under_load_answers_every_order_it_took(database: Target, service: Service) -> None:
    shop, buyers = stocked(database, service.address)

    with under_load(lambda: service.address, buyers) as load:
        within(10, lambda: load.placed() > 20, "orders under load")
        begun_at = time.monotonic()
        assert service.end() == 0
        assert time.monotonic() - begun_at < 20

    # What got no answer was never taken: nothing of it is there.
    keys = {row["idempotency_key"] for row in shop.sql("SELECT idempotency_key FROM orders")}
    assert {outcome.key for outcome in load.outcomes if outcome.status == 201} == keys
    service.restart()
    assert_settled(shop, load, seconds=5)
    shop.http.close()


def test_a_service_that_waits_for_a_lock_still_ends_in_time(database: Target, service: Service) -> None:
    shop, (buyer, *_) = stocked(database, service.address)
    with (
        held(database, "SELECT FROM account WHERE id = $1 FOR UPDATE", buyer.account_id),
        opened(service.address) as line,
    ):
        line.sendall(Asked(service.address, buyer, FIELDS).wire())
        time.sleep(0.3)
        begun_at = time.monotonic()
        assert service.end() == 0
        assert time.monotonic() - begun_at < 20
    assert shop.order_count(buyer) == 0
    shop.http.close()


def test_a_frozen_worker_holds_the_others_up_for_a_moment_only(database: Target) -> None:
    with services(database) as (frozen, other):
        shop, buyers = stocked(database, other.address)
        bystander = shop.buyer(1_000_00)
        with under_load(lambda: frozen.address, buyers) as load:
            within(10, lambda: load.placed() > 20, "orders under load")
            pid, locked = freeze_inside_a_transaction(frozen, shop)
            try:
                (fast,) = volley([Asked(other.address, bystander, FIELDS)])
                assert (fast.status, fast.seconds < 3) == (201, True)
                assert volley([Asked(other.address, buyer, FIELDS, "beside") for buyer in buyers])
                # The server ends the frozen session; from then on its accounts are everybody's again.
                within(8, lambda: not is_open(shop, locked), "the end of the frozen session")
                answers = volley([Asked(other.address, buyer, FIELDS, "beside") for buyer in buyers])
                assert {answer.status for answer in answers} == {201}
            finally:
                signal_process(pid, signal.SIGCONT)
            placed = load.placed()
            within(10, lambda: load.placed() > placed + BUYERS, "orders of the worker that goes on")
        for buyer in buyers:
            load.outcomes.append(type(load.outcomes[0])(buyer, "beside"))
        assert_settled(shop, load)
        shop.http.close()


def signal_process(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)


def is_open(shop: Shop, pid: int) -> bool:
    return bool(shop.sql("SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'idle in transaction'", pid))


def freeze_inside_a_transaction(service: Service, shop: Shop) -> tuple[int, int]:
    """Freeze the worker while it has locks; return its process id and its session's."""
    for _ in range(200):
        pid = service.freeze_worker()
        time.sleep(0.05)
        found = shop.sql(
            "SELECT pid FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE state = 'idle in transaction' "
            "AND relation = 'account'::regclass AND datname = current_database() AND now() - state_change > '40 ms'",
        )
        if found:
            return pid, int(found[0]["pid"])
        signal_process(pid, signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("the worker was never caught inside a transaction")


def test_clients_that_hang_up_break_nothing(database: Target, service: Service) -> None:
    shop, buyers = stocked(database, service.address)
    line = Asked(service.address, buyers[0], FIELDS)
    for _ in range(10 * EFFORT):
        for buyer in buyers:
            send_and_hang_up(Asked(service.address, buyer, FIELDS))
        assert {answer.status for answer in volley([line] * 4)} == {201}

    assert all(shop.order_count(buyer) <= 10 * EFFORT for buyer in buyers[1:])
    shop.assert_books_hold()
    assert "level=error" not in service.log()
    assert service.end() == 0
    shop.http.close()


def test_a_full_queue_says_busy_and_keeps_its_word_to_those_inside(database: Target, service: Service) -> None:
    shop, (locked, *_) = stocked(database, service.address)

    with held(database, "SELECT FROM account WHERE id = $1 FOR UPDATE", locked.account_id):
        answers = volley([Asked(service.address, locked, FIELDS)] * 1_200)
    for answer in answers:
        answer.assert_asks_for_patience()
        assert answer.error == "The service is busy at the moment. Please try again."
    # Those above the limit hear it at once, those inside when the lock is not to be had: the queue, and a batch a lane.
    assert sum(answer.seconds < 0.9 for answer in answers) >= 1_200 - LONGEST_QUEUE - LANES * LARGEST_BATCH
    assert max(answer.seconds for answer in answers) < 10

    assert {answer.status for answer in volley([Asked(service.address, locked, FIELDS)] * 500)} == {201}
    assert shop.order_count(locked) == 500
    shop.assert_books_hold()
    shop.http.close()


def test_a_service_without_a_database_ends_with_one_sentence(database: Target) -> None:
    nowhere = Service(on_database({**database, "host": "/nowhere"}))
    try:
        nowhere.launch()
        assert nowhere.process.wait(20) == 1
        (line,) = nowhere.log().splitlines()
        assert line.startswith("novaproxy: The database cannot be reached: ")
    finally:
        nowhere.close()
