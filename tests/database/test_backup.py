"""``novaproxy backup`` and ``restore`` by the real command: beside live orders, refused, killed (T16)."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from backups import BOOKS_HOLD, EMPTY, left_in
from commands import Operator, database_url
from embedded_users import as_root
from loads import FIELDS, under_load
from novaproxy.backup.dump import killed
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from roles import migrated
from servers import SERVERS
from services import EmbeddedShop, held, within
from shop import CATALOG, Shop

BLOCKED = "LOCK TABLE audit_run IN ACCESS EXCLUSIVE MODE"
"""What a dump waits for, and nothing else does."""


def words_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def dumping_child(parent: int) -> int | None:
    """Return the child of *parent* that writes the dump; one that only tells its version is another."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        # A child may end while it is looked at.
        with suppress(OSError):
            if b"--snapshot=" in words_of(int(pid)):
                return int(pid)
    return None


def test_a_backup_of_an_open_shop_is_a_shop_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "shop.novaproxy"
    with EmbeddedShop(tmp_path / "shop") as embedded:
        shop = Shop(embedded.target, embedded.service.address)
        shop.apply_catalog(CATALOG.read_text())
        buyers = [shop.buyer(1_000_000_00) for _ in range(4)]
        shop.http.close()
        with under_load(lambda: embedded.service.address, buyers) as load:
            within(10, lambda: load.placed() > 100, "orders under load")
            before = [outcome for outcome in list(load.outcomes) if outcome.status == 201]
            said = Operator(tmp_path, {"NOVAPROXY_DATA_DIR": str(tmp_path / "shop")})("backup", str(file)).said
            placed = load.placed()
            within(10, lambda: load.placed() > placed, "orders that go on")
        assert not load.faults
        seen = httpx.get(f"{embedded.service.address}/orders/{before[0].uuid}", headers=before[0].buyer.headers).json()
    assert "4 accounts" in said
    assert f"Keep {tmp_path}/shop/sealing.key too, and apart from it" in said
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "shop" / "sealing.key").read_bytes().strip() not in file.read_bytes()

    elsewhere = Operator(tmp_path, {"NOVAPROXY_DATA_DIR": str(tmp_path / "elsewhere")})
    told = elsewhere("restore", str(file)).said
    assert told.endswith(BOOKS_HOLD)
    assert f"of the shop into {tmp_path}/elsewhere/sealing.key" in told
    # No new key is made where the orders were sealed with another one.
    assert (
        "is missing, and the database's proxy passwords were sealed with it" in elsewhere("serve", "--port", "0").fault
    )
    assert not (tmp_path / "elsewhere" / "sealing.key").exists()
    (tmp_path / "shop" / "sealing.key").rename(tmp_path / "elsewhere" / "sealing.key")

    with EmbeddedShop(tmp_path / "elsewhere") as restored:
        shop = Shop(restored.target, restored.service.address)
        shop.assert_books_hold()
        rows = shop.sql("SELECT idempotency_key, uuid::text FROM orders")
        assert {(outcome.key, outcome.uuid) for outcome in before} <= {tuple(row.values()) for row in rows}
        first = before[0]
        again = shop.order(first.buyer, first.key, **FIELDS)
        assert (again.status_code, again.json()["uuid"]) == (201, first.uuid)
        assert shop.http.get(f"/orders/{first.uuid}", headers=first.buyer.headers).json() == seen
        assert seen["password"]
        assert shop.order(first.buyer, "a new one", **FIELDS).status_code == 201
        assert shop.value("SELECT count(*) FROM orders") == len(rows) + 1
        shop.assert_books_hold()
        shop.http.close()


@pytest.mark.usefixtures("sold")
def test_a_database_of_ones_own_is_backed_up_and_restored(
    operator: Operator, restorer: Operator, empty_database: Target
) -> None:
    assert operator("backup", "shop.novaproxy").said.startswith("Backed up 1 order and 1 account as of ")
    assert restorer("restore", "shop.novaproxy").said.startswith("Restored 1 order and 1 account from shop.novaproxy")
    shop = Shop(empty_database, "http://nowhere")
    shop.assert_books_hold()
    # The guards came along.
    with pytest.raises(Exception, match="rows are only ever inserted"):
        shop.sql("DELETE FROM transfer")
    shop.http.close()
    assert restorer("restore", "shop.novaproxy").fault == (
        "The database is not empty: restore into a new one. Nothing was changed."
    )


@pytest.mark.parametrize("name", SERVERS)
def test_older_servers_are_backed_up_and_restored_with_the_newer_programs(name: str, tmp_path: Path) -> None:
    if not SERVERS[name].is_dir():
        pytest.skip(f"PostgreSQL {name} is not installed here")
    with EmbeddedPostgres(tmp_path / "data", binaries=SERVERS[name], settings={"fsync": "off"}) as server:
        target: Target = {**server.address.arguments()}
        shop = Shop(target, "http://nowhere")
        asyncio.run(migrated(target))
        shop.apply_catalog(CATALOG.read_text())
        shop.buyer()
        shop.sql(f"CREATE DATABASE {EMPTY}")
        shop.http.close()
        assert "1 account" in Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": database_url(target)})("backup", "a").said
        there = {"NOVAPROXY_DATABASE_URL": database_url({**target, "database": EMPTY})}
        told = Operator(tmp_path, there)("restore", "a").said
    assert told.startswith("Restored 0 orders and 1 account from a into ")
    assert told.endswith(BOOKS_HOLD)


def test_a_pg_dump_that_is_too_old_is_told(operator: Operator) -> None:
    older = Operator(operator.directory, {**operator.settings, "NOVAPROXY_PG_BIN": str(SERVERS["16 of the wheel"])})
    assert older("backup", "a").fault == (
        f"The database is PostgreSQL 18, and the pg_dump in {SERVERS['16 of the wheel']} is 16, too old for it: "
        "set NOVAPROXY_PG_BIN to the directory of PostgreSQL 18's programs."
    )
    assert left_in(operator.directory) == []


def test_a_file_that_is_there_is_replaced_only_by_force(operator: Operator) -> None:
    file = operator.directory / "a"
    file.write_text("mine")
    assert operator("backup", "a").fault == "a exists already: name another file, or say --force to replace it."
    assert file.read_text() == "mine"
    assert operator("backup", "--force", "a").said
    assert file.read_bytes().startswith(b"PGDMP")
    assert left_in(operator.directory) == ["a"]


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("/dev/null", "/dev/null is no file: name a file for the backup."),
        (".", "'.' is no name of a file."),
        ("nowhere/a", "The backup nowhere/a cannot be written: No such file or directory. Nothing is left of it."),
    ],
)
def test_what_cannot_be_written_is_one_sentence(operator: Operator, file: str, fault: str) -> None:
    assert operator("backup", "--force", file).fault == fault
    assert Path("/dev/null").is_char_device()


@pytest.mark.usefixtures("sold")
def test_a_backup_goes_to_standard_output(operator: Operator, restorer: Operator) -> None:
    with (operator.directory / "piped").open("wb") as out, operator.start("backup", "-", stdout=out) as command:
        assert command.wait(30) == 0
    assert restorer("restore", "piped").said.startswith("Restored 1 order")


def test_a_database_without_a_shop_is_not_backed_up(restorer: Operator) -> None:
    assert restorer("backup", "a").fault == "There is no shop in the database yet: nothing was backed up."
    assert left_in(restorer.directory) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_backup_that_is_ended_leaves_no_file_and_shows_no_password(
    operator: Operator, database: Target, number: signal.Signals
) -> None:
    with held(database, BLOCKED), operator.start("backup", "a", stderr=subprocess.DEVNULL) as command:
        within(20, lambda: dumping_child(command.pid) is not None, "pg_dump")
        dump = dumping_child(command.pid)
        assert dump is not None
        time.sleep(0.2)
        assert database["password"].encode() not in words_of(dump) + words_of(command.pid)
        command.send_signal(number)
        assert command.wait(20) != 0
        if number == signal.SIGINT:
            assert not Path(f"/proc/{dump}").exists()
            assert left_in(operator.directory) == []
    # Killed, it leaves a draft, whose name says that it is none; the file itself is never there.
    assert all(name.startswith(".a.") and name.endswith(".part") for name in left_in(operator.directory))


@pytest.mark.usefixtures("sold")
@as_root
def test_a_full_disk_leaves_nothing_of_a_backup(operator: Operator, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(1)
    (disk / "filler").write_bytes(bytes(2**20 - 3 * 2**12))
    assert operator("backup", str(disk / "a")).fault == (
        "The disk that the backup goes to is full; nothing is left of the backup."
    )
    assert left_in(disk) == ["filler"]


async def test_a_program_that_ends_while_it_is_killed_is_no_unknown_child(caplog: pytest.LogCaptureFixture) -> None:
    # About one in three hundred ended between the look and the kill, and standard error told of an unknown process.
    for number in range(1_000):
        process = await asyncio.create_subprocess_exec("true")
        time.sleep(number % 30 * 0.0001)  # noqa: ASYNC251 -- the program ends meanwhile, and nobody hears it yet
        await killed(process)
        assert process.returncode in {0, -signal.SIGKILL}
    assert not caplog.records
