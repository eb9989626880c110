"""Databases that cannot be used: one clear sentence each."""

import asyncio
import fcntl
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from commands import Operator, database_url
from database_line import Fate, database_line
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.settings import ADDRESS_FAULT
from roles import as_service
from services import within
from shop import Shop, on_connection


def test_a_database_that_cannot_be_reached_is_one_sentence(database: Target, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"postgresql://nova:hush-hush@127.0.0.1:{closed.getsockname()[1]}/shop"
        told = {
            dead: "The database cannot be reached: Connect call failed",
            database_url({**database, "password": "hush-hush"}): (
                'The database cannot be reached: password authentication failed for user "novaproxy".'
            ),
            database_url({**database, "database": "nowhere"}): (
                'The database cannot be reached: database "nowhere" does not exist.'
            ),
            "postgresql://nova:hush-hush@/shop?host=/nowhere": (
                "The database cannot be reached: No such file or directory."
            ),
            "postgresql://[nova": "NOVAPROXY_DATABASE_URL must be an address such as postgresql://",
            "mysql://nova@localhost/shop": "NOVAPROXY_DATABASE_URL must be an address such as postgresql://",
        }
        for url, sentence in told.items():
            fault = Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": url})("account", "list").fault
            assert fault.startswith(sentence)
            assert "hush-hush" not in fault
        assert Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": dead})("serve", "--port", "0").fault.startswith(
            "The database cannot be reached: Connect call failed"
        )


@pytest.mark.parametrize("command", [("audit",), ("serve", "--port", "0")], ids=" ".join)
def test_a_schema_that_is_not_ours_is_one_sentence(
    database: Target, operator: Operator, command: tuple[str, ...]
) -> None:
    shop = Shop(database, "http://127.0.0.1")
    shop.sql("INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'tomorrow', 'x')")
    assert operator(*command).fault == (
        "The database's schema is newer than this NovaProxy (it has migration 9999 tomorrow): start the newer version."
    )
    shop.sql("DELETE FROM schema_migration WHERE version = 9999")
    shop.sql("UPDATE schema_migration SET checksum = 'x' WHERE version = 1")
    assert operator(*command).fault == "Migration 0001 tables was changed after it was applied."


def test_settings_that_cannot_be_used_are_one_line_each(tmp_path: Path) -> None:
    wrong = {"NOVAPROXY_PORT": "80 80", "NOVAPROXY_DATABASE_URL": "sqlite:///shop"}
    assert len(Operator(tmp_path, wrong)("serve").faults) == 2


def test_a_port_in_use_is_one_sentence_and_writes_nothing(operator: Operator) -> None:
    data_dir = operator.directory / "novaproxy-data"
    data_dir.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert operator("serve", "--port", port).fault == (
            f"Port {port} of 127.0.0.1 is in use: choose another with --port or NOVAPROXY_PORT."
        )
    assert not list(data_dir.iterdir())


@pytest.mark.parametrize("host", ["x" * 300, "no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_to_be_had_is_one_sentence(host: str, operator: Operator) -> None:
    assert operator("serve", "--port", "0", "--host", host).fault.startswith(
        f"Cannot listen on '{host[:100]}' port 0: "
    )


SPECIAL = [
    "postgresql://u:s3?cret@127.0.0.1:1/db",
    "postgresql://u:s3#cret@127.0.0.1:1/db",
    "postgresql://u:12#cret@127.0.0.1:1/db",
    "postgresql://u:s3/cret@127.0.0.1:1/db",
    "postgresql://u:12/cret@127.0.0.1:1/db",
    "postgresql://u:s3[cret@127.0.0.1:1/db",
    "postgresql://u:cret@127.0.0.1:99999/db",
    "postgresql://u:cret@127.0.0.1:port/db",
    "postgresql://u:cret@127.0.0.1:1/db?cret",
    "postgresql://u:cret@127.0.0.1:1/db?sslmode=cret",
]


def test_an_address_that_is_none_is_one_sentence_that_repeats_nothing_of_it(tmp_path: Path) -> None:
    for url in SPECIAL:
        operator = Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": url})
        assert [operator("account", "list").fault, url] == [ADDRESS_FAULT, url]
    served = Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": SPECIAL[0]})("serve", "--port", "0")
    assert served.fault == ADDRESS_FAULT


def test_a_password_file_that_is_ignored_is_no_warning_of_python(database: Target, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("*:*:*:*:hush-hush\n", encoding="ascii")
    passwords.chmod(0o644)
    url = database_url(database).replace(f":{quote(database['password'], safe='')}@", "@")
    fault = Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": f"{url}&passfile={passwords}"})("account", "list").fault
    assert fault.startswith("The database cannot be reached: ")


@contextmanager
def commit_lost(database: Target, operator: Operator, fate: Fate) -> Iterator[Operator]:
    """Give an operator whose command's COMMIT meets *fate*."""
    with database_line(database) as line:
        line.fates = [fate]
        line.released.set()
        yield Operator(operator.directory, {"NOVAPROXY_DATABASE_URL": database_url(as_service(line.target))})
        assert line.met == 1


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.LOST])
def test_a_commit_whose_answer_is_lost_is_told_as_perhaps_done(
    fate: Fate, database: Target, operator: Operator
) -> None:
    operator("account", "create", "lost@example.com")
    credit = ("account", "credit", "lost@example.com", "10", "--reason", "r")
    with commit_lost(database, operator, fate) as unlucky:
        perhaps, gone = unlucky(*credit).faults
    assert perhaps == (
        "It may have been done: look with 'novaproxy account ledger lost@example.com' before you repeat it."
    )
    assert gone.startswith("The database went away: ")
    booked = 10 if fate is Fate.ANSWER_LOST else 0
    assert operator("account", "show", "lost@example.com", "--json").json["balance"] == booked
    with commit_lost(database, operator, fate) as unlucky:
        perhaps, _ = unlucky(*credit, "--reference", "4711").faults
    assert perhaps == "It may have been done: repeat the command, a reference is booked once."
    assert operator(*credit, "--reference", "4711").said.startswith(f"Balance: {booked + 10}.00")


def test_a_token_whose_commit_is_lost_is_told_as_perhaps_made(database: Target, operator: Operator) -> None:
    operator("account", "create", "lost@example.com")
    with commit_lost(database, operator, Fate.LOST) as unlucky:
        ran = unlucky("token", "create", "lost@example.com")
    assert (ran.status, ran.out[:5]) == (1, "nova_")
    assert ran.errors.startswith(
        "novaproxy: It may have been done: 'novaproxy token list lost@example.com' shows it.\n"
    )
    assert operator("token", "list", "lost@example.com", "--json").json == []


def test_an_interrupt_while_the_database_is_stopped_does_not_hide_what_was_booked(tmp_path: Path) -> None:
    operator, data_dir = Operator(tmp_path), tmp_path / "novaproxy-data"
    assert operator("catalog", "apply", "-", stdin=b"plans: []").status == 0
    assert operator("account", "create", "slow@example.com").status == 0
    with EmbeddedPostgres(data_dir) as server, (data_dir / "start.lock").open() as lock:
        shop = Shop(server.address.arguments(), "http://127.0.0.1")

        async def held(connection: SoleConnection) -> "subprocess.Popen[bytes]":
            async with connection.transaction():
                await connection.execute("SELECT FROM account WHERE kind = 'customer' FOR UPDATE")
                words = ("account", "credit", "slow@example.com", "10", "--reason", "r")
                crediting = operator.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
                await asyncio.to_thread(within, 20, lambda: bool(shop.value(waiting)), "the command waits")
                # It has the database open; it cannot stop it now.
                fcntl.flock(lock, fcntl.LOCK_EX)
            return crediting

        crediting = asyncio.run(on_connection(shop.target, held))
        assert crediting.stdout is not None
        assert crediting.stdout.readline() == b"Balance: 10.00 USD\n"
        assert crediting.poll() is None
        crediting.send_signal(signal.SIGINT)
        fcntl.flock(lock, fcntl.LOCK_UN)
        out, errors = crediting.communicate(timeout=20)
    assert (crediting.returncode, out) == (130, b"")
    assert errors == b"novaproxy: It was done: Balance: 10.00 USD\nnovaproxy: Interrupted.\n"
