"""PgBouncer between the shop and PostgreSQL: refused where it takes a session's promises away, else as good as none."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from commands import Operator
from consoles import free_port
from database_line import database_line
from novaproxy.database.pool import SESSION, Target
from novaproxy.database.pooler import SHARED
from roles import as_service, executed
from services import Service, on_database, within
from shop import CATALOG, Shop
from volleys import Asked, opened, volley

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed: apt-get install pgbouncer")

DROPPED = ", ".join(["extra_float_digits", "jit", "plan_cache_mode", "enable_seqscan", *SESSION])
BOUNDS = {
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "10s",
    # The server of the tests has it off.
    "synchronous_commit": "on",
}
FIELDS = {"plan": "mobile", "bandwidth": 1}


@contextmanager
def pooler(database: Target, mode: str) -> Iterator[Target]:
    """Give *database* through a PgBouncer that ignores what it does not know of a session."""
    # It is to be read by the account that PgBouncer runs as where root starts it.
    with tempfile.TemporaryDirectory() as place, database_line(database) as line:
        Path(place).chmod(0o755)
        port, role = free_port(), as_service(database)
        configuration = Path(place) / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n{database['database']} = host=127.0.0.1 port={line.port} user={role['user']} "
            f"password={role['password']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = {mode}\ndefault_pool_size = 30\nignore_startup_parameters = {DROPPED}\n"
        )
        assert PGBOUNCER is not None
        account = ["-u", "nobody"] if Path("/proc/self").stat().st_uid == 0 else []
        process = subprocess.Popen(  # noqa: S603 -- Debian's
            [PGBOUNCER, "-q", *account, str(configuration)], stderr=subprocess.DEVNULL
        )
        try:
            target: Target = {**role, "host": "127.0.0.1", "port": int(port)}
            within(10, lambda: is_open(target), "PgBouncer")
            yield target
        finally:
            process.terminate()
            process.wait(10)


def is_open(target: Target) -> bool:
    """Return whether somebody listens."""
    try:
        opened(f"http://{target['host']}:{target['port']}").close()
    except OSError:
        return False
    return True


@pytest.fixture
def through(database: Target, tmp_path: Path) -> Iterator[Callable[[str], tuple[Target, Operator]]]:
    """Give what opens a way to the database through a pooler of some mode, and an operator who takes it."""
    with ExitStack() as stack:

        def way(mode: str) -> tuple[Target, Operator]:
            target = stack.enter_context(pooler(database, mode))
            return target, Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": on_database(target)["NOVAPROXY_DATABASE_URL"]})

        yield way


Way = Callable[[str], tuple[Target, Operator]]


def test_a_pooler_that_gives_each_transaction_another_session_is_refused(through: Way) -> None:
    _, operator = through("transaction")
    assert {operator("account", "list").fault for _ in range(2)} == {SHARED}
    assert operator("serve", "--port", "0").fault == SHARED


def test_a_pooler_that_drops_what_bounds_a_wait_is_refused_until_the_role_has_it(
    database: Target, through: Way
) -> None:
    target, operator = through("session")
    assert operator("account", "list").fault == (
        "A pooler before the database drops settings of a session (lock_timeout, idle_in_transaction_session_timeout, "
        "synchronous_commit): give them to the role, as docs/scaling.md says."
    )
    give_bounds(database)
    # PgBouncer keeps the sessions that it has.
    target, operator = through("session")
    assert operator("account", "list").said
    with Service(on_database(target), workers=2, migrates=False) as service:
        shop = Shop(database, service.address)
        shop.apply_catalog(CATALOG.read_text())
        buyer = shop.buyer(8_00 * 20)
        answers = volley([Asked(service.address, buyer, FIELDS)] * 30)
        assert sorted(answer.status for answer in answers) == [201] * 20 + [422] * 10
        assert len(shop.http.get("/orders", headers=buyer.headers).json()) == 20
        assert "level=error" not in service.log()
        shop.http.close()
    assert "The books hold" in operator("audit").said


def give_bounds(database: Target) -> None:
    """Give the service's role the settings that a session of ours asks for."""
    role, name = as_service(database)["user"], database["database"]
    for setting, value in BOUNDS.items():
        asyncio.run(executed(database, f"ALTER ROLE {role} IN DATABASE {name} SET {setting} = '{value}'"))
