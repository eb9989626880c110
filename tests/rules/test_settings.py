"""What the environment says."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaproxy.errors import OperatorError
from novaproxy.settings import (
    ADDRESS_FAULT,
    GatewaySettings,
    Limits,
    LogFormat,
    Settings,
    declared_settings,
    read_settings,
    settings_page,
)

PORT_FAULT = "NOVAPROXY_PORT must be a number from 0 to 65535."


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
        database_owner_url=None,
        host="127.0.0.1",
        port=8000,
        sealing_key=None,
        postgres_binaries=None,
        metrics_token=None,
        log_format=LogFormat.LOGFMT,
        has_access_log=False,
        has_rate_limit=True,
        trusted_proxies=None,
        orders_per_minute=3_000,
        reads_per_minute=6_000,
        wrong_codes_per_minute=60,
        wrong_tokens_per_minute=300,
        has_gateway=True,
        gateway_host="127.0.0.1",
        gateway_processes=1,
        gateway_allowed=None,
        gateway_fronts=None,
    )
    assert read_settings({}).limits == Limits()
    assert read_settings({}).gateway == GatewaySettings()


def test_everything_can_be_set() -> None:
    read = read_settings(
        {
            "NOVAPROXY_DATA_DIR": "/var/lib/novaproxy",
            "NOVAPROXY_DATABASE_URL": "postgres://shop@db/shop",
            "NOVAPROXY_DATABASE_OWNER_URL": "postgres://owner@db/shop",
            "NOVAPROXY_HOST": "::",
            "NOVAPROXY_PORT": "0",
            "NOVAPROXY_SEALING_KEY": "secret",
            "NOVAPROXY_PG_BIN": "/usr/lib/postgresql/15/bin",
            "NOVAPROXY_METRICS_TOKEN": "m" * 16,
            "NOVAPROXY_LOG_FORMAT": "json",
            "NOVAPROXY_ACCESS_LOG": "on",
            "NOVAPROXY_RATE_LIMIT": "on",
            "NOVAPROXY_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8::/32",
            "NOVAPROXY_LIMIT_ORDERS": "1",
            "NOVAPROXY_LIMIT_READS": "2",
            "NOVAPROXY_LIMIT_CODES": "3",
            "NOVAPROXY_LIMIT_TOKENS": "1000000",
            "NOVAPROXY_GATEWAY": "off",
            "NOVAPROXY_GATEWAY_HOST": "192.0.2.1",
            "NOVAPROXY_GATEWAY_PROCESSES": "64",
            "NOVAPROXY_GATEWAY_ALLOW": "127.0.0.1:8000, [FD00::1]:443",
            "NOVAPROXY_GATEWAY_FRONTS": "10.0.0.7",
        }
    )
    assert read.data_dir == Path("/var/lib/novaproxy")
    assert read.key_file == Path("/var/lib/novaproxy/sealing.key")
    assert (read.database_url, read.host, read.port) == ("postgres://shop@db/shop", "::", 0)
    assert (read.sealing_key, read.postgres_binaries) == ("secret", Path("/usr/lib/postgresql/15/bin"))
    assert (read.metrics_token, read.log_format, read.has_access_log) == ("m" * 16, LogFormat.JSON, True)
    assert read.limits == Limits(1, 2, 3, 1_000_000, ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"))
    assert not read.has_gateway
    allowed = (("127.0.0.1", 8000), ("fd00::1", 443))
    assert read.gateway == GatewaySettings("192.0.2.1", 64, allowed, ("10.0.0.7/32",))
    assert read.counters_dir == Path("/var/lib/novaproxy/gateway")


def test_limits_can_be_switched_off() -> None:
    assert read_settings({"NOVAPROXY_RATE_LIMIT": "off", "NOVAPROXY_LIMIT_ORDERS": "1"}).limits is None
    assert faults(NOVAPROXY_RATE_LIMIT="no") == ("NOVAPROXY_RATE_LIMIT must be off or on.",)


@pytest.mark.parametrize("written", ["0", "-1", "1.5", "many", "1000001", "9" * 5_000])
def test_what_is_no_limit_is_one_clear_sentence(written: str) -> None:
    assert faults(NOVAPROXY_LIMIT_ORDERS=written) == ("NOVAPROXY_LIMIT_ORDERS must be a number from 1 to 1000000.",)


@pytest.mark.parametrize("written", ["proxy.example.com", "10.0.0.1/8", "127.0.0.1;::1", ",", "1.2.3"])
def test_what_is_no_list_of_proxies_is_one_clear_sentence(written: str) -> None:
    assert faults(NOVAPROXY_TRUSTED_PROXIES=written) == (
        "NOVAPROXY_TRUSTED_PROXIES must be addresses or networks separated by commas, such as 127.0.0.1,10.0.0.0/8.",
    )


@pytest.mark.parametrize(
    "written",
    ["127.0.0.1", "localhost:80", "10.0.0.0/8:80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:٨٠", ":80", "::1", ","],
)
def test_what_is_no_place_to_let_customers_reach_is_one_clear_sentence(written: str) -> None:
    assert faults(NOVAPROXY_GATEWAY_ALLOW=written) == (
        "NOVAPROXY_GATEWAY_ALLOW must be addresses with ports, by commas, such as 127.0.0.1:8000,[fd00::1]:8000.",
    )


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings({setting.name: "" for setting in declared_settings().values()}) == read_settings({})


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


@pytest.mark.parametrize("written", ["short", "m" * 15, "with a space in it", "ünïcödé-ünïcödé-ünïcödé", "tab\tin" * 9])
def test_what_is_no_metrics_token_is_one_clear_sentence(written: str) -> None:
    (told,) = faults(NOVAPROXY_METRICS_TOKEN=written)
    assert told == "NOVAPROXY_METRICS_TOKEN must be at least 16 printable ASCII characters, no space."


def test_a_word_that_is_no_choice_is_one_clear_sentence() -> None:
    assert faults(NOVAPROXY_LOG_FORMAT="JSON") == ("NOVAPROXY_LOG_FORMAT must be logfmt or json.",)
    assert faults(NOVAPROXY_ACCESS_LOG="yes") == ("NOVAPROXY_ACCESS_LOG must be off or on.",)


@pytest.mark.parametrize(
    "url", ["db", "mysql://db/shop", "//db/shop", "sqlite:///shop.db", "http://db", "postgresql://["]
)
def test_what_is_no_address_of_postgresql_is_one_clear_sentence(url: str) -> None:
    assert faults(NOVAPROXY_DATABASE_URL=url) == (ADDRESS_FAULT,)


def test_every_fault_is_told_at_once() -> None:
    assert faults(NOVAPROXY_PORT="x", NOVAPROXY_DATABASE_URL="x") == (ADDRESS_FAULT, PORT_FAULT)


def test_secrets_are_not_shown() -> None:
    secrets = [setting.name for setting in declared_settings().values() if setting.is_secret]
    assert secrets == [
        "NOVAPROXY_DATABASE_URL",
        "NOVAPROXY_DATABASE_OWNER_URL",
        "NOVAPROXY_SEALING_KEY",
        "NOVAPROXY_METRICS_TOKEN",
    ]
    assert "hush" not in repr(read_settings(dict.fromkeys(secrets, "postgresql://u:hush@db/x")))
    assert "hush" not in str(faults(NOVAPROXY_DATABASE_URL="mysql://u:hush@db/x"))


def test_the_page_of_settings_is_the_one_that_the_declarations_make() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(), "run: novaproxy settings --markdown > docs/settings.md"


@given(st.text(max_size=12), st.text(max_size=20))
@example("1" * 9_999, "postgresql://[::1")
def test_whatever_is_set_is_read_or_told(port: str, url: str) -> None:
    told = faults(NOVAPROXY_PORT=port, NOVAPROXY_DATABASE_URL=url)
    assert set(told) <= {PORT_FAULT, ADDRESS_FAULT}
