"""The embedded PostgreSQL on real processes: crowded, killed, and under odd paths."""
# ruff: noqa: S607 -- the programs are the system's, the arguments the test's own

import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from embedded_users import FAST, ask, entered, gone, leave, living, sentence, user_of
from novaproxy.database import server
from novaproxy.database.account import account_for
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.memory import buffers_bytes, memory_bytes
from novaproxy.database.processes import server_name, server_processes


def test_what_was_written_is_there_after_the_next_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "not" / "there" / "yet"
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        ask(postgres.address, "CREATE TABLE note AS SELECT 'kept' AS word")
        assert postgres.alive()
    assert not postgres.alive()
    assert gone(data_dir)
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT word FROM note") == "kept"


def test_the_database_is_the_roles_own_in_utf_8_sorted_by_bytes(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        facts = ask(
            postgres.address,
            "SELECT concat_ws(' ', current_user, datname, pg_get_userbyid(datdba), datcollate,"
            " pg_encoding_to_char(encoding), current_setting('listen_addresses'), current_setting('jit'),"
            " current_setting('max_wal_size'), current_setting('max_connections'), current_setting('TimeZone'))"
            " FROM pg_database WHERE datname = current_database()",
        )
        assert facts == "novaproxy novaproxy novaproxy C UTF8  off 2GB 200 UTC"
        buffers = ask(postgres.address, "SELECT pg_size_bytes(current_setting('shared_buffers'))")
        assert buffers == buffers_bytes(memory_bytes())


def test_two_directories_are_used_at_once_and_their_names_may_be_odd(
    copied_to: Callable[[Path], Path], tmp_path: Path
) -> None:
    first = copied_to(tmp_path / 'a space, a "quote"; $(true) and a comma' / "shop")
    second = copied_to(tmp_path / "second")
    with EmbeddedPostgres(first, settings=FAST) as one, EmbeddedPostgres(second, settings=FAST) as other:
        ask(one.address, "UPDATE kept SET answer = 1")
        assert ask(one.address, "SELECT answer FROM kept") == 1
        assert ask(other.address, "SELECT answer FROM kept") == 42
        assert living(first) != living(second)
    assert gone(first)
    assert gone(second)


@pytest.mark.parametrize("length", [200, 1100])
def test_a_long_path_has_its_socket_elsewhere_where_others_find_it(
    copied_to: Callable[[Path], Path], tmp_path: Path, length: int
) -> None:
    parent = tmp_path
    while len(str(parent)) < length:
        parent /= "d" * 90
    shop = copied_to(parent / "shop")
    with EmbeddedPostgres(shop, settings=FAST) as postgres:
        moved = Path(postgres.address.host)
        assert len(str(moved)) < 90
        assert ask(postgres.address, "SELECT answer FROM kept") == 42
        user = user_of(shop)
        assert entered(user) == str(moved)
        assert leave(user) == (0, "")
        os.kill(living(shop), signal.SIGKILL)
        postgres.revive()
        assert postgres.address.host == str(moved)
        moved.chmod(0o755)
        assert "missing or open to others" in sentence(shop)
        moved.chmod(0o700)
    assert not moved.exists()


def test_a_stranger_who_took_the_short_directory_is_passed_by(
    copied_to: Callable[[Path], Path], tmp_path: Path
) -> None:
    shop = copied_to(tmp_path / ("d" * 90) / ("d" * 90) / "shop")
    taken = Path("/tmp", server_name(shop / "postgres"))  # noqa: S108 -- where it would be
    taken.mkdir(mode=0o755)
    try:
        with EmbeddedPostgres(shop, settings=FAST) as postgres:
            assert postgres.address.host != str(taken)
            assert ask(postgres.address, "SELECT answer FROM kept") == 42
            with EmbeddedPostgres(shop, settings=FAST) as second:
                assert second.address == postgres.address
        assert not list(taken.iterdir())
    finally:
        taken.rmdir()


def test_a_path_with_a_line_feed_works(copied_to: Callable[[Path], Path], tmp_path: Path) -> None:
    shop = copied_to(tmp_path / "two\nlines")
    with EmbeddedPostgres(shop, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT answer FROM kept") == 42


def test_who_leaves_first_leaves_the_server_to_the_others(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, settings=FAST) as one:
        with EmbeddedPostgres(data_dir, settings=FAST):
            pass
        assert one.alive()
        assert ask(one.address, "SELECT 1") is not None
    assert server_processes(data_dir / "postgres") == []


def test_thirteen_come_and_go_one_is_killed_and_there_is_one_server(tmp_path: Path) -> None:
    shop = tmp_path / "crowded"
    users = [user_of(shop) for _ in range(13)]
    hosts = {entered(user) for user in users}
    assert len(hosts) == 1
    assert (shop / "postgres.log").read_text().count("starting PostgreSQL") == 1
    users[5].kill()
    ended = [leave(user) for user in users]
    assert [code for code, _ in ended] == [0] * 5 + [-signal.SIGKILL] + [0] * 7
    assert {errors for _, errors in ended} == {""}
    assert gone(shop)


def test_commands_that_come_and_go_meet_a_server_each_time(data_dir: Path) -> None:
    def come_and_go(_: int) -> object:
        with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
            return ask(postgres.address, "SELECT answer FROM kept")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come_and_go, range(16))) == [42] * 16
    assert gone(data_dir)


def test_a_killed_server_is_revived_once_however_many_ask(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        ask(postgres.address, "UPDATE kept SET answer = 7")
        before = living(data_dir)
        os.kill(before, signal.SIGKILL)
        while postgres.alive():
            time.sleep(0.01)
        starts = (data_dir / "postgres.log").read_text().count("starting PostgreSQL")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: postgres.revive(), range(4)))
        assert (data_dir / "postgres.log").read_text().count("starting PostgreSQL") == starts + 1
        assert living(data_dir) != before
        assert ask(postgres.address, "SELECT answer FROM kept") == 7
        postgres.revive()
    assert gone(data_dir)


def kill_checkpointer(data_dir: Path) -> None:
    for child in server_processes(data_dir / "postgres"):
        # Some are gone again at once.
        with suppress(OSError):
            if b"checkpointer" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)


def test_a_killed_child_of_the_server_is_the_servers_own_affair(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        pid = living(data_dir)
        kill_checkpointer(data_dir)
        # The server may be met before it noticed, and while it begins anew.
        for _ in range(200):
            with suppress(asyncpg.PostgresError, OSError):
                assert ask(postgres.address, "SELECT answer FROM kept") == 42
                break
            time.sleep(0.05)
        assert ask(postgres.address, "SELECT answer FROM kept") == 42
        assert living(data_dir) == pid


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.005])
def test_a_server_that_just_lost_a_child_ends_in_time(data_dir: Path, after_s: float) -> None:
    with EmbeddedPostgres(data_dir, settings=FAST):
        kill_checkpointer(data_dir)
        time.sleep(after_s)
        begun_at = time.monotonic()
    assert time.monotonic() - begun_at < 12
    assert gone(data_dir)
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT answer FROM kept") == 42


def test_children_that_outlive_the_server_do_not_stop_the_next_one(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_GRACE_S", 1.0)
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        pid = living(data_dir)
        child = next(child for child in server_processes(data_dir / "postgres") if child != pid)
        os.kill(child, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        postgres.revive()
        assert ask(postgres.address, "SELECT answer FROM kept") == 42
    assert gone(data_dir)


def test_what_a_killed_user_leaves_is_adopted_and_stopped_by_the_next(data_dir: Path) -> None:
    user = user_of(data_dir)
    entered(user)
    orphan = living(data_dir)
    user.kill()
    leave(user)
    assert living(data_dir) == orphan
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        assert living(data_dir) == orphan
        assert ask(postgres.address, "SELECT answer FROM kept") == 42
    assert gone(data_dir)


def test_a_stale_pid_file_that_names_a_stranger_does_no_harm(data_dir: Path) -> None:
    account = account_for(data_dir / "postgres")
    # PostgreSQL itself would refuse: the stranger has its own account.
    stranger = subprocess.Popen(["sleep", "60"], user=account.uid if account.switched else None)
    try:
        for words in (f"{stranger.pid}\n/nowhere\n1\n5432\n/tmp\n\n 1 2\nready   \n", "", "what?\n", "0\n", f"{2**40}"):
            (data_dir / "postgres" / "postmaster.pid").write_text(words)
            with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
                assert ask(postgres.address, "SELECT answer FROM kept") == 42
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("after_s", [0.15, 0.35, 0.6, 0.8])
def test_a_first_start_that_was_killed_is_begun_anew(tmp_path: Path, after_s: float) -> None:
    shop = tmp_path / "shop"
    user = user_of(shop)
    while not list(shop.glob("postgres.new-*")) and user.poll() is None:
        time.sleep(0.005)
    time.sleep(after_s)
    user.kill()
    leave(user)
    with EmbeddedPostgres(shop, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT current_database()") == "novaproxy"
    assert not list(shop.glob("postgres.new-*"))
    assert gone(shop)


def test_an_interrupt_leaves_nothing_running_and_the_next_start_works(tmp_path: Path) -> None:
    for turn, after_s in enumerate((0.2, 0.5, 0.9)):
        shop = tmp_path / f"shop{turn}"
        user = user_of(shop)
        while not (shop / "use.lock").exists() and user.poll() is None:
            time.sleep(0.005)
        time.sleep(after_s)
        user.send_signal(signal.SIGINT)
        code, errors = leave(user)
        assert (code, "KeyboardInterrupt" in errors) in {(-signal.SIGINT, True), (0, False)}
        with EmbeddedPostgres(shop, settings=FAST) as postgres:
            assert ask(postgres.address, "SELECT 1") == 1
        assert gone(shop)


def test_the_log_does_not_grow_for_ever(data_dir: Path) -> None:
    with (data_dir / "postgres.log").open("wb") as log:
        log.truncate(11 * 2**20)
    with EmbeddedPostgres(data_dir, settings=FAST):
        assert (data_dir / "postgres.log").stat().st_size < 2**16
    assert (data_dir / "postgres.log.1").stat().st_size == 11 * 2**20
