"""The figures of a whole service: those of all its processes in one page, and nothing of them left behind."""

import os
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from figures import Figures, figures, parsed
from loads import under_load
from novaproxy.database.pool import Target
from novaproxy.metrics import sharing
from novaproxy.metrics.sharing import SharedDirectory
from services import Service, held, on_database, within
from shop import CATALOG, Shop
from volleys import Asked, opened

TOKEN = "a-token-of-the-operator"
GIGABYTE: dict[str, Any] = {"plan": "mobile", "bandwidth": 1}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the services of a test make their temporary directories."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return directory


@pytest.fixture
def service(database: Target, temporary: Path) -> Iterator[Service]:
    """A service with two workers."""
    assert temporary.is_dir()
    with Service(on_database(database), workers=2) as started:
        yield started


@pytest.fixture(scope="module")
def common(module_database: Target) -> Iterator[Service]:
    """A service that the tests of this module share."""
    with Service(on_database(module_database) | {"NOVAPROXY_METRICS_TOKEN": TOKEN}) as started:
        yield started


@pytest.fixture
def shop(database: Target, service: Service) -> Iterator[Shop]:
    """Its shop."""
    opened_shop = Shop(database, service.address)
    opened_shop.apply_catalog(CATALOG.read_text())
    yield opened_shop
    opened_shop.http.close()


def placed(told: Figures) -> float:
    return told("orders_placed_total", plan="mobile") or 0


def with_both_workers(service: Service, shop: Shop) -> float:
    """Let orders be placed until each worker has placed some; return how many."""
    buyers = [shop.buyer() for _ in range(4)]
    directory = next(Path(os.environ["TMPDIR"]).iterdir())

    def both_have_counted() -> bool:
        return all(b'"plan": "mobile"' in (directory / f"counter_{place}.db").read_bytes() for place in "01")

    with under_load(lambda: service.address, buyers) as load:
        # Each of these connections is taken by one worker or the other.
        while not both_have_counted():
            shop.http.close()
            shop.http = httpx.Client(base_url=service.address)
            assert shop.order(buyers[0], **GIGABYTE).status_code == 201
        within(10, lambda: load.placed() > 50, "orders under load")
    return float(shop.value("SELECT count(*) FROM orders"))


def test_a_figure_counts_all_workers_and_outlives_them(service: Service, shop: Shop) -> None:
    count = with_both_workers(service, shop)
    within(5, lambda: placed(figures(service.address)) == count, "all orders of both workers")

    for killed in service.worker_pids():
        os.kill(killed, signal.SIGKILL)
        within(10, lambda dead=killed: dead not in service.worker_pids() and len(service.worker_pids()) == 2, "another")  # type: ignore[misc]  # mypy: cannot infer a lambda's default
    assert placed(figures(service.address)) == count

    assert shop.order(shop.buyer(), **GIGABYTE).status_code == 201
    within(5, lambda: placed(figures(service.address)) == count + 1, "an order of a new worker")
    assert (figures(service.address)("http_requests_total", route="/orders", status="201") or 0) >= count


def shared_figures(temporary: Path) -> Figures:
    """Return the figures that the processes share, without a request that would have them written."""
    (directory,) = temporary.iterdir()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]  # the library's
    return parsed(generate_latest(registry).decode())


def test_what_waited_at_a_dead_worker_waits_no_more(
    database: Target, service: Service, shop: Shop, temporary: Path
) -> None:
    buyer = shop.buyer()
    with held(database, "SELECT FROM account WHERE id = $1 FOR UPDATE", buyer.account_id), ExitStack() as lines:
        for _ in range(3):
            # Of three orders two at least meet at one desk, one behind the other.
            lines.enter_context(opened(service.address)).sendall(Asked(service.address, buyer, GIGABYTE).wire())
            # Longer than what a batch's beginning has written.
            time.sleep(0.35)
        within(2, lambda: (shared_figures(temporary)("orders_waiting") or 0) > 0, "an order that waits")
        killed = service.worker_pids()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        within(10, lambda: len(set(service.worker_pids()) - set(killed)) == 2, "new workers")
        assert shared_figures(temporary)("orders_waiting") == 0


def test_the_figures_of_the_duties_are_there(module_database: Target, common: Service) -> None:
    shop = Shop(module_database, common.address)
    shop.apply_catalog(CATALOG.read_text())
    shop.buyer(12_34)
    shop.sql(
        "INSERT INTO audit_run (started_at, finished_at, findings, breaches, form, covered) VALUES "
        "('2026-01-02T03:04:00Z', '2026-01-02T03:04:05Z', '{\"M1\": 0, \"L1\": 2}', 2, 'whole', '{}'), "
        "('2026-01-02T03:05:00Z', '2026-01-02T03:05:05Z', '{\"M1\": 0, \"L1\": 1}', 1, 'new', '{\"orders\": 7}')"
    )
    within(15, lambda: figures(common.address)("balances_owed", currency="USD") == 12.34, "what is owed")
    told = figures(common.address)
    assert told("database_up") == 1
    assert told("orders_pending") == 0
    assert told("audit_breaches", invariant="L1", form="whole") == 2
    assert told("audit_breaches", invariant="L1", form="new") == 1
    assert told("audit_breaches", invariant="M1", form="whole") == 0
    assert told("audit_timestamp_seconds", form="whole") == 1767323045
    assert told("audit_timestamp_seconds", form="new") == 1767323105
    assert told("audit_covered", rows="orders") == 7
    shop.http.close()


def test_the_token_reaches_the_workers(common: Service) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    assert httpx.get(f"{common.address}/metrics", headers=forwarded).status_code == 401
    assert (
        figures(common.address, Authorization=f"Bearer {TOKEN}", **forwarded)(
            "build_info", version=version("novaproxy")
        )
        == 1
    )


def test_what_is_refused_before_it_is_a_request_is_counted(common: Service) -> None:
    for request in (b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"a" * 40_000 + b"\r\n\r\n"):
        with opened(common.address) as line:
            line.sendall(request)
            while line.recv(4096):
                pass
    within(
        5, lambda: figures(common.address)("refusals_total", code="head_too_long") == 1, "the head that was too long"
    )
    told = figures(common.address)
    assert told("refusals_total", code="not_http") == 1
    assert told("http_requests_total", route="other", status="431") == 1


def test_the_directory_is_the_users_own_and_gone_at_the_end(service: Service, temporary: Path) -> None:
    (directory,) = temporary.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert service.end() == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_a_service_without_room_for_figures_still_sells(database: Target, temporary: Path) -> None:
    service = Service(on_database(database))
    try:
        service.launch()
        # As a full disk would, before the supervisor is there to write.
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        service.wait_until_open()
        assert 'event="no room for metrics: each worker tells its own alone"' in service.log()
        assert list(temporary.iterdir()) == []
        assert figures(service.address)("build_info", version=version("novaproxy")) == 1
        within(10, lambda: service.duties_pid() is not None, "the duties")
        assert service.end() == 0
    finally:
        service.close()


def test_a_shop_whose_figures_were_removed_still_sells(service: Service, shop: Shop, temporary: Path) -> None:
    buyer = shop.buyer()
    (directory,) = temporary.iterdir()
    shutil.rmtree(directory)
    killed = service.worker_pids()[0]
    os.kill(killed, signal.SIGKILL)
    within(10, lambda: killed not in service.worker_pids() and len(service.worker_pids()) == 2, "another worker")
    assert 'event="no room for metrics: each worker tells its own alone"' in service.log()
    for _ in range(8):
        # Each of these connections is taken by the old worker or the new one.
        shop.http.close()
        shop.http = httpx.Client(base_url=service.address)
        assert shop.order(buyer, **GIGABYTE).status_code == 201
        assert figures(service.address)("build_info", version=version("novaproxy")) == 1
    assert service.end() == 0


def test_after_kill_9_of_the_supervisor_the_directory_goes_too(service: Service, temporary: Path) -> None:
    service.kill_supervisor()
    within(5, lambda: list(temporary.iterdir()) == [], "the removal of the directory")


def test_what_a_killed_service_left_is_removed_by_the_next_one(temporary: Path) -> None:
    used, left, young = SharedDirectory(), SharedDirectory(), SharedDirectory()
    for abandoned in (left, young):
        abandoned.make_room("0")
        os.close(abandoned._lock)  # noqa: SLF001 -- as the kernel does when its holder is killed
    for old in (used, left):
        os.utime(old.path, (0, 0))
    stranger = temporary / "somebody-else"
    stranger.mkdir()
    os.utime(stranger, (0, 0))

    made = SharedDirectory()

    assert set(temporary.iterdir()) == {used.path, young.path, stranger, made.path}
    for open_one in (used, made):
        open_one.remove()


def test_a_place_keeps_its_counters_and_forgets_who_waited(temporary: Path) -> None:
    assert temporary.is_dir()
    directory = SharedDirectory()
    directory.make_room("0")
    for kind in ("counter", sharing._WAITING):  # noqa: SLF001 -- the one kind that tells of the living alone
        (directory.path / f"{kind}_0.db").write_bytes(b"\x10\0\0\0\0\0\0\0something")
    directory.make_room("0")
    assert (directory.path / "counter_0.db").read_bytes().startswith(b"\x10")
    assert (directory.path / "gauge_livesum_0.db").read_bytes().startswith(b"\x08\0\0\0")
    directory.remove()
