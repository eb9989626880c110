"""Duties: once however many services there are, again after a failure, and never in the way of an end."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from database_line import DatabaseLine, database_line
from figures import figures
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.duties.books import KEPT_RUNS, audit_books
from novaproxy.duties.figures import read_figures
from novaproxy.duties.loop import Duty, keep_duties
from novaproxy.duties.table import duties, expire_all
from novaproxy.metrics.figures import Metrics
from novaproxy.orders.moving import EXPIRED_AT_ONCE
from services import Service, on_database, services, within
from shop import CATALOG, Shop, on_connection

ORDERS = 2 * EXPIRED_AT_ONCE + 7
LOCK = 77

Line = dict[str, Any]


async def happens(what: Callable[[], bool]) -> None:
    """Wait until *what*."""
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 -- what a test waits for has no event
            await asyncio.sleep(0.01)


def kept_until(target: Target, table: Sequence[Duty], what: Callable[[], bool]) -> list[Line]:
    """Keep *table* until *what* and return what was logged."""

    async def keep() -> None:
        end = asyncio.Event()
        keeping = asyncio.create_task(keep_duties(table, target, Metrics("0"), end))
        await happens(what)
        end.set()
        await keeping

    with capture_logs() as lines:
        asyncio.run(keep())
    return [dict(line) for line in lines]


def counting(runs: list[float]) -> Callable[[SoleConnection], Awaitable[None]]:
    """Return the work of a duty that notes its runs, and takes a tenth of a second."""

    async def work(connection: SoleConnection) -> None:
        runs.append(time.monotonic())
        await connection.execute("SELECT pg_sleep(0.1)")

    return work


def with_running_out(shop: Shop, orders: int) -> None:
    """Give a shop that many active orders whose time has passed."""
    assert shop.order(shop.buyer(), plan="free", bandwidth=1).status_code == 201
    shop.sql(
        "WITH run_out AS ("
        "INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, "
        "net_cents, bandwidth_gb, term, username, password_sealed, sealing_key_id, expires_at, created_at, updated_at) "
        "SELECT gen_random_uuid(), account_id, plan_id, catalog_revision, 'active', 0, 0, 0, bandwidth_gb, '1_day', "
        "'run' || lpad(place::text, 12, '0'), password_sealed, sealing_key_id, "
        "date_trunc('second', now()) - interval '1 minute', created_at, updated_at "
        "FROM orders, generate_series(1, $1) AS place RETURNING id, account_id"
        "), metered AS ("
        "INSERT INTO meter (order_id, account_id, initial_bytes) SELECT id, account_id, 1073741824 FROM run_out"
        ") UPDATE account_plan SET orders = orders + $1",
        orders,
    )


def expired_once(shop: Shop) -> int:
    """Return how many orders were expired, each with exactly one move, by the duty."""
    rows = shop.sql(
        "SELECT status, from_status, to_status, actor FROM orders LEFT JOIN order_move ON order_id = orders.id "
        "WHERE username LIKE 'run%'"
    )
    done = [tuple(row.values()) for row in rows if row["to_status"] is not None]
    assert set(done) <= {("expired", "active", "expired", "duty")}
    return len(done)


def test_the_table_is_what_the_operator_is_told() -> None:
    table = {duty.name: (duty.every_seconds, duty.lock is None) for duty in duties(Metrics("0"))}
    assert table == {
        "expire orders": (1, False),
        "audit the books": (900, False),
        "audit what is new": (60, False),
        "charge lost gateways": (30, False),
        "read the figures": (10, True),
    }
    locks = [duty.lock for duty in duties(Metrics("0")) if duty.lock is not None]
    assert len(locks) == len(set(locks))


def test_two_services_on_one_database_expire_each_order_once(database: Target) -> None:
    with services(database) as (one, other):
        shop = Shop(database, one.address)
        shop.apply_catalog(CATALOG.read_text())
        with_running_out(shop, ORDERS)

        within(10, lambda: expired_once(shop) == ORDERS, "the expiry of all orders")

        def counted() -> float:
            return sum(figures(service.address)("orders_expired_total") or 0 for service in (one, other))

        within(5, lambda: counted() == ORDERS, "the figures of both services")
        assert shop.value("SELECT count(*) FROM order_move") == ORDERS
        assert shop.value("SELECT count(*) FROM orders WHERE status = 'active'") == 1
        assert "level=error" not in one.log() + other.log()
        shop.http.close()


def test_one_run_expires_all_that_is_due(shop: Shop) -> None:
    with_running_out(shop, ORDERS)
    shop.run(lambda connection: expire_all(connection, Metrics("0")))
    assert expired_once(shop) == ORDERS


def test_a_killed_process_of_the_duties_is_started_again(database: Target) -> None:
    with Service(on_database(database)) as service:
        shop = Shop(database, service.address)
        shop.apply_catalog(CATALOG.read_text())
        within(10, lambda: service.duties_pid() is not None, "the duties")
        killed = service.duties_pid()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        within(5, lambda: service.duties_pid() not in {None, killed}, "the duties again")
        assert f'process="The process of the duties" pid={killed} status=-9' in service.log()

        with_running_out(shop, 1)
        within(10, lambda: expired_once(shop) == 1, "an expired order")
        assert service.end() == 0
        assert service.duties_pid() is None
        shop.http.close()


def test_duties_that_die_again_and_again_end_the_service(database: Target) -> None:
    with Service(on_database(database)) as service:

        def kill_the_duties() -> bool:
            pid = service.duties_pid() if service.process.poll() is None else None
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            return service.process.poll() is not None

        within(20, kill_the_duties, "the end of the service")
        assert service.process.returncode == 1
        assert service.log().splitlines()[-1] == (
            "novaproxy: The process of the duties died again and again; the service ends. The log above says why."
        )


def test_a_duty_runs_at_its_times(database: Target) -> None:
    runs: list[float] = []
    begun_at = time.monotonic()
    table = [Duty("count", every_seconds=0.2, work=counting(runs), first_after_seconds=0.3)]
    assert kept_until(database, table, lambda: len(runs) == 4) == []
    assert runs[0] - begun_at >= 0.3
    assert min(after - before for before, after in pairwise(runs)) >= 0.3


def test_a_duty_whose_work_grows_rests_longer(database: Target) -> None:
    runs: list[float] = []
    kept_until(database, [Duty("count", every_seconds=0.01, work=counting(runs), rests=5)], lambda: len(runs) == 2)
    assert runs[1] - runs[0] >= 0.6


def test_what_another_service_does_is_left_to_it(database: Target) -> None:
    one: list[float] = []
    other: list[float] = []
    own: list[float] = []
    table = [
        Duty("count", every_seconds=0.01, work=counting(one), lock=LOCK),
        Duty("count", every_seconds=0.01, work=counting(other), lock=LOCK),
        # Another duty has a lock of its own.
        Duty("count", every_seconds=0.01, work=counting(own), lock=LOCK + 1),
    ]
    # Between two runs the lock is anybody's.
    assert kept_until(database, table, lambda: min(len(one), len(other)) >= 2 and len(own) >= 5) == []
    begun = sorted(one + other)
    assert min(after - before for before, after in pairwise(begun)) >= 0.1


def test_a_duty_that_is_frozen_leaves_its_lock_to_others(database: Target) -> None:
    one: list[float] = []
    other: list[float] = []
    bounds: set[str] = set()

    async def freeze_once(connection: SoleConnection) -> None:
        bounds.add(await connection.fetchval("SHOW idle_session_timeout"))
        one.append(time.monotonic())
        if len(one) == 1:
            # To the server a stopped process and one that asks nothing are the same.
            await happens(lambda: bool(other))
        await connection.execute("SELECT pg_sleep(0.01)")

    bounded = {"idle_session_timeout": "300ms"}
    table = [
        Duty("freeze", every_seconds=0.05, work=freeze_once, lock=LOCK, session=bounded),
        Duty("count", every_seconds=0.05, work=counting(other), lock=LOCK, first_after_seconds=0.1),
    ]
    assert kept_until(database, table, lambda: len(one) >= 3) == []
    assert bounds == {"300ms"}


def test_each_duty_with_a_lock_is_bounded_while_it_asks_nothing(database: Target) -> None:
    bounds: dict[int | None, str] = {}

    def noting(lock: int | None) -> Duty:
        async def note(connection: SoleConnection) -> None:
            bounds[lock] = await connection.fetchval("SHOW idle_session_timeout")

        return Duty(f"note {lock}", every_seconds=9, work=note, lock=lock)

    kept_until(database, [noting(LOCK), noting(None)], lambda: len(bounds) == 2)
    assert bounds == {LOCK: "1min", None: "0"}


def test_a_connection_that_the_server_closed_while_a_duty_rested_is_no_outage(database: Target) -> None:
    runs: list[float] = []
    session = {"idle_session_timeout": "200ms"}
    table = [Duty("count", every_seconds=0.5, work=counting(runs), lock=LOCK, session=session)]
    assert kept_until(database, table, lambda: len(runs) == 3) == []


def test_a_duty_that_fails_is_told_and_tried_again(database: Target) -> None:
    runs: list[float] = []
    others: list[float] = []

    async def fail(connection: SoleConnection) -> None:
        runs.append(0)
        await connection.execute("SELECT 'a secret'::int")

    async def break_off(_connection: SoleConnection) -> None:
        raise RuntimeError("broken")

    table = [
        Duty("fail", every_seconds=0.2, work=fail, lock=LOCK),
        Duty("break off", every_seconds=60, work=break_off),
        Duty("count", every_seconds=0.2, work=counting(others), lock=LOCK, first_after_seconds=0.3),
    ]
    # What a failed run held is free for others.
    lines = kept_until(database, table, lambda: len(runs) >= 4 and bool(others))
    failed = [line for line in lines if line.get("duty") == "fail"]
    # The last run may have ended with the process, before it was told.
    assert 3 <= len(runs) - 1 <= len(failed) <= len(runs)
    assert failed[0] == {
        "event": "duty failed",
        "log_level": "error",
        "duty": "fail",
        "error": "InvalidTextRepresentationError",
        "sqlstate": "22P02",
        "constraint": None,
    }
    assert [str(line["exc_info"]) for line in lines if line.get("duty") == "break off"] == ["broken"]
    assert "a secret" not in str(lines)


def test_an_outage_is_told_when_it_begins_and_when_it_ends(database: Target) -> None:
    metrics = Metrics("0")

    def is_told(value: int) -> bool:
        return b"novaproxy_database_up %d.0\n" % value in metrics.exposed()

    async def broken_for_a_moment(line: DatabaseLine) -> None:
        end = asyncio.Event()
        table = [Duty(f"count {place}", every_seconds=0.05, work=counting([])) for place in range(2)]
        keeping = asyncio.create_task(keep_duties(table, line.target, metrics, end))
        await happens(lambda: is_told(1))
        line.is_down = True
        line.cut()
        await happens(lambda: is_told(0))
        await asyncio.sleep(0.8)
        assert is_told(0)
        line.is_down = False
        await happens(lambda: is_told(1))
        end.set()
        await keeping

    with database_line(database) as line, capture_logs() as lines:
        asyncio.run(broken_for_a_moment(line))
    assert [one["event"] for one in lines] == ["database away", "database back"]
    assert lines[1]["failed"] > 4
    assert lines[1]["seconds"] >= 0.8


def test_the_end_waits_for_no_duty(database: Target) -> None:
    hanging: list[float] = []

    async def hang(connection: SoleConnection) -> None:
        async with connection.transaction():
            await connection.execute("CREATE TABLE half_done ()")
            hanging.append(time.monotonic())
            await connection.execute("SELECT pg_sleep(9)")

    async def hang_outside(_connection: SoleConnection) -> None:
        hanging.append(time.monotonic())
        await asyncio.sleep(60)

    table = [Duty("hang", every_seconds=1, work=hang), Duty("hang outside", every_seconds=1, work=hang_outside)]
    assert kept_until(database, table, lambda: len(hanging) == 2) == []
    assert time.monotonic() - max(hanging) < 3

    async def is_there(connection: SoleConnection) -> bool:
        return bool(await connection.fetchval("SELECT to_regclass('half_done') IS NOT NULL"))

    assert not asyncio.run(on_connection(database, is_there))


def test_the_audit_is_kept_and_told(shop: Shop) -> None:
    buyer = shop.buyer()
    shop.order(buyer, plan="mobile", bandwidth=1)

    with capture_logs() as lines:
        shop.run(audit_books)

    (row,) = shop.sql("SELECT *, finished_at - started_at < '1 minute' AS is_quick FROM audit_run")
    assert (row["breaches"], row["is_quick"], lines) == (0, True, [])
    findings = json.loads(row["findings"])
    assert {"M1", "M8", "L1", "S1"} < set(findings)
    assert set(findings.values()) == {0}


def test_a_breach_is_told_loudly(database: Target) -> None:
    shop = Shop(database, "http://nowhere.invalid")
    buyer = shop.buyer(5_00)
    shop.sql("UPDATE account SET balance_cents = 6_00 WHERE id = $1", buyer.account_id)

    with capture_logs() as lines:
        shop.run(audit_books)

    (line,) = lines
    assert (line["log_level"], line["event"], line["invariant"]) == ("critical", "the books are broken", "M1")
    assert line["breaches"] >= 1
    assert str(buyer.account_id) in line["examples"]
    metrics = Metrics("0")
    shop.run(lambda connection: read_figures(connection, metrics))
    told = metrics.exposed().decode()
    assert f'novaproxy_audit_breaches{{form="whole",invariant="M1"}} {line["breaches"]}.0' in told
    assert 'novaproxy_audit_breaches{form="whole",invariant="M2"} 0.0' in told
    shop.http.close()


@pytest.mark.parametrize(
    ("age", "breaches", "audits"),
    [("23 hours", 0, 1), ("25 hours", 0, 2), ("14 minutes", 1, 1), ("16 minutes", 1, 2)],
)
def test_the_whole_books_are_audited_once_a_day_and_sooner_where_they_are_broken(
    database: Target, age: str, breaches: int, audits: int
) -> None:
    shop = Shop(database, "http://nowhere.invalid")
    shop.run(audit_books)
    shop.sql("DELETE FROM audit_run")
    shop.sql(
        "INSERT INTO audit_run (started_at, finished_at, findings, breaches) "
        "VALUES (now() - $1::text::interval, now(), '{}', $2)",
        age,
        breaches,
    )
    shop.run(audit_books)
    assert shop.value("SELECT count(*) FROM audit_run") == audits
    shop.http.close()


def test_old_audits_are_forgotten(database: Target) -> None:
    shop = Shop(database, "http://nowhere.invalid")
    shop.sql(
        "INSERT INTO audit_run (started_at, finished_at, findings, breaches) "
        "SELECT now() - '2 days'::interval, now() - '1 day'::interval, '{}', 0 FROM generate_series(1, $1)",
        KEPT_RUNS + 20,
    )
    shop.run(audit_books)
    assert shop.value("SELECT count(*) FROM audit_run") == KEPT_RUNS
    assert shop.value("SELECT max(id) FROM audit_run WHERE findings <> '{}'") == KEPT_RUNS + 21
    shop.http.close()


def test_the_figures_are_those_of_the_shop(shop: Shop) -> None:
    shop.buyer(12_34)
    buyer = shop.buyer(100_00)
    assert shop.order(buyer, plan="by-hand", bandwidth=1).json()["status"] == "pending"
    assert shop.order(buyer, plan="mobile", bandwidth=1).json()["status"] == "active"
    metrics = Metrics("0")
    shop.run(lambda connection: read_figures(connection, metrics))
    told = metrics.exposed().decode()
    assert 'novaproxy_balances_owed{currency="USD"} 102.34\n' in told
    assert "novaproxy_orders_pending 1.0\n" in told
    assert "novaproxy_audit_breaches{" not in told


def test_a_shop_without_a_catalog_owes_in_no_currency(database: Target) -> None:
    metrics = Metrics("0")
    asyncio.run(on_connection(database, lambda connection: read_figures(connection, metrics)))
    assert b"balances_owed{" not in metrics.exposed()
