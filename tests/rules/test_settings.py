"""What the environment says."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.errors import OperatorError
from novaproxy.settings import Settings, read_settings

PORT_FAULT = "NOVAPROXY_PORT must be a number from 0 to 65535."
URL_FAULT = "NOVAPROXY_DATABASE_URL must be an address such as postgresql://user:password@host:5432/database."


def faults(**environment: str) -> tuple[str, ...]:
    try:
        read_settings(environment)
    except OperatorError as error:
        return error.lines
    return ()


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings(
        data_dir=Path("novaproxy-data").absolute(),
        database_url=None,
        host="127.0.0.1",
        port=8000,
        sealing_key=None,
        postgres_binaries=None,
    )


def test_everything_can_be_set() -> None:
    read = read_settings(
        {
            "NOVAPROXY_DATA_DIR": "/var/lib/novaproxy",
            "NOVAPROXY_DATABASE_URL": "postgres://shop@db/shop",
            "NOVAPROXY_HOST": "::",
            "NOVAPROXY_PORT": "0",
            "NOVAPROXY_SEALING_KEY": "secret",
            "NOVAPROXY_PG_BIN": "/usr/lib/postgresql/15/bin",
        }
    )
    assert read.data_dir == Path("/var/lib/novaproxy")
    assert read.key_file == Path("/var/lib/novaproxy/sealing.key")
    assert (read.database_url, read.host, read.port) == ("postgres://shop@db/shop", "::", 0)
    assert (read.sealing_key, read.postgres_binaries) == ("secret", Path("/usr/lib/postgresql/15/bin"))


def test_an_empty_variable_counts_as_unset() -> None:
    names = ("DATA_DIR", "DATABASE_URL", "HOST", "PORT", "SEALING_KEY", "PG_BIN")
    assert read_settings({f"NOVAPROXY_{name}": "" for name in names}) == read_settings({})


def test_a_relative_data_directory_is_made_absolute_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read = read_settings({"NOVAPROXY_DATA_DIR": "data"})
    monkeypatch.chdir("/")
    assert read.data_dir == tmp_path / "data"


@pytest.mark.parametrize(("written", "port"), [("0", 0), ("1", 1), ("8080", 8080), ("65535", 65_535), ("00080", 80)])
def test_a_port(written: str, port: int) -> None:
    assert read_settings({"NOVAPROXY_PORT": written}).port == port


@pytest.mark.parametrize("written", ["65536", "99999", "-1", "80.0", "http", " 80", "²", "٨٠", "8_0", "1" * 5_000])
def test_what_is_no_port_is_one_clear_sentence(written: str) -> None:
    assert faults(NOVAPROXY_PORT=written) == (PORT_FAULT,)


@pytest.mark.parametrize(
    "url", ["db", "mysql://db/shop", "//db/shop", "sqlite:///shop.db", "http://db", "postgresql://["]
)
def test_what_is_no_address_of_postgresql_is_one_clear_sentence(url: str) -> None:
    assert faults(NOVAPROXY_DATABASE_URL=url) == (URL_FAULT,)


def test_every_fault_is_told_at_once() -> None:
    assert faults(NOVAPROXY_PORT="x", NOVAPROXY_DATABASE_URL="x") == (PORT_FAULT, URL_FAULT)


def test_secrets_are_not_shown() -> None:
    shown = repr(read_settings({"NOVAPROXY_DATABASE_URL": "postgresql://u:hush@db/x", "NOVAPROXY_SEALING_KEY": "hush"}))
    assert "hush" not in shown
    assert "hush" not in str(faults(NOVAPROXY_DATABASE_URL="mysql://u:hush@db/x"))


@given(st.text(max_size=12), st.text(max_size=20))
@example("1" * 9_999, "postgresql://[::1")
def test_whatever_is_set_is_read_or_told(port: str, url: str) -> None:
    told = faults(NOVAPROXY_PORT=port, NOVAPROXY_DATABASE_URL=url)
    assert set(told) <= {PORT_FAULT, URL_FAULT}
