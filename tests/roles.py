"""The two roles of the tests' databases: the owner, as whom tests tamper, and the service's, as whom it works."""

import asyncio
from pathlib import Path

import asyncpg

from novaproxy.database.migrate import Migration, migrate
from novaproxy.database.pool import Target, opened_connection
from novaproxy.database.roles import SERVICE, ServiceRole

PASSWORD_FILE = "database-service-password"
SERVICES_PASSWORD = "of-the-service"
"""On the server of the run, also where it is reached by another way than its socket."""


def service_role(target: Target) -> ServiceRole:
    """Return the service's role on the embedded server of *target*; roles belong to a server, not to a database."""
    kept = Path(target["host"]).parent / PASSWORD_FILE
    return ServiceRole(SERVICE, kept.read_text().strip() if kept.exists() else SERVICES_PASSWORD)


def as_service(target: Target) -> Target:
    """Return *target* for the service's role."""
    if target["user"] == SERVICE:
        return target
    role = service_role(target)
    return {**target, "user": role.name, "password": role.password}


def through(line: Target, target: Target) -> Target:
    """Return *line*, another way to *target*, for the service's role."""
    return {**as_service(target), "host": line["host"], "port": line["port"]}


async def migrated(target: Target) -> list[Migration]:
    """Migrate a database as its owner, with the service's role beside him."""
    connection = await opened_connection(target)
    try:
        return await migrate(connection, service_role(target))
    finally:
        await connection.close()


async def executed(target: Target, statement: str) -> None:
    """Execute *statement* as the owner."""
    connection = await opened_connection(target)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def administered(target: Target, *statements: str) -> None:
    """Execute *statements* as the owner of the server, outside the databases that they are about."""

    async def execute() -> None:
        connection = await asyncpg.connect(**{**target, "database": "postgres"})
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())
