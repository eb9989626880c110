"""The migrations on real databases: whole, once, in order, or not at all."""
# ruff: noqa: S603 -- the program is this interpreter, the arguments the test's own

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import asyncpg
import pytest

from novaproxy.database import migrate as migrating
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.migrate import Migration, migrate, migrations
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.errors import OperatorError

_numbers = count(1)

MIGRATOR = """
import asyncio, json, sys
from novaproxy.database.migrate import migrate
from novaproxy.database.pool import opened_connection

async def main():
    connection = await opened_connection(json.loads(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    print(len(await migrate(connection)))
    await connection.close()

asyncio.run(main())
"""


def write_schema() -> ModuleType:
    """Return the script that writes the committed schema."""
    spec = importlib.util.spec_from_file_location("write_schema", Path(__file__).with_name("write_schema.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[Target]:
    """A database with nothing in it."""
    target: Target = {**postgres.address.arguments()}
    name = f"empty_{next(_numbers)}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(**{**target, "database": "postgres"})
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name}"))
    yield {**target, "database": name}
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def connection(empty: Target) -> AsyncIterator[SoleConnection]:
    """A connection to the empty database."""
    opened = await opened_connection(empty)
    yield opened
    await opened.close()


async def tables(connection: SoleConnection) -> list[str]:
    rows = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    return [row["relname"] for row in rows]


def test_all_migrations_make_the_committed_schema(database: Target) -> None:
    script = write_schema()
    committed = script.SCHEMA.read_text(encoding="utf-8")
    assert script.dumped(database) == committed, "python tests/database/write_schema.py rewrites it"


async def test_a_second_run_changes_nothing(connection: SoleConnection) -> None:
    applied = await migrate(connection)
    assert [migration.version for migration in applied] == [migration.version for migration in migrations()]
    before = await connection.fetch("SELECT version, name, checksum, applied_at FROM schema_migration ORDER BY version")
    assert await migrate(connection) == []
    after = await connection.fetch("SELECT version, name, checksum, applied_at FROM schema_migration ORDER BY version")
    assert after == before


def test_of_eight_processes_at_once_one_migrates(empty: Target) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATOR, json.dumps(dict(empty))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [(errors, status) for (_, errors), status in ended] == [("", 0)] * 8
    assert sorted(int(out) for (out, _), _ in ended) == [0] * 7 + [len(migrations())]


async def test_a_newer_schema_and_a_changed_file_are_refused(connection: SoleConnection) -> None:
    await migrate(connection)
    await connection.execute("INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'tomorrow', '')")
    with pytest.raises(OperatorError, match=r"newer than this NovaProxy .it has migration 9999 tomorrow"):
        await migrate(connection)
    await connection.execute("DELETE FROM schema_migration WHERE version = 9999")
    await connection.execute("UPDATE schema_migration SET checksum = repeat('0', 64) WHERE version = 2")
    with pytest.raises(OperatorError, match=r"Migration 0002 .* was changed after it was applied"):
        await migrate(connection)


async def test_a_migration_that_fails_leaves_nothing(
    connection: SoleConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Migration(9999, "broken", "CREATE TABLE half (id bigint); SELECT 1 / 0")
    everything = [*migrations(), broken]
    monkeypatch.setattr(migrating, "migrations", lambda: everything)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection)
    assert await tables(connection) == []


async def test_a_failing_later_migration_keeps_the_old_schema(
    connection: SoleConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(connection)
    before = await tables(connection)
    everything = [*migrations(), Migration(9999, "broken", "CREATE TABLE half (id bigint); DROP TABLE nowhere")]
    monkeypatch.setattr(migrating, "migrations", lambda: everything)
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(connection)
    assert await tables(connection) == before
    assert await connection.fetchval("SELECT max(version) FROM schema_migration") < 9999
