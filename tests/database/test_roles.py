"""The service's role: what it may not do, how it gets its rights, and that it gets no others."""
# ruff: noqa: S608 -- tables and changes are those of this file

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count
from uuid import UUID

import asyncpg
import pytest

from novaproxy.database.migrate import lacks, migrate
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.database.roles import ServiceRole, grants, password_verifier
from novaproxy.errors import OperatorError
from roles import as_service, service_role
from shop import Shop, open_shop

_numbers = count(1)

HISTORY = {
    "transfer": "amount_cents = 1",
    "order_move": "cause = 'none'",
    "account_move": "cause = 'none'",
    "catalog_revision": "document = '{}'",
}
REFUSED = [
    *(f"UPDATE {table} SET {change}" for table, change in HISTORY.items()),
    *(f"DELETE FROM {table}" for table in HISTORY),
    *(f"TRUNCATE {table} CASCADE" for table in HISTORY),
    *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in HISTORY),
    *(f"DROP TRIGGER {table}_only_inserted ON {table}" for table in HISTORY),
    *(f"CREATE TRIGGER own BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_rewriting()" for table in HISTORY),
    *(f"MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE" for table in HISTORY),
    # What an order sold, whose account it is, and whoever was there.
    "UPDATE orders SET net_cents = 0, gross_cents = discount_cents",
    "UPDATE orders SET account_id = 1001",
    "UPDATE orders SET catalog_revision = 1",
    "UPDATE account SET email = 'mallory@example.com'",
    "UPDATE account SET kind = 'house'",
    "UPDATE api_token SET token_hash = token_hash",
    "UPDATE meter SET initial_bytes = 1",
    "UPDATE sealing_key SET fingerprint = fingerprint",
    "UPDATE plan SET slug = 'other'",
    *(f"DELETE FROM {table}" for table in ("orders", "meter", "account", "api_token", "discount_code", "account_plan")),
    # The schema.
    "DROP TABLE transfer CASCADE",
    "ALTER TABLE transfer ADD COLUMN more text",
    "ALTER TABLE account DROP CONSTRAINT account_balance_cents_check",
    "ALTER TABLE orders OWNER TO novaproxy_service",
    "CREATE OR REPLACE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION load_order_batch",
    "CREATE RULE quiet AS ON INSERT TO transfer DO INSTEAD NOTHING",
    "CREATE TABLE mine (id bigint)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'mine', '')",
    "UPDATE schema_grant SET checksum = ''",
    "SELECT setval('orders_id_seq', 1)",
    # Rights.
    "SET session_replication_role = replica",
    "SET ROLE novaproxy",
    "SET SESSION AUTHORIZATION novaproxy",
    "ALTER ROLE novaproxy_service SUPERUSER",
    "GRANT novaproxy TO novaproxy_service",
    "CREATE ROLE mallory",
    "SELECT rolpassword FROM pg_authid",
    # The machine.
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "COPY account TO '/tmp/accounts'",
    "COPY plan (slug, type) FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "ALTER SYSTEM SET fsync = off",
]


@pytest.fixture(scope="module")
def sold(module_database: Target) -> Iterator[Shop]:
    """A shop with a row in each table that must not be rewritten."""
    with open_shop(module_database) as shop:
        buyer = shop.buyer()
        uuid = UUID(shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"])
        shop.sql(
            "INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at) "
            "SELECT account_id, id, 'active', 'inactive', 'test', 'test', now() FROM orders WHERE uuid = $1",
            uuid,
        )
        shop.sql(
            "INSERT INTO account_move (account_id, from_status, to_status, cause, actor, created_at) "
            "VALUES ($1, 'active', 'suspended', 'test', 'test', now())",
            buyer.account_id,
        )
        yield shop


@pytest.mark.parametrize("statement", REFUSED)
def test_the_service_may_not(statement: str, sold: Shop) -> None:
    async def tried() -> None:
        connection = await opened_connection(as_service(sold.target))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(tried())


def test_the_owner_is_kept_from_rewriting_history_by_triggers_where_he_has_the_right(sold: Shop) -> None:
    for table, change in HISTORY.items():
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="only ever inserted"):
            sold.sql(f"UPDATE {table} SET {change}")


@pytest.fixture
async def owner(database: Target) -> AsyncIterator[SoleConnection]:
    connection = await opened_connection(database)
    yield connection
    await connection.close()


async def lacked(database: Target, role: ServiceRole | None = None) -> str | None:
    """Return what *role* says that the database lacks."""
    role = role or service_role(database)
    connection = await opened_connection({**database, "user": role.name, "password": role.password})
    try:
        return await lacks(connection)
    finally:
        await connection.close()


async def rights(owner: SoleConnection) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT relname, relacl::text, (SELECT array_agg(attname || attacl::text ORDER BY attname) FROM pg_attribute "
        "WHERE attrelid = pg_class.oid AND attacl IS NOT NULL) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
    )


async def test_rights_that_were_lost_or_added_are_set_right_by_the_next_migration(
    database: Target, owner: SoleConnection
) -> None:
    before = await rights(owner)
    assert await lacked(database) is None
    # As a dump without privileges leaves them.
    await owner.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM novaproxy_service")
    assert await lacked(database) == "this role has no rights in it"
    assert await migrate(owner, service_role(database)) == []
    assert await lacked(database) is None
    await owner.execute("GRANT ALL ON transfer, meter, plan TO novaproxy_service")
    await owner.execute("GRANT UPDATE (net_cents) ON orders TO novaproxy_service")
    await migrate(owner, service_role(database))
    assert {row["relname"]: row for row in await rights(owner)} == {row["relname"]: row for row in before}


async def test_rights_of_another_version_are_seen(database: Target, owner: SoleConnection) -> None:
    await owner.execute("UPDATE schema_grant SET checksum = 'x'")
    assert await lacked(database) == "this role has not the rights that this NovaProxy needs"
    await migrate(owner, service_role(database))
    assert await lacked(database) is None


async def test_every_table_and_function_of_the_schema_is_named_in_the_rights(owner: SoleConnection) -> None:
    revoked = re.findall(r"\w+", grants().partition("REVOKE ALL ON account,")[2].partition(";")[0])
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')"
    )
    assert {row["relname"] for row in tables} - {*revoked, "account"} == set()
    # Functions may be run by everybody unless that is taken back; those of triggers run as nobody's own.
    functions = await owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype"
    )
    assert all(f"EXECUTE ON FUNCTION {row['proname']}(" in grants() for row in functions)


EXCESSES = {
    "ALTER ROLE {role} SUPERUSER": "it is a superuser",
    "ALTER ROLE {role} CREATEROLE": "it may change roles",
    "GRANT novaproxy TO {role}": "it has the rights of novaproxy",
    "GRANT pg_write_all_data TO {role}": (
        "it may change the table transfer, it may change the table order_move, it may change the table account_move, "
        "it may change the table catalog_revision"
    ),
    "GRANT CREATE ON SCHEMA public TO {role}": "it may make tables in the schema public",
    "GRANT UPDATE (reason) ON transfer TO PUBLIC": "it may change the table transfer",
}


@pytest.mark.parametrize("statement", EXCESSES)
async def test_a_role_that_could_rewrite_the_books_from_elsewhere_is_refused(
    statement: str, owner: SoleConnection
) -> None:
    role = f"excessive_{next(_numbers)}"
    await owner.execute(f"CREATE ROLE {role} LOGIN")
    try:
        await migrate(owner, ServiceRole(role))
        await owner.execute(statement.format(role=role))
        with pytest.raises(OperatorError) as refused:
            await migrate(owner, ServiceRole(role))
        told = f"The role '{role}' could rewrite the books: {EXCESSES[statement]}. "
        assert refused.value.lines == (f"{told}Take that from it, or let the service connect as another role.",)
    finally:
        with suppress(asyncpg.PostgresError):
            await owner.execute(f"DROP OWNED BY {role}")
        await owner.execute(f"DROP ROLE {role}")


async def test_a_role_of_any_name_gets_its_rights_and_a_password_that_nobody_else_has(
    database: Target, owner: SoleConnection
) -> None:
    role = ServiceRole(f"Odd \"role\"; {next(_numbers)} -- 'x'", "first")
    await migrate(owner, role)
    try:
        assert await lacked(database, role) is None
        # Made again, it has the new password.
        again = ServiceRole(role.name, "other")
        await migrate(owner, again)
        assert await lacked(database, again) is None
        with pytest.raises(asyncpg.InvalidPasswordError):
            await lacked(database, role)
    finally:
        name = await owner.fetchval("SELECT quote_ident($1)", role.name)
        await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_verifier_is_what_rfc_7677_has_of_its_example() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    verifier = password_verifier("pencil", salt)
    kind, _, keys = verifier.split("$")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert kind == "SCRAM-SHA-256"
    # The signature of the server in the RFC's exchange is made with the server's key, the proof with the stored one.
    exchange = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert hmac.digest(server, exchange, "sha256") == signature
    client_key = bytes(a ^ b for a, b in zip(proof, hmac.digest(stored, exchange, "sha256"), strict=True))
    assert hashlib.sha256(client_key).digest() == stored
