"""Data directories of the embedded PostgreSQL, ready made, and odd places for them."""
# ruff: noqa: S603, S607 -- the programs are the system's, the arguments the test's own

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backups import EMPTY
from commands import Operator, database_url
from embedded_users import FAST, ask
from loads import FIELDS
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import SoleConnection, Target
from roles import as_service
from shop import on_connection, open_shop


@pytest.fixture(scope="session")
def made_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("template") / "made"
    with EmbeddedPostgres(data_dir, settings=FAST) as postgres:
        ask(postgres.address, "CREATE TABLE kept AS SELECT 42 AS answer")
    return data_dir


@pytest.fixture
def copied_to(made_data_dir: Path) -> Callable[[Path], Path]:
    """Copies a data directory, owners and all, to where a test wants it."""

    def copy(target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", made_data_dir, target], check=True)
        return target

    return copy


@pytest.fixture
def data_dir(copied_to: Callable[[Path], Path], tmp_path: Path) -> Path:
    return copied_to(tmp_path / "shop")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Give a directory that every account reaches; pytest's own are closed to all but its user."""
    directory = Path(tempfile.mkdtemp(prefix="test-embedded-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts file systems of so many MiB."""
    mounted: list[Path] = []

    def mount(size_mib: int) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        ended = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", place], check=False, capture_output=True
        )
        if ended.returncode != 0:
            pytest.skip("this test may not mount a small file system")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def empty_database(template: Target, database: Target) -> Target:
    """A database with nothing in it."""
    target = {**template, "database": EMPTY}

    async def anew(connection: SoleConnection) -> None:
        await connection.execute(f"DROP DATABASE IF EXISTS {EMPTY} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {EMPTY}")

    asyncio.run(on_connection(database, anew))
    return target


@pytest.fixture
def restorer(operator: Operator, empty_database: Target) -> Operator:
    """An operator whose database is empty."""
    roles = {
        "NOVAPROXY_DATABASE_URL": database_url(as_service(empty_database)),
        "NOVAPROXY_DATABASE_OWNER_URL": database_url(empty_database),
    }
    return Operator(operator.directory, roles)


@pytest.fixture(name="sold")
def _sold(database: Target) -> None:
    """An order in the database of the test."""
    with open_shop(database) as shop:
        assert shop.order(shop.buyer(), key="one", **FIELDS).status_code == 201


@pytest.fixture
def file(operator: Operator, sold: None) -> Path:  # noqa: ARG001 -- what it does is needed
    """The backup of a shop."""
    assert operator("backup", "a").said
    return operator.directory / "a"
