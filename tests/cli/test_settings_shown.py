"""``novaproxy settings`` by the real command."""

import re
from pathlib import Path

from commands import Operator
from novaproxy.settings import declared_settings
from terminals import at_terminal

SECRET = "hush-hush-hush-hush"
SECRETS = {
    "NOVAPROXY_DATABASE_URL": f"postgresql://shop:{SECRET}@db/shop",
    "NOVAPROXY_DATABASE_OWNER_URL": f"postgresql://owner:{SECRET}@db/shop",
    "NOVAPROXY_SEALING_KEY": SECRET,
    "NOVAPROXY_METRICS_TOKEN": SECRET,
}


def test_every_setting_is_shown_with_its_value_and_what_it_does(tmp_path: Path) -> None:
    operator = Operator(tmp_path, {"NOVAPROXY_PORT": "8080", "NOVAPROXY_HOST": ""})
    table, json = operator.all(("settings",), ("settings", "--json"))
    shown = {setting["name"]: setting for setting in json.json}
    declared = {setting.name: setting for setting in declared_settings().values()}
    assert list(shown) == list(declared)
    assert (shown["NOVAPROXY_PORT"]["value"], shown["NOVAPROXY_PORT"]["is_set"]) == ("8080", True)
    assert (shown["NOVAPROXY_HOST"]["value"], shown["NOVAPROXY_HOST"]["is_set"]) == ("127.0.0.1", False)
    rows = {name: (value, what) for name, value, what in (re.split(r"  +", row) for row in table.said.splitlines())}
    assert list(rows) == ["variable", *declared]
    assert rows["NOVAPROXY_PORT"] == ("8080", "The port that serve listens on; 0 takes a free one.")
    assert rows["NOVAPROXY_PG_BIN"][1].endswith("Unset: those that came with NovaProxy, else those on PATH.")


def test_of_secrets_it_is_only_shown_that_they_are_set(tmp_path: Path) -> None:
    shown = Operator(tmp_path, SECRETS).all(("settings",), ("settings", "--json"), ("settings", "--markdown"))
    assert not any(SECRET in ran.out + ran.errors for ran in shown)
    assert {setting["name"] for setting in shown[1].json if setting["value"] == "set"} == set(SECRETS)


def test_settings_that_cannot_be_used_are_shown_and_told(tmp_path: Path) -> None:
    ran = Operator(tmp_path, {"NOVAPROXY_PORT": "eighty"})("settings")
    assert ran.status == 1
    assert re.search(r"^NOVAPROXY_PORT +eighty ", ran.out, re.MULTILINE)
    assert ran.errors == "novaproxy: NOVAPROXY_PORT must be a number from 0 to 65535.\n"


def test_the_settings_fit_a_terminal(tmp_path: Path) -> None:
    assert all(len(line) <= 80 for line in at_terminal(Operator(tmp_path), "settings").lines)
