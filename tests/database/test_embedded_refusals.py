"""Each reason why there is no embedded PostgreSQL is one clear sentence."""
# ruff: noqa: S603, S607 -- the programs are the system's, the arguments the test's own

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from embedded_users import FAST, as_root, ask, gone, sentence
from novaproxy.database.binaries import find_binaries
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.errors import OperatorError


@pytest.mark.parametrize("version", ["99", "12"])
def test_a_database_of_another_version_is_refused_in_a_sentence(data_dir: Path, version: str) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text(f"{version}\n")
    said = sentence(data_dir)
    assert f"was made by PostgreSQL {version}" in said
    assert "NOVAPROXY_PG_BIN" in said


def test_a_directory_that_is_no_cluster_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letter").write_text("mine")
    assert "holds no PostgreSQL database" in sentence(tmp_path)
    assert (tmp_path / "postgres" / "letter").read_text() == "mine"


def test_a_lost_password_is_told(data_dir: Path) -> None:
    (data_dir / "database-password").unlink()
    assert "database-password" in sentence(data_dir)


def test_a_file_in_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in sentence(tmp_path / "file")
    assert "lies under one" in sentence(tmp_path / "file" / "below")


def test_a_broken_configuration_is_told_with_the_servers_own_words(data_dir: Path) -> None:
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    assert "contains errors" in sentence(data_dir)
    assert gone(data_dir)


def test_programs_that_are_not_there_are_told(tmp_path: Path) -> None:
    assert "NOVAPROXY_PG_BIN" in sentence(tmp_path / "shop", binaries=tmp_path)


@as_root
def test_a_full_disk_is_told(copied_to: Callable[[Path], Path], small_disk: Callable[[int], Path]) -> None:
    assert "disk is full" in sentence(small_disk(20) / "shop")
    shop = copied_to(small_disk(70) / "shop")
    with (shop / "filler").open("wb") as filler, suppress(OSError):
        while True:
            filler.write(bytes(2**16))
    said = sentence(shop)
    assert "disk" in said
    assert "full" in said
    (shop / "filler").unlink()
    with EmbeddedPostgres(shop, settings=FAST) as postgres:
        assert ask(postgres.address, "SELECT answer FROM kept") == 42


@as_root
def test_a_read_only_disk_is_told(copied_to: Callable[[Path], Path], small_disk: Callable[[int], Path]) -> None:
    place = small_disk(70)
    shop = copied_to(place / "shop")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    assert "read-only" in sentence(shop)


def test_without_the_wheel_the_systems_own_programs_serve_or_it_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", "")
    installed = Path("/usr/lib/postgresql")
    if list(installed.glob("*/bin/initdb")):
        assert find_binaries(None).is_relative_to(installed)
    else:
        with pytest.raises(OperatorError, match=r"install PostgreSQL 15 or newer.*NOVAPROXY_DATABASE_URL"):
            find_binaries(None)
