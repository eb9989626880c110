"""What stops in the middle: a gateway, its supervisor, its database, its disk. Nothing is lost or counted twice."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatter import Chatter, assert_charged
from deliveries import DeliveryShop, Proxy, delivery_shop
from floods import fetched
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from roles import migrated
from services import EFFORT, Gateway, process_tree, within
from strangers import Holder, dropped, held_tunnels
from torture.fault_disk import fill, small_disk

END_SECONDS = 20.0
SETTLED_SECONDS = 15.0
TUNNELS = 100 if EFFORT == 1 else 1_000
FROZEN_SECONDS = 1.0 if EFFORT == 1 else 20.0


@pytest.fixture
def delivery(database: Target) -> Iterator[DeliveryShop]:
    with delivery_shop(database) as opened:
        yield opened


def counter_files(delivery: DeliveryShop) -> list[Path]:
    return sorted(delivery.directory.glob("*/gateway/*.counts"))


def settled(delivery: DeliveryShop, proxy: Proxy) -> int:
    """Return what an order has consumed, once its leases are back."""
    within(SETTLED_SECONDS, lambda: delivery.leased(proxy) == 0, "leases that went back")
    return delivery.consumed(proxy)


def talking(delivery: DeliveryShop, proxy: Proxy, count: int = 4) -> list[Chatter]:
    chatters = [Chatter(delivery, proxy, over_socks=bool(number % 2)) for number in range(count)]
    within(10, lambda: all(one.words() > 3 for one in chatters), "talks under way")
    return chatters


def hushed(chatters: list[Chatter]) -> None:
    for one in chatters:
        one.hush()


def test_a_killed_supervisors_gateways_end_by_themselves_and_have_charged_everything(delivery: DeliveryShop) -> None:
    with delivery.gateway(processes=2) as gateway:
        proxy = delivery.bought()
        chatters = talking(delivery, proxy)
        pids = gateway.gateway_pids()
        gateway.kill_supervisor()
        for one in chatters:
            one.ended()
        within(END_SECONDS, lambda: not any(map(lives, pids)), "the end of its gateways")
        assert_charged(chatters, settled(delivery, proxy))
        gateway.restart()
        assert counter_files(delivery) == counter_files_of(gateway, delivery)
        assert fetched(proxy, delivery) < END_SECONDS


def test_what_a_wholly_killed_gateway_counted_is_settled_by_the_next_start(delivery: DeliveryShop) -> None:
    with delivery.gateway(processes=2) as gateway:
        proxy = delivery.bought()
        chatters = talking(delivery, proxy)
        gateway.kill()
        for one in chatters:
            one.ended()
        gateway.restart()
        assert_charged(chatters, settled(delivery, proxy))


def test_a_gateway_that_is_to_end_does_so_in_time_with_many_tunnels_open(delivery: DeliveryShop) -> None:
    holder = Holder()
    allowed = f"127.0.0.1:{delivery.origin.port},127.0.0.1:{holder.port}"
    try:
        with delivery.gateway(NOVAPROXY_GATEWAY_ALLOW=allowed) as gateway:
            proxy, quiet = delivery.bought(), delivery.bought()
            lines = asyncio.run(held_tunnels([quiet], holder.port, TUNNELS))
            chatters = talking(delivery, proxy)
            begun_at = time.monotonic()
            assert gateway.end() == 0, gateway.log()
            assert time.monotonic() - begun_at < END_SECONDS
            for one in chatters:
                one.ended()
            assert [line.recv(1) for line in lines] == [b""] * TUNNELS
            dropped(lines)
            assert delivery.leased(proxy) == delivery.leased(quiet) == 0
            assert_charged(chatters, delivery.consumed(proxy))
            assert counter_files(delivery) == []
            assert "killed" not in gateway.log(), gateway.log()
    finally:
        holder.close()


def test_a_frozen_gateway_goes_on_where_it_was(delivery: DeliveryShop) -> None:
    with delivery.gateway() as gateway:
        proxy = delivery.bought()
        chatters = talking(delivery, proxy)
        (pid,) = gateway.gateway_pids()
        frozen([pid], FROZEN_SECONDS)
        assert gateway.gateway_pids() == [pid]
        words = [one.words() for one in chatters]
        within(10, lambda: all(one.words() > before for one, before in zip(chatters, words, strict=True)), "new words")
        hushed(chatters)
        assert max(one.longest_seconds for one in chatters) > FROZEN_SECONDS - 0.5
        assert_charged(chatters, settled(delivery, proxy))


@contextmanager
def own_database(directory: Path) -> Iterator[tuple[EmbeddedPostgres, DeliveryShop]]:
    with EmbeddedPostgres(directory / "database", settings={"fsync": "off"}) as server:
        target: Target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        with delivery_shop(target) as delivery:
            yield server, delivery


def test_a_database_that_stops_stalls_what_is_metered_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    with own_database(tmp_path) as (server, delivery), delivery.gateway() as gateway:
        proxy = delivery.bought()
        chatters = talking(delivery, proxy)
        # Frozen, as on a machine that swaps: no line breaks, nobody answers.
        frozen(process_tree(postmaster(tmp_path)), FROZEN_SECONDS)
        fresh = [Chatter(delivery, proxy)]
        # Stopped and started again, all lines broken.
        os.kill(postmaster(tmp_path), signal.SIGINT)
        within(20, lambda: not server.alive(), "a stopped database")
        time.sleep(FROZEN_SECONDS / 2)
        server.revive()
        words = sum(one.words() for one in chatters)
        within(15, lambda: sum(one.words() for one in chatters) > words + 20, "talks that go on")
        hushed(chatters + fresh)
        assert not any(one.is_cut for one in chatters)
        assert_charged(chatters + fresh, settled(delivery, proxy))
        assert len(gateway.gateway_pids()) == 1
        assert "level=error" not in gateway.log(), gateway.log()


def test_a_full_disk_is_told_and_the_gateway_serves_once_there_is_room(delivery: DeliveryShop, tmp_path: Path) -> None:
    if not mounts():
        pytest.skip("this account may not mount a small file system")
    with small_disk(tmp_path / "disk", 1) as disk:
        ballast = fill(disk)
        gateway = delivery.gateway(NOVAPROXY_DATA_DIR=str(disk))
        with gateway:
            within(10, lambda: "no room for a counter file" in gateway.log(), gateway.log())
            assert "No space left on device" in gateway.log()
            assert "database away" not in gateway.log()
            assert str(disk) in gateway.log()
            ballast.unlink()
            within(10, lambda: "proxy port open" in gateway.log(), gateway.log())
            assert fetched(delivery.bought(), delivery) < END_SECONDS
            assert gateway.log().count("no room for") == 1
            assert gateway.end() == 0
    assert delivery.shop.value("SELECT count(*) FROM gateway WHERE ended_at IS NULL") == 0


def mounts() -> bool:
    ran = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)  # noqa: S607 -- the system's
    return os.geteuid() == 0 and ran.returncode == 0


def lives(pid: int) -> bool:
    return bool(process_tree(pid))


def frozen(pids: list[int], seconds: float) -> None:
    """Stop *pids* for so long."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def postmaster(directory: Path) -> int:
    return int((directory / "database/postgres/postmaster.pid").read_text().split("\n", 1)[0])


def counter_files_of(gateway: Gateway, delivery: DeliveryShop) -> list[Path]:
    """Return the files that the living processes hold: one each."""
    held = {
        Path(target)
        for pid in gateway.gateway_pids()
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if (target := str(entry.readlink())).endswith(".counts")
    }
    assert all(path.is_relative_to(delivery.directory) for path in held)
    return sorted(held)
