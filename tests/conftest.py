"""One real PostgreSQL for the run, a fresh database from a migrated template for whoever asks, real sockets."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from commands import Operator, database_url
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from roles import PASSWORD_FILE, SERVICES_PASSWORD, administered, as_service, migrated
from shop import Shop, open_shop

settings.register_profile(
    "novaproxy",
    deadline=None,
    max_examples=200,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("novaproxy")

# What a test writes need not survive a power cut; the tests of durability start a service of their own.
FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The server of this run."""
    directory = tmp_path_factory.mktemp("postgres")
    (directory / PASSWORD_FILE).write_text(SERVICES_PASSWORD)
    with EmbeddedPostgres(directory, settings=FAST_SETTINGS) as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> Target:
    """A migrated database that is never used itself, only copied."""
    target: Target = {**postgres.address.arguments(), "database": "template_shop"}
    administered(target, "CREATE DATABASE template_shop")
    asyncio.run(migrated(target))
    return target


def _fresh_database(template: Target) -> Iterator[Target]:
    name = f"shop_{next(_numbers)}"
    administered(template, f"CREATE DATABASE {name} TEMPLATE template_shop")
    yield {**template, "database": name}
    administered(template, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(template: Target) -> Iterator[Target]:
    """An empty, migrated database, as its owner; what serves it takes ``as_service`` of it."""
    yield from _fresh_database(template)


@pytest.fixture(scope="module")
def module_database(template: Target) -> Iterator[Target]:
    """An empty, migrated database that the tests of a module share."""
    yield from _fresh_database(template)


@pytest.fixture
def shop(database: Target) -> Iterator[Shop]:
    """A running service on a database of its own, with the test catalog; the books are audited at the end."""
    with open_shop(database) as opened:
        yield opened
        opened.assert_books_hold()


@pytest.fixture(scope="module")
def common_shop(module_database: Target) -> Iterator[Shop]:
    """A running service that the tests of a module share, each with accounts of its own."""
    with open_shop(module_database) as opened:
        yield opened
        opened.assert_books_hold()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Where a service of the test's own keeps its sealing key."""
    return tmp_path / "sealing.key"


@pytest.fixture
def operator(database: Target, tmp_path: Path) -> Operator:
    """An operator with a database of its own, and a working directory."""
    return Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": database_url(as_service(database))})


@pytest.fixture(scope="module")
def common_operator(module_database: Target, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """An operator that the tests of a module share."""
    return Operator(
        tmp_path_factory.mktemp("operator"), {"NOVAPROXY_DATABASE_URL": database_url(as_service(module_database))}
    )
