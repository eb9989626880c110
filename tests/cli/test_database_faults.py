"""Databases that cannot be used: one clear sentence each."""

import socket
from pathlib import Path

import pytest

from commands import Operator, database_url
from novaproxy.database.pool import Target
from shop import Shop


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
            "postgresql://nova:hush-hush@localhost:port/shop": (
                "The database cannot be reached: the port in NOVAPROXY_DATABASE_URL is no number."
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
