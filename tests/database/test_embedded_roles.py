"""The embedded database's two roles: made by the first migration, also where there was one before."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from commands import Operator
from novaproxy.accounts.store import create_account
from novaproxy.database import migrate as migrating
from novaproxy.database.embedded import Address, EmbeddedPostgres
from novaproxy.database.migrate import migrate, migrations
from novaproxy.database.pool import SoleConnection
from novaproxy.database.roles import SERVICE
from roles import PASSWORD_FILE
from served import served
from shop import on_connection


def asked(address: Address, statement: str) -> Any:  # noqa: ANN401 -- whatever the statement gives
    return asyncio.run(on_connection(address.arguments(), lambda connection: connection.fetchval(statement)))


def data_dir_of(operator: Operator) -> Path:
    return operator.directory / "novaproxy-data"


def working_roles(server: EmbeddedPostgres) -> list[str]:
    statement = (
        "SELECT array_agg(DISTINCT usename::text) FROM pg_stat_activity "
        "WHERE application_name = 'novaproxy' AND pid <> pg_backend_pid()"
    )
    found: list[str] = asked(server.address, statement)
    return found


def test_a_new_shop_works_as_the_service_and_cannot_be_talked_into_more(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    refused = operator("serve", "--no-migrate", "--port", "0")
    assert (refused.status, refused.errors) == (
        1,
        "novaproxy: The database is not ready: the service's role is not there yet. Run 'novaproxy migrate' first.\n",
    )
    assert operator("migrate").said.endswith("Gave 'novaproxy_service' its rights.\n")
    password = data_dir_of(operator) / PASSWORD_FILE
    assert password.stat().st_mode & 0o777 == 0o600
    with served(operator, "--no-migrate", "--port", "0") as service, EmbeddedPostgres(data_dir_of(operator)) as server:
        assert service.get("/ready").status_code == 200
        assert working_roles(server) == [SERVICE]
        for statement in ("UPDATE transfer SET amount_cents = 1", "CREATE TEMPORARY TABLE shadow (id bigint)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                asked(server.service_address, statement)
        # Nor does it say its secret to the server's log, or the server to anybody.
        assert password.read_text().strip() not in (data_dir_of(operator) / "postgres.log").read_text()
        kept = asked(server.address, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{SERVICE}'")  # noqa: S608
        assert str(kept).startswith("SCRAM-SHA-256$4096:")
    said = operator("migrate").said
    assert said == "The schema is up to date, and 'novaproxy_service' has its rights: nothing was to do.\n"
    assert operator("audit").status == 0


def test_a_data_directory_from_before_gets_its_second_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator(tmp_path)
    before = migrations()[:3]
    with monkeypatch.context() as earlier, EmbeddedPostgres(data_dir_of(operator)) as server:
        earlier.setattr(migrating, "migrations", lambda: before)

        async def opened(connection: SoleConnection) -> None:
            await migrate(connection)
            now = await connection.fetchval("SELECT now()")
            await create_account(connection, "old@example.com", "Old", now)

        asyncio.run(on_connection(server.address.arguments(), opened))
    (data_dir_of(operator) / PASSWORD_FILE).unlink()
    assert operator("account", "show", "old@example.com", "--json").json["email"] == "old@example.com"
    with served(operator, "--port", "0") as service, EmbeddedPostgres(data_dir_of(operator)) as server:
        assert service.get("/ready").status_code == 200
        assert working_roles(server) == [SERVICE]


def test_a_password_that_was_lost_or_changed_is_set_right(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    assert operator("migrate").status == 0
    password = data_dir_of(operator) / PASSWORD_FILE
    first = password.read_text()
    password.unlink()
    assert operator("migrate").said == "Gave 'novaproxy_service' its rights.\n"
    assert password.read_text() != first
    with EmbeddedPostgres(data_dir_of(operator)) as server:
        asked(server.address, f"ALTER ROLE {SERVICE} SUPERUSER PASSWORD 'other'")
    assert operator("account", "list", "--json").json == []
    with EmbeddedPostgres(data_dir_of(operator)) as server:
        is_superuser = asked(server.service_address, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert is_superuser is False
