"""The database's own promises, attacked past all rules of the program: each refuses its row, and is named."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import asyncpg
import pytest

from novaproxy.database.pool import SoleConnection, Target, opened_connection
from promises import (
    BREAKS,
    NULLABLE,
    TABLES,
    TRIGGERS,
    Break,
    Trigger,
    break_names,
    insertion,
    required_columns,
    standing,
    trial,
)


@dataclass(slots=True)
class Attacked:
    """A database with rows in every table; what is done to it is undone after each test."""

    connection: SoleConnection
    runner: asyncio.Runner

    def undone(self, work: Callable[[SoleConnection], Awaitable[str]]) -> str:
        """Return what *work* returns, and leave nothing of it."""

        async def in_transaction() -> str:
            transaction = self.connection.transaction()
            await transaction.start()
            try:
                return await work(self.connection)
            finally:
                await transaction.rollback()

        return self.runner.run(in_transaction())


@pytest.fixture(scope="module")
def attacked(module_database: Target) -> Iterator[Attacked]:
    with asyncio.Runner() as runner:
        connection = runner.run(opened_connection(module_database))
        for table in TABLES:
            for number in standing(table):
                runner.run(connection.execute(insertion(table, number, {})))
        yield Attacked(connection, runner)
        runner.run(connection.close())


async def refuser(connection: SoleConnection, statement: str) -> str:
    """Return what refuses *statement*: a constraint, a column, a trigger's sentence; else "nothing"."""
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.NotNullViolationError as error:
        return f"{error.table_name}.{error.column_name}"
    except asyncpg.PostgresError as error:
        return error.constraint_name or str(error)
    return "nothing"


async def dropped(connection: SoleConnection, one: Break) -> None:
    if await connection.fetchval("SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = $1)", one.promise):
        await connection.execute(f"ALTER TABLE {one.table} DROP CONSTRAINT {one.promise} CASCADE")
    else:
        await connection.execute(f"DROP INDEX {one.promise}")


@pytest.mark.parametrize("table", TABLES)
def test_a_row_that_keeps_every_promise_is_taken(attacked: Attacked, table: str) -> None:
    assert attacked.undone(lambda connection: refuser(connection, trial(table, {}))) == "nothing"


@pytest.mark.parametrize("one", BREAKS, ids=break_names())
def test_a_row_that_breaks_a_promise_is_refused_by_that_promise_alone(attacked: Attacked, one: Break) -> None:
    async def tried(connection: SoleConnection) -> str:
        if one.preparation is not None:
            await connection.execute(one.preparation)
        refused_by = await refuser(connection, one.insertion)
        if refused_by == one.promise:
            # Without the promise the same row must pass: nothing else would have caught it.
            await dropped(connection, one)
            without = await refuser(connection, one.insertion)
            assert without == "nothing", f"without {one.promise} the row is refused by {without}"
        return refused_by

    assert attacked.undone(tried) == one.promise


@pytest.mark.parametrize(("table", "column"), required_columns(), ids=lambda word: word)
def test_what_must_be_known_is_never_null(attacked: Attacked, table: str, column: str) -> None:
    statement = trial(table, {column: "NULL"})

    assert attacked.undone(lambda connection: refuser(connection, statement)) == f"{table}.{column}"


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.name)
@pytest.mark.parametrize("way", ["update", "delete", "truncate"])
def test_what_was_written_is_never_rewritten(attacked: Attacked, trigger: Trigger, way: str) -> None:
    refused_by = attacked.undone(lambda connection: refuser(connection, trigger.statements[way]))

    assert refused_by == f"{trigger.table} rows are only ever inserted"


def test_every_promise_of_the_schema_has_a_row_that_breaks_it(attacked: Attacked) -> None:
    """A constraint, index, trigger or column that is new needs its row in tests/promises.py."""

    async def names(statement: str) -> set[str]:
        return {row[0] for row in await attacked.connection.fetch(statement)}

    promised = attacked.runner.run(
        names(
            "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' "
            "UNION SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "WHERE indisunique AND relnamespace = 'public'::regnamespace",
        )
    )
    triggers = attacked.runner.run(names("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"))
    columns = attacked.runner.run(
        names(
            "SELECT relname || '.' || attname || CASE WHEN attnotnull THEN '' ELSE '?' END "
            "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
            "WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped",
        )
    )

    assert {one.promise for one in BREAKS} == promised
    assert {trigger.name for trigger in TRIGGERS} == triggers
    described = {
        f"{table}.{column}{'?' if column in NULLABLE.get(table, ()) else ''}"
        for table, row in TABLES.items()
        for column in row
    }
    assert described == columns
