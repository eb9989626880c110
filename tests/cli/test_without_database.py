"""Commands in a directory where there is no database yet."""

from pathlib import Path

import pytest

from commands import Operator
from novaproxy.cli import main

SMALL = "plans: [{slug: basic, name: Basic, type: bandwidth, bandwidths: [{bandwidth: 1, price_per_gb: 5.00}]}]\n"
ORDER = "0190f3a0-7c3e-7d3a-9d3e-3f1f0e6f4b52"
ASKED = [
    ("account", "list"),
    ("account", "show", "a@example.com"),
    ("account", "credit", "a@example.com", "5", "--reason", "r"),
    ("account", "debit", "a@example.com", "5", "--reason", "r"),
    ("account", "ledger", "a@example.com"),
    ("account", "suspend", "a@example.com"),
    ("account", "resume", "a@example.com"),
    ("token", "create", "a@example.com"),
    ("token", "list", "a@example.com"),
    ("token", "revoke", "a@example.com", "default"),
    ("account", "create", "a@example.com"),
    ("order", "list"),
    ("order", "show", ORDER),
    ("order", "deliver", ORDER),
    ("order", "fail", ORDER, "--reason", "r"),
    ("order", "deactivate", ORDER),
    ("order", "activate", ORDER),
    ("audit",),
    ("backup", "shop.novaproxy"),
    ("key", "list"),
    ("key", "rotate"),
    ("key", "reseal"),
    ("catalog", "export"),
]
TOLD = (
    "There is no database in {} yet: start one with 'novaproxy serve' or 'novaproxy catalog apply FILE', "
    "or set NOVAPROXY_DATA_DIR."
)


# In this process: nothing is opened.
@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_a_question_makes_no_database(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NOVAPROXY_DATA_DIR", "NOVAPROXY_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", f"novaproxy: {TOLD.format('./novaproxy-data')}\n")
    assert not list(tmp_path.iterdir())


def test_a_directory_elsewhere_is_told_by_its_name(tmp_path: Path) -> None:
    elsewhere = tmp_path / "shop"
    here = tmp_path / "here"
    here.mkdir()
    ran = Operator(here, {"NOVAPROXY_DATA_DIR": str(elsewhere)})("audit")
    assert ran.fault == TOLD.format(elsewhere)
    assert not elsewhere.exists()


def test_a_dry_run_says_what_an_apply_would_change_and_makes_no_database(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    told = operator("catalog", "apply", "-", "--dry-run", stdin=SMALL.encode()).said.splitlines()
    assert told == [
        "~ currency: none -> USD",
        "+ plan basic: bandwidth, 1 tier from 5.00 per GB",
        "Nothing was applied: this was a dry run.",
    ]
    wrong = operator("catalog", "apply", "-", "--dry-run", stdin=SMALL.replace("5.00", "x").encode())
    assert wrong.fault.startswith("plans[0].bandwidths[0].price_per_gb: ")
    assert not list(tmp_path.iterdir())


def test_a_file_with_a_fault_makes_no_database(tmp_path: Path) -> None:
    wrong = Operator(tmp_path)("catalog", "apply", "-", stdin=SMALL.replace("5.00", "x").encode())
    assert wrong.fault.startswith("plans[0].bandwidths[0].price_per_gb: ")
    assert not list(tmp_path.iterdir())


def test_a_first_apply_makes_the_database_and_says_what_the_dry_run_said(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    dry = operator("catalog", "apply", "-", "--dry-run", stdin=SMALL.encode()).said.splitlines()
    told = operator("catalog", "apply", "-", stdin=SMALL.encode()).said.splitlines()
    assert told == [*dry[:-1], "Applied as revision 1."]
    assert [path.name for path in tmp_path.iterdir()] == ["novaproxy-data"]
    made, shown = operator("account", "create", "a@example.com"), operator("account", "show", "a@example.com")
    assert (made.said, "0.00 USD" in shown.said) == ("Made the account a@example.com.\n", True)
