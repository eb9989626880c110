"""Processes that are killed, machines that are started anew, files that are damaged: what becomes of their leases."""

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from metering import meter_of, small_order
from novaproxy.usage.counters import Count, CounterFile
from novaproxy.usage.orphans import settle_orphans
from roles import as_service
from services import EFFORT
from shop import Shop

pytestmark = pytest.mark.usefixtures("_audited")

PROCESS = Path(__file__).with_name("counting_process.py")
GIGABYTE = 2**30


def killed(shop: Shop, directory: Path, orders: list[int], seconds: float) -> dict[int, Count]:
    """Let a process count for *seconds*, kill it, and return what its file then says of each order."""
    words = [json.dumps(dict(as_service(shop.target))), str(directory), *map(str, orders)]
    process = subprocess.Popen([sys.executable, str(PROCESS), *words], stdout=subprocess.PIPE, text=True)  # noqa: S603 -- ours
    with process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "counting\n"
            time.sleep(seconds)
        finally:
            process.kill()
    (path,) = directory.glob("*.counts")
    file = CounterFile.adopted(path)
    counts = {count.order_id: count for count in file.counts()}
    file.close()
    return counts


def settle(shop: Shop, directory: Path) -> list[str]:
    """Settle the orphans in *directory*, and return what the log says of it."""
    with capture_logs() as lines:
        shop.run(lambda connection: settle_orphans(connection, directory))
    return [line["event"] for line in lines]


def test_a_process_that_was_killed_is_settled_to_the_byte(shop: Shop, tmp_path: Path) -> None:
    chance = random.Random(EFFORT)
    orders = [small_order(shop, GIGABYTE), small_order(shop, GIGABYTE), small_order(shop, None)]
    passed = dict.fromkeys(orders, 0)

    for _ in range(2 * EFFORT):
        counts = killed(shop, tmp_path, orders, chance.uniform(0.1, 0.8))
        assert settle(shop, tmp_path) == ["a gateway that had not ended in order is settled"]
        for order_id in orders:
            passed[order_id] += counts[order_id].up_bytes + counts[order_id].down_bytes
            assert meter_of(shop, order_id)[:2] == (passed[order_id], 0)
        assert list(tmp_path.iterdir()) == []
        assert shop.value("SELECT ended_at IS NOT NULL AND NOT is_lost FROM gateway ORDER BY id DESC LIMIT 1")
    assert min(passed.values()) > 0


def test_an_order_whose_last_bytes_a_killed_process_passed_is_exhausted(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop, 50_000)

    killed(shop, tmp_path, [order_id], 0.0)
    settle(shop, tmp_path)

    consumed, leased, status = meter_of(shop, order_id)
    assert leased == 0
    assert status == ("exhausted" if consumed == 50_000 else "active")


def test_what_a_machine_that_was_started_anew_counted_is_not_known_and_charged(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop)
    killed(shop, tmp_path, [order_id], 0.0)
    (path,) = tmp_path.iterdir()
    before = meter_of(shop, order_id)
    whole = bytearray(path.read_bytes())
    whole[32:48] = uuid4().bytes
    path.write_bytes(whole)

    assert settle(shop, tmp_path) == ["what a gateway counted cannot be known: its leases are charged"]

    assert meter_of(shop, order_id)[:2] == (before[0] + before[1], 0)
    assert list(tmp_path.iterdir()) == []


def test_counts_that_cannot_be_are_not_believed(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop, GIGABYTE)
    killed(shop, tmp_path, [order_id], 0.1)
    before = meter_of(shop, order_id)
    (path,) = tmp_path.iterdir()
    file = CounterFile.adopted(path)
    (cell,) = [cell for cell in range(8, len(file.cells), 4) if file.cells[cell]]
    file.cells[cell + 2] += GIGABYTE
    file.close()

    assert settle(shop, tmp_path) == ["what a gateway counted cannot be known: its leases are charged"]
    assert meter_of(shop, order_id)[:2] == (before[0] + before[1], 0)


def test_a_file_that_counts_nothing_and_whose_gateway_was_never_written_down_is_removed(
    shop: Shop, tmp_path: Path
) -> None:
    CounterFile.created(tmp_path, uuid4()).close()

    assert settle(shop, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_and_a_foreign_one_stay_and_the_others_are_settled(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop, GIGABYTE)
    counts = killed(shop, tmp_path, [order_id], 0.1)
    (tmp_path / f"{UUID(int=0)}.counts").write_bytes(b"short")
    (tmp_path / "no-uuid.counts").write_bytes(b"")
    foreign = CounterFile.created(tmp_path, UUID(int=2**128 - 1))
    foreign.claimed(order_id)
    foreign.close()
    living = CounterFile.created(tmp_path, uuid4())

    assert sorted(settle(shop, tmp_path)) == [
        "a counter file cannot be read",
        "a counter file cannot be read",
        "a counter file of a gateway that this database does not know",
        "a gateway that had not ended in order is settled",
    ]

    count = counts[order_id]
    assert meter_of(shop, order_id)[:2] == (count.up_bytes + count.down_bytes, 0)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{UUID(int=0)}.counts",
        "no-uuid.counts",
        foreign.path.name,
        living.path.name,
    }
    living.removed()


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_file_that_comes_back_after_its_gateway_was_lost_changes_nothing(
    shop: Shop, tmp_path: Path, *, is_damaged: bool
) -> None:
    order_id = small_order(shop, GIGABYTE)
    killed(shop, tmp_path, [order_id], 0.1)
    shop.sql("SELECT lose_gateway(max(id)) FROM gateway")
    charged = meter_of(shop, order_id)
    if is_damaged:
        (path,) = tmp_path.iterdir()
        path.write_bytes(b"short")

    (said,) = settle(shop, tmp_path)

    assert "removed" in said
    assert meter_of(shop, order_id) == charged
    assert list(tmp_path.iterdir()) == []


def test_of_many_processes_that_start_at_once_one_settles(shop: Shop, tmp_path: Path) -> None:
    order_id = small_order(shop, GIGABYTE)
    counts = killed(shop, tmp_path, [order_id], 0.1)

    async def all_at_once() -> None:
        await asyncio.gather(*(asyncio.to_thread(settle, shop, tmp_path) for _ in range(5)))

    asyncio.run(all_at_once())

    count = counts[order_id]
    assert meter_of(shop, order_id)[:2] == (count.up_bytes + count.down_bytes, 0)
    assert list(tmp_path.iterdir()) == []
