"""``novaproxy restore`` by the real command: refused, damaged, killed, on a full disk."""
# ruff: noqa: S603 -- the programs are PostgreSQL's own, the arguments the test's

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backups import BOOKS_HOLD, EMPTY, left_in
from commands import Operator
from embedded_users import as_root
from novaproxy.backup.seal import Digest
from novaproxy.database.binaries import find_binaries
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.migrate import is_current, migrate, migrations
from novaproxy.database.pool import Target
from services import EFFORT, within
from shop import Shop, on_connection

NOT_WHOLE = "The backup a is not whole: it was cut short, or 'novaproxy backup' did not write it."


def embedded(operator: Operator, data_dir: Path) -> Operator:
    return Operator(operator.directory, {"NOVAPROXY_DATA_DIR": str(data_dir)})


@pytest.mark.usefixtures("file")
def test_a_directory_that_is_not_empty_is_refused(operator: Operator, tmp_path: Path) -> None:
    data_dir = tmp_path / "shop"
    data_dir.mkdir()
    (data_dir / "letter").write_text("mine")
    assert embedded(operator, data_dir)("restore", "a").fault == (
        f"The directory {data_dir} is not empty (it holds letter): restore into an empty one."
    )
    assert left_in(data_dir) == ["letter"]


@pytest.mark.usefixtures("file")
def test_a_directory_in_use_is_refused(operator: Operator, data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, settings={"fsync": "off"}):
        before = left_in(data_dir)
        assert embedded(operator, data_dir)("restore", "a").fault == (
            f"There is a database in {data_dir} already: restore into an empty directory."
        )
        assert left_in(data_dir) == before


@pytest.mark.parametrize("content", [b"", b"hello", b"PGDM"])
def test_a_file_that_is_no_backup_is_refused(operator: Operator, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert embedded(operator, tmp_path / "shop")("restore", "a").fault == "a is no backup of a NovaProxy shop."
    assert left_in(tmp_path) == ["a"]


def resealed(file: Path, content: bytes) -> None:
    """Write a backup whose last line is right and whose *content* is not."""
    digest = Digest()
    digest.add(content)
    file.write_bytes(content + digest.line())


def test_a_dump_of_something_else_is_refused(restorer: Operator, empty_database: Target, tmp_path: Path) -> None:
    program = find_binaries(None) / "pg_dump"
    environment = {"PGPASSWORD": empty_database["password"]}
    place = [
        f"--host={empty_database['host']}",
        f"--port={empty_database['port']}",
        f"--username={empty_database['user']}",
    ]
    subprocess.run([program, "-Fc", *place, "-f", tmp_path / "a", EMPTY], check=True, env=environment)
    assert restorer("restore", "a").fault == NOT_WHOLE
    resealed(tmp_path / "a", (tmp_path / "a").read_bytes())
    assert restorer("restore", "a").fault == "a is no backup of a NovaProxy shop."


def test_a_backup_of_a_newer_version_is_refused(operator: Operator, restorer: Operator, database: Target) -> None:
    shop = Shop(database, "http://nowhere")
    shop.sql("INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'future', repeat('a', 64))")
    shop.http.close()
    assert operator("backup", "a").said
    for one in (restorer, embedded(operator, operator.directory / "shop")):
        assert one("restore", "a").fault == (
            "The backup a was made by a newer NovaProxy (it has migration 9999 future): restore it with that version."
        )
    assert left_in(operator.directory) == ["a"]


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    restorer: Operator, template: Target, empty_database: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(empty_database, "http://nowhere")

    older = migrations()[:2]
    with monkeypatch.context() as patched:
        patched.setattr("novaproxy.database.migrate.migrations", lambda: older)
        asyncio.run(on_connection(empty_database, migrate))
    assert restorer("backup", "a").said
    # A backup changes nothing, not even an old schema.
    assert shop.value("SELECT max(version) FROM schema_migration") == 2
    shop.http.close()
    shop = Shop({**template, "database": "postgres"}, "http://nowhere")
    shop.sql(f"DROP DATABASE {EMPTY}")
    shop.sql(f"CREATE DATABASE {EMPTY}")
    shop.http.close()
    assert restorer("restore", "a").said.endswith(BOOKS_HOLD)
    shop = Shop(empty_database, "http://nowhere")
    assert asyncio.run(on_connection(empty_database, is_current))
    shop.http.close()


def test_a_damaged_backup_is_refused_before_anything_is_done(operator: Operator, file: Path) -> None:
    whole, there = file.read_bytes(), embedded(operator, operator.directory / "shop")
    middle = len(whole) // 2
    for cut in (whole[:-1], whole[:middle], whole[:10], whole + b"x"):
        file.write_bytes(cut)
        assert there("restore", "a").fault == NOT_WHOLE
    file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert there("restore", "a").fault == "The backup a is damaged: something in it was changed."
    assert left_in(operator.directory) == ["a"]


def test_what_fails_in_the_middle_leaves_nothing(operator: Operator, restorer: Operator, file: Path) -> None:
    whole = file.read_bytes()
    content = whole[: -len(Digest().line())]
    # The rows of the last tables are cut off: when all before them is there, pg_restore ends, or the server refuses
    # what is left of a row; whoever is first is told.
    resealed(file, content[:-100])
    assert re.fullmatch(
        r"The backup a could not be restored, and nothing of it is left: \S.+", restorer("restore", "a").fault
    )
    data_dir = operator.directory / "shop"
    data_dir.mkdir()
    (data_dir / "sealing.key").write_text("the operator's")
    assert "nothing of it is left" in embedded(operator, data_dir)("restore", "a").fault
    assert left_in(data_dir) == ["sealing.key"]
    file.write_bytes(whole)
    assert restorer("restore", "a").said.startswith("Restored 1 order")


@as_root
def test_a_full_disk_leaves_nothing_of_a_restore(
    operator: Operator, database: Target, small_disk: Callable[[int], Path]
) -> None:
    shop = Shop(database, "http://nowhere")
    shop.sql(
        "INSERT INTO account (uuid, kind, email, email_key, name, balance_cents) "
        "SELECT gen_random_uuid(), 'customer', place || '@example.com', place, repeat(md5(place::text), 6), 0 "
        "FROM generate_series(1, 40000) AS place"
    )
    shop.http.close()
    assert operator("backup", "a").said
    disk = small_disk(56)
    assert embedded(operator, disk)("restore", "a").fault == (
        "The disk that holds the database is full; nothing of the backup is left there."
    )
    assert left_in(disk) == []


@pytest.mark.usefixtures("file")
def test_a_restore_that_is_killed_leaves_no_shop_and_is_done_again(operator: Operator, tmp_path: Path) -> None:
    data_dir = tmp_path / "shop"
    there = embedded(operator, data_dir)
    for number in [signal.SIGINT, signal.SIGKILL] * EFFORT:
        with there.start("restore", "a", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
            within(20, lambda: bool(list(data_dir.glob("restore.new-*/postgres/postmaster.pid"))), "its server")
            command.send_signal(number)
            assert command.wait(20) != 0
        # Ctrl-C leaves nothing; what a kill leaves is no shop.
        assert data_dir.exists() == (number is signal.SIGKILL)
        assert not (data_dir / "postgres").exists()
    told = there("restore", "a").said
    assert told.startswith("Restored 1 order and 1 account")
    assert not list(data_dir.glob("restore.new-*"))
    assert there("order", "list", "--json").json
