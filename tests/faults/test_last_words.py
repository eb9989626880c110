"""A server that dies says so on lines that ask nothing; the word may be read a moment before the line ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from novaproxy.database.pool import LOST, SoleConnection, Target, is_outage, opened_connection

QUERY = "SELECT 1"


@asynccontextmanager
async def line_that_stays_open(target: Target, directory: Path) -> AsyncIterator[Target]:
    """Give another way to *target*, which does not pass the end of the server's side on."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while carried := await reader.read(65_536):
            writer.write(carried)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(f"{target['host']}/.s.PGSQL.{target['port']}")
        carrying = [asyncio.create_task(carry(reader, up_writer)), asyncio.create_task(carry(up_reader, writer))]
        await asyncio.wait(carrying[:1])
        carrying[1].cancel()
        up_writer.close()
        writer.close()

    server = await asyncio.start_unix_server(serve, directory / f".s.PGSQL.{target['port']}")
    async with server:
        yield {**target, "host": str(directory)}


async def told(connection: SoleConnection) -> BaseException:
    """Return what a question meets."""
    try:
        await connection.fetchval(QUERY)
    except Exception as error:  # noqa: BLE001 -- which one it is, is the question
        return error
    raise AssertionError("it was answered")


async def test_what_is_asked_between_a_servers_last_word_and_its_end_is_an_outage(
    database: Target, tmp_path: Path
) -> None:
    async with line_that_stays_open(database, tmp_path) as line:
        connection, other = await opened_connection(line), await opened_connection(database)
        assert await connection.fetchval(QUERY) == 1
        await other.fetchval("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await asyncio.sleep(0.3)

        assert not connection.is_closed(), "the line ended: this is the other case"
        met = await asyncio.wait_for(told(connection), 5)

        assert is_outage(met), repr(met)
        assert isinstance(met, LOST)
        connection.terminate()
        await other.close()
