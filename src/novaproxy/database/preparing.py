"""A connection of the service's role to a database that is up to date; its owner is asked only where it is not."""

from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from novaproxy.database.migrate import Migration, lacks, migrate
from novaproxy.database.pool import CONNECT_TIMEOUT_SECONDS, OUTAGES, SoleConnection, Target, opened_connection
from novaproxy.database.pooler import check_way
from novaproxy.database.roles import ServiceRole
from novaproxy.errors import OperatorError
from novaproxy.settings import address_fault

NO_ADDRESS = (ValueError, OverflowError)
"""What the parser of addresses raises, and a port that is too great; they repeat parts of it, the password's too."""

_MIGRATE = "run 'novaproxy migrate' with NOVAPROXY_DATABASE_OWNER_URL."


@dataclass(frozen=True, slots=True)
class Roles:
    """As whom the database is reached.

    Attributes:
        service: as whom the service and the commands work.
        owner: as whom migrations run; None: as *service*, or it is none of this process's business.
        made: the service's role, where a migration makes it (in the embedded database).
    """

    service: Target = field(repr=False)
    owner: Target | None = field(default=None, repr=False)
    made: ServiceRole | None = None


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: the *applied* files, and the *role* that got its rights; None: there is one role only.

    *lacked* is what the database lacked before, as ``lacks`` tells it.
    """

    applied: list[Migration]
    role: str | None
    lacked: str | None


async def entered(roles: Roles, **settings: str) -> "SoleConnection | None":
    """Return a connection of the service's role, None where a migration has yet to make that role.

    Raises:
        OperatorError: a pooler stands between that does not keep sessions apart.
    """

    async def opened() -> SoleConnection:
        return await opened_connection(roles.service, command_timeout=None, **settings)

    try:
        connection = await opened()
    except asyncpg.InvalidAuthorizationSpecificationError:
        if roles.made is None:
            raise
        return None
    try:
        await check_way(connection, opened)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def prepared(
    roles: Roles, connection: "SoleConnection | None", *, migrates: bool, **settings: str
) -> SoleConnection:
    """Return *connection*, as ``entered`` gave it, to a database that is up to date; *settings* as there.

    Raises:
        OperatorError: it is not, and must not or cannot be brought there.
    """
    lack = await _lack(connection)
    if lack is not None and not migrates:
        raise OperatorError(f"The database is not ready: {lack}. Run 'novaproxy migrate' first.")
    if lack is not None:
        await _brought_up(roles, connection, lack)
    return connection or await opened_connection(roles.service, command_timeout=None, **settings)


async def migrated(roles: Roles, connection: "SoleConnection | None") -> Migrated:
    """Apply what is missing and give the rights, in any case; *connection* as ``entered`` gave it.

    Raises:
        OperatorError: that cannot be.
    """
    return await _brought_up(roles, connection, await _lack(connection))


async def _lack(connection: "SoleConnection | None") -> str | None:
    return "the service's role is not there yet" if connection is None else await lacks(connection)


async def _brought_up(roles: Roles, connection: "SoleConnection | None", lack: str | None) -> Migrated:
    if roles.owner is None:
        if connection is None:
            raise AssertionError("a role that a migration makes has an owner beside it")
        return Migrated(await _migrated_alone(connection, lack), None, lack)
    role = roles.made or ServiceRole(await _name(connection))
    owner = await _opened_owner(roles.owner)
    try:
        is_same = role.name == await _name(owner)
        applied = await (_migrated_alone(owner, lack) if is_same else migrate(owner, role))
    finally:
        with suppress(*OUTAGES):
            await owner.close(timeout=CONNECT_TIMEOUT_SECONDS)
    if connection is not None and await lacks(connection) is not None:
        raise OperatorError(
            "NOVAPROXY_DATABASE_OWNER_URL leads to another database, or another schema, than NOVAPROXY_DATABASE_URL."
        )
    return Migrated(applied, None if is_same else role.name, lack)


async def _migrated_alone(connection: SoleConnection, lack: str | None) -> list[Migration]:
    if lack is None:
        return []
    try:
        applied = await migrate(connection)
        still = await lacks(connection)
    except asyncpg.InsufficientPrivilegeError:
        still = lack
    if still is not None:
        raise OperatorError(
            f"The database is not ready: {still}. The user of NOVAPROXY_DATABASE_URL may not change that: {_MIGRATE}"
        )
    return applied


async def _name(connection: "SoleConnection | None") -> str:
    if connection is None:
        raise AssertionError("a role that no migration makes is connected")
    name: str = await connection.fetchval("SELECT current_user")
    return name


async def _opened_owner(owner: Target) -> SoleConnection:
    try:
        return await opened_connection(owner)
    except NO_ADDRESS:
        raise OperatorError(address_fault("NOVAPROXY_DATABASE_OWNER_URL")) from None
