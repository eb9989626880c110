"""What the command says of itself and of wrong questions."""
# ruff: noqa: S603 -- the program is ours, the arguments the tests' own

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import SCRIPT, Operator, environment
from novaproxy.cli import main

# Run in this process: each costs half a second as a command of its own, and none of them reaches the database.
WRONG = {
    ("acount",): "No such command 'acount'. Did you mean 'account'? See 'novaproxy --help'.",
    ("account", "destroy"): "No such command 'destroy'. See 'novaproxy account --help'.",
    ("--color",): "No such option: --color. See 'novaproxy --help'.",
    ("account", "show", "--yaml"): "No such option: --yaml. See 'novaproxy account show --help'.",
    ("order", "list", "--state"): "No such option: --state. Did you mean --status? See 'novaproxy order list --help'.",
    ("order", "list", "--limit", "0"): (
        "Invalid value for '--limit': it must be at least 1. See 'novaproxy order list --help'."
    ),
    ("serve", "--port", "65536"): (
        "Invalid value for '--port': it must be at most 65535. See 'novaproxy serve --help'."
    ),
    ("serve", "--port", "x"): "Invalid value for '--port': it must be a whole number. See 'novaproxy serve --help'.",
    ("audit", "all", "of", "it"): "Got more words than it takes: all of it. See 'novaproxy audit --help'.",
    ("order", "fail", "x"): "Missing option '--reason'. See 'novaproxy order fail --help'.",
    ("account", "show"): "Missing argument 'EMAIL'. See 'novaproxy account show --help'.",
    ("account", "credit", "a@b.c"): "Missing argument 'AMOUNT'. See 'novaproxy account credit --help'.",
    ("account", "credit", "a@b.c", "5"): "Missing option '--reason'. See 'novaproxy account credit --help'.",
    ("token", "revoke", "a@b.c"): "Missing argument 'NAME'. See 'novaproxy token revoke --help'.",
    ("catalog", "apply"): "Missing argument 'FILE'. See 'novaproxy catalog apply --help'.",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_wrong_question_is_answered_in_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"novaproxy: {WRONG[words]}\n")


@pytest.mark.parametrize(
    "words",
    [
        ("account", "show", "a@b.c", "d@e.f"),
        ("account", "list", "--json=yes"),
        ("account", "create", "a@b.c", "--name"),
        ("serve", "--port", "-1"),
        ("serve", "--workers", "0"),
        ("order", "list", "--status", "new"),
        ("completion", "tcsh"),
        ("account", "credit", "a@b.c", "5", "--reason", "r", "--\x1b[31m\n"),
    ],
    ids=repr,
)
def test_every_other_wrong_question_too(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (2, "")
    assert shown.err.removesuffix("\n").isprintable()


def test_faults_of_usage_come_from_the_real_command_too(tmp_path: Path) -> None:
    assert "No such option: --json" in Operator(tmp_path)("account", "create", "--json").fault


def test_the_command_teaches_where_nothing_is_asked(tmp_path: Path) -> None:
    bare, asked, version, module = Operator(tmp_path).all((), ("--help",), ("--version",), ("account",))
    assert bare.said == asked.said
    assert "novaproxy serve --demo" in bare.said
    commands = [
        "serve",
        "gateway",
        "catalog",
        "upstream",
        "account",
        "token",
        "order",
        "audit",
        "backup",
        "restore",
        "key",
        "migrate",
    ]
    commands += ["seed", "settings", "completion"]
    assert re.findall(r"^  ([a-z]+) ", bare.said.partition("Commands:")[2], re.MULTILINE) == commands
    assert version.said == "novaproxy 0.1.0\n"
    assert "credit" in module.said
    assert max(map(len, bare.said.splitlines())) <= 80


def test_the_package_is_a_command_as_well(tmp_path: Path) -> None:
    ran = Operator(tmp_path)("--version", script=(sys.executable, "-m", "novaproxy"))
    assert ran.said == "novaproxy 0.1.0\n"


def test_a_reader_that_goes_away_is_no_fault(common_operator: Operator) -> None:
    for number in range(3):
        assert common_operator("account", "create", f"reader{number}@example.com").status == 0
    process = common_operator.start("account", "list", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize("words", [("--help",), ("order", "--help"), ("order",), ("order", "list", "-h")], ids=" ".join)
def test_a_reader_of_a_help_page_that_goes_away_is_no_fault(tmp_path: Path, words: tuple[str, ...]) -> None:
    process = Operator(tmp_path).start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_an_interrupt_while_the_commands_are_imported_brings_no_traceback(tmp_path: Path) -> None:
    for moment in range(6):
        process = Operator(tmp_path).start("settings", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.05 + 0.04 * moment)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        # Before our first line has run, an interrupt is Python's own to tell.
        assert errors == b"novaproxy: Interrupted.\n" or b"in main" not in errors, errors
        assert b"novaproxy/cli" not in errors


def test_a_full_disk_is_a_fault_in_one_line(common_operator: Operator) -> None:
    with Path("/dev/full").open("wb") as full:
        process = common_operator.start("audit", stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == b"novaproxy: Standard output cannot be written: No space left on device.\n"


def _on_full_disk(operator: Operator, *words: str) -> tuple[int, list[str]]:
    """Return the status of a command whose output cannot be written, and what it complained of."""
    with Path("/dev/full").open("wb") as full:
        process = operator.start(*words, stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=20)
    return process.returncode, errors.decode().replace("novaproxy: ", "").splitlines()


FULL = "Standard output cannot be written: No space left on device."


def test_what_was_done_is_told_where_the_answer_cannot_be_written(operator: Operator) -> None:
    email = "full@example.com"
    told = {
        ("account", "create", email): f"It was done: Made the account {email}.",
        ("account", "credit", email, "10", "--reason", "r"): "It was done: Balance: 10.00",
        ("account", "suspend", email): f"It was done: Suspended the account {email}.",
    }
    for words, done in told.items():
        assert _on_full_disk(operator, *words) == (1, [done, FULL])
    catalog = operator.directory / "catalog.yaml"
    catalog.write_text("{plans: [], discount_codes: [{code: TEN, percent: 10}]}", encoding="utf-8")
    applied = (1, ["It was done: Applied as revision 1.", FULL])
    assert _on_full_disk(operator, "catalog", "apply", str(catalog)) == applied


def test_a_token_that_nobody_could_see_is_not_made(operator: Operator) -> None:
    operator("account", "create", "unseen@example.com")
    words = ("token", "create", "unseen@example.com")
    unmade = "No token was made: nothing that was printed opens the shop."
    assert _on_full_disk(operator, *words) == (1, [unmade, FULL])
    process = operator.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.wait(20), process.stderr.read().decode()) == (1, f"novaproxy: {unmade}\n")
    process.stderr.close()
    assert operator("token", "list", "unseen@example.com", "--json").json == []


def test_closed_streams_are_no_traceback(common_operator: Operator) -> None:
    script = f"exec '{SCRIPT}' account list <&- >&-"
    ran = subprocess.run(
        ["/bin/sh", "-c", script],
        check=False,
        stderr=subprocess.PIPE,
        env=environment(**common_operator.settings),
        timeout=20,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_waiting_command_in_one_line(common_operator: Operator, number: signal.Signals) -> None:
    # It waits for the end of a catalog that never comes.
    process = subprocess.Popen(
        [SCRIPT, "catalog", "apply", "/dev/stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**common_operator.settings),
    )
    assert process.stdin is not None
    # More than a pipe holds: once it is written, the command reads.
    process.stdin.write(b"#" * 200_000)
    process.stdin.flush()
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert (out, errors) == (b"", b"novaproxy: Interrupted.\n")
