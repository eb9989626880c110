"""``novaproxy migrate`` and ``serve --no-migrate`` on a PostgreSQL of the operator's own, with a role for each."""
# ruff: noqa: S607, S608 -- the programs are the system's, the statements the test's own

import asyncio
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
import httpx
import pytest

from commands import Operator, database_url
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.migrate import migrations
from novaproxy.database.pool import Target
from served import served
from services import SEALING_KEY_TEXT
from shop import CATALOG, Shop

_numbers = count(1)

OWNERS_PASSWORD = "of-the-owner/%41"
SERVICES_PASSWORD = "of-the-shop?#%42"
OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A database of the operator's own, made as docs/operating.md says, and its two roles."""

    administrator: Target
    owner: Target
    service: Target
    directory: Path

    def operator(self, *roles: str) -> Operator:
        """Return an operator who knows these *roles*."""
        urls = {"owner": "NOVAPROXY_DATABASE_OWNER_URL", "service": "NOVAPROXY_DATABASE_URL"}
        settings = {urls[role]: database_url(getattr(self, role)) for role in roles}
        return Operator(self.directory, {"NOVAPROXY_SEALING_KEY": SEALING_KEY_TEXT} | settings)

    def administer(self, *statements: str) -> None:
        """Execute statements as the server's own administrator, in another database."""
        administer({**self.administrator, "database": "postgres"}, *statements)


def administer(target: Target, *statements: str) -> None:
    async def executed() -> None:
        connection = await asyncpg.connect(**target)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(executed())


def documented(owner: str, service: str, database: str) -> list[str]:
    """Return the statements of docs/operating.md for two roles, with other names and passwords."""
    (block,) = re.findall(r"```sql\n(.*?)```", OPERATING.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.partition("--")[0].strip() for line in block.splitlines()]
    statements = [line.removesuffix(";") for line in lines if line]
    passwords = iter((OWNERS_PASSWORD, SERVICES_PASSWORD))
    statements = [re.sub(r"PASSWORD '\.\.\.'", lambda _: f"PASSWORD '{next(passwords)}'", line) for line in statements]
    named = [re.sub(r"\bshop_service\b", service, line) for line in statements]
    named = [re.sub(r"DATABASE novaproxy\b", f"DATABASE {database}", line) for line in named]
    return [re.sub(r"\bnovaproxy\b", owner, line) for line in named]


@pytest.fixture
def own(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[OwnServer]:
    number = next(_numbers)
    owner, service, database = f"shop_owner_{number}", f"shop_service_{number}", f"own_shop_{number}"
    administrator: Target = {**postgres.address.arguments(), "database": database}
    made = OwnServer(
        administrator,
        {**administrator, "user": owner, "password": OWNERS_PASSWORD},
        {**administrator, "user": service, "password": SERVICES_PASSWORD},
        tmp_path,
    )
    made.administer(*documented(owner, service, database))
    yield made
    made.administer(f"DROP DATABASE {database} WITH (FORCE)", f"DROP ROLE {service}", f"DROP ROLE {owner}")


APPLIED = [f"Applied {migration.version:04d} {migration.name}." for migration in migrations()]


def test_the_owner_migrates_and_the_service_serves(own: OwnServer) -> None:
    both, alone = own.operator("owner", "service"), own.operator("service")
    role = own.service["user"]
    not_ready = "The database is not ready: it has no tables of NovaProxy's yet."
    assert alone("account", "list").fault == (
        f"{not_ready} The user of NOVAPROXY_DATABASE_URL may not change that: "
        "run 'novaproxy migrate' with NOVAPROXY_DATABASE_OWNER_URL."
    )
    assert both("serve", "--no-migrate", "--port", "0").fault == f"{not_ready} Run 'novaproxy migrate' first."
    assert both("migrate").said.splitlines() == [*APPLIED, f"Gave '{role}' its rights."]
    nothing = f"The schema is up to date, and '{role}' has its rights: nothing was to do.\n"
    assert both("migrate").said == nothing

    # Everything else without the owner.
    assert alone("migrate").said == "The schema is up to date: nothing was to do.\n"
    assert alone("catalog", "apply", str(CATALOG)).status == 0
    assert alone("account", "create", "ada@example.com").status == 0
    assert alone("account", "credit", "ada@example.com", "25", "--reason", "r").said == "Balance: 25.00 USD\n"
    token = alone("token", "create", "ada@example.com").out.strip()
    with served(alone, "--no-migrate", "--port", "0") as service:
        headers = {"Authorization": f"Bearer {token}"}
        placed = httpx.post(f"{service.address}/orders", json={"plan": "mobile", "bandwidth": 1}, headers=headers)
        assert placed.status_code == 201
        users = Shop(own.administrator, "").sql(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'novaproxy' AND pid <> pg_backend_pid()"
        )
        assert users == [{"usename": role}]
    assert alone("account", "suspend", "ada@example.com", "--reason", "r").status == 0
    assert alone("audit").said.splitlines()[-1].startswith("The books hold")


def test_a_schema_that_is_older_or_newer_is_one_sentence(own: OwnServer) -> None:
    both, alone = own.operator("owner", "service"), own.operator("service")
    both("migrate")
    newest = migrations()[-1]
    administer(own.owner, f"DELETE FROM schema_migration WHERE version = {newest.version}")
    lacks = f"it lacks migration {newest.version:04d} {newest.name}"
    older = f"The database is not ready: its schema is older than this NovaProxy ({lacks})."
    assert alone("serve", "--no-migrate", "--port", "0").fault == f"{older} Run 'novaproxy migrate' first."
    assert alone("audit").fault == (
        f"{older} The user of NOVAPROXY_DATABASE_URL may not change that: "
        "run 'novaproxy migrate' with NOVAPROXY_DATABASE_OWNER_URL."
    )
    again = f"INSERT INTO schema_migration VALUES ({newest.version}, '{newest.name}', '{newest.checksum}')"
    administer(own.owner, again, "INSERT INTO schema_migration VALUES (9999, 'tomorrow', 'x')")
    for words in (("serve", "--no-migrate", "--port", "0"), ("audit",), ("migrate",)):
        assert both(*words).fault == (
            "The database's schema is newer than this NovaProxy (it has migration 9999 tomorrow): "
            "start the newer version."
        )


def test_rights_that_were_lost_come_back_with_any_command_that_knows_the_owner(own: OwnServer) -> None:
    both, alone = own.operator("owner", "service"), own.operator("service")
    both("migrate")
    administer(own.owner, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {own.service['user']}")
    assert alone("account", "list").fault.startswith("The database is not ready: this role has no rights in it. ")
    assert both("account", "list", "--json").json == []
    assert alone("account", "list", "--json").json == []


def test_owners_that_do_not_fit_are_told(own: OwnServer, database: Target) -> None:
    service = own.operator("service").settings["NOVAPROXY_DATABASE_URL"]
    owner = own.operator("owner").settings["NOVAPROXY_DATABASE_OWNER_URL"]

    def fault(**urls: str) -> str:
        return Operator(own.directory, urls)("migrate").fault

    elsewhere = database_url(database)
    assert fault(NOVAPROXY_DATABASE_URL=service, NOVAPROXY_DATABASE_OWNER_URL=elsewhere) == (
        "NOVAPROXY_DATABASE_OWNER_URL leads to another database, or another schema, than NOVAPROXY_DATABASE_URL."
    )
    assert fault(NOVAPROXY_DATABASE_OWNER_URL=owner) == (
        "NOVAPROXY_DATABASE_OWNER_URL counts beside NOVAPROXY_DATABASE_URL only: set both."
    )
    assert fault(NOVAPROXY_DATABASE_URL=service, NOVAPROXY_DATABASE_OWNER_URL=service) == (
        "The database is not ready: it has no tables of NovaProxy's yet. The user of NOVAPROXY_DATABASE_URL may not "
        "change that: run 'novaproxy migrate' with NOVAPROXY_DATABASE_OWNER_URL."
    )
    superuser = database_url(own.administrator)
    assert fault(NOVAPROXY_DATABASE_URL=superuser, NOVAPROXY_DATABASE_OWNER_URL=owner) == (
        "The role 'novaproxy' could rewrite the books: it is a superuser. "
        "Take that from it, or let the service connect as another role."
    )


def test_one_role_alone_does_everything(own: OwnServer) -> None:
    url = own.operator("owner").settings["NOVAPROXY_DATABASE_OWNER_URL"]
    operator = Operator(own.directory, {"NOVAPROXY_DATABASE_URL": url})
    assert operator("account", "list", "--json").json == []
    assert operator("migrate").said == "The schema is up to date: nothing was to do.\n"
    same = Operator(own.directory, {"NOVAPROXY_DATABASE_URL": url, "NOVAPROXY_DATABASE_OWNER_URL": url})
    assert same("migrate").said == "The schema is up to date: nothing was to do.\n"


def test_the_passwords_of_both_roles_are_nowhere_to_be_read(own: OwnServer) -> None:
    both = own.operator("owner", "service")
    shown = [both("settings"), both("settings", "--json"), both("migrate"), both("audit")]
    wrong = {name: url.replace("of-the-", "wrong-of-the-") for name, url in both.settings.items()}
    no_address = {name: f"{url}#x" for name, url in both.settings.items()}
    for name, url in (*wrong.items(), *no_address.items()):
        if name.endswith("_URL"):
            shown.append(Operator(own.directory, {**both.settings, name: url})("migrate"))
    with served(both, "--port", "0") as service:
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], check=True, capture_output=True, text=True)
        assert "novaproxy.serving.worker" in listed.stdout
        environments = [Path(f"/proc/{pid}/environ") for pid in service.processes]
        told = [listed.stdout, *(environment.read_text() for environment in environments if environment.exists())]
    told += [service.said, service.log.read_text(), *(ran.out + ran.errors for ran in shown)]
    assert all(ran.out + ran.errors for ran in shown)
    for text in told:
        assert "of-the-owner" not in text
        assert "of-the-shop" not in text
