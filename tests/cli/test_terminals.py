"""What a person sees at a terminal, and what a program reads from a pipe."""

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from commands import Operator
from novaproxy.accounts.store import create_account
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from shop import Shop
from terminals import at_terminal

LONG = "christopher.montgomery-fitzgerald@engineering.example.com"
NAME = "Christopher Montgomery-Fitzgerald the Younger"


@pytest.fixture(scope="module")
def shop(module_database: Target) -> Shop:
    """The database of the module's operator, with 60 customers."""
    shop = Shop(module_database, "http://127.0.0.1")
    shop.apply_catalog("currency: EUR\nplans: []\n")

    async def made(connection: SoleConnection) -> None:
        for number in range(58):
            await create_account(connection, f"customer{number}@example.com", None, datetime.now(UTC))
        await create_account(connection, LONG, NAME, datetime.now(UTC))
        await create_account(connection, "mei@example.com", "陳美麗", datetime.now(UTC))

    shop.run(made)
    return shop


@pytest.mark.usefixtures("shop")
def test_a_table_keeps_within_the_width_and_shortens_what_matters_less(common_operator: Operator) -> None:
    wide, usual, narrow = (
        at_terminal(common_operator, "account", "list", "--limit", "3", columns=columns) for columns in (160, 80, 40)
    )
    assert wide.lines[0].split() == ["email", "name", "status", "balance", "(EUR)", "orders", "created"]
    assert NAME in wide.lines[2]
    assert re.search(r" 0  \d{4}-\d\d-\d\d \d\d:\d\d$", wide.lines[2])
    assert all(len(line) <= 80 for line in usual.lines)
    assert "…" in usual.lines[2]
    assert usual.lines[-1] == "Too narrow for: name, created. A wider terminal shows more, --json all."
    assert len(narrow.lines[2]) <= 60
    assert narrow.lines[2].startswith(f"{LONG[:23]}…")


@pytest.mark.usefixtures("shop")
def test_letters_that_are_two_columns_wide_stand_in_their_columns(common_operator: Operator) -> None:
    head, mei, *_ = at_terminal(common_operator, "account", "list", "--limit", "1", columns=120).lines
    # Three letters that take six columns.
    assert head.index("status") == mei.index("active") + 3


@pytest.mark.usefixtures("shop")
def test_a_terminal_gets_the_newest_fifty_and_is_told_how_to_see_more(common_operator: Operator) -> None:
    told = "These are the newest 50 accounts: --limit N shows more, --all everything."
    sample = at_terminal(common_operator, "account", "list", columns=160)
    assert len(sample.lines) == 1 + 50 + 1
    assert (sample.lines[1].split()[0], sample.lines[-1]) == ("mei@example.com", told)
    everything, some, piped = (
        at_terminal(common_operator, "account", "list", "--all", columns=160),
        at_terminal(common_operator, "account", "list", "--limit", "55", columns=160),
        common_operator("account", "list"),
    )
    assert (len(everything.lines), len(some.lines)) == (61, 56)
    assert not any("newest" in line for line in (*everything.lines, *some.lines))
    assert len(piped.said.splitlines()) == 61
    assert f"{LONG}  {NAME}  active" in piped.said
    assert common_operator("account", "list", "--all", "--limit", "5").fault == "Say either --limit or --all, not both."


@pytest.mark.usefixtures("shop")
def test_colours_are_for_terminals_of_those_who_want_them(common_operator: Operator) -> None:
    words = ("account", "show", "mei@example.com")
    assert at_terminal(common_operator, *words).is_painted
    assert "\x1b" not in at_terminal(common_operator, *words, settings={"NO_COLOR": "1"}).raw
    assert "\x1b" not in at_terminal(common_operator, *words, settings={"TERM": "dumb"}).raw
    assert "\x1b" not in common_operator(*words).said


@contextmanager
def held(shop: Shop) -> Iterator[threading.Event]:
    """Hold what every command reads until the event that is given is set."""
    begun, ended = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await opened_connection(shop.target, idle_in_transaction_session_timeout="0")
        async with connection.transaction():
            await connection.execute("LOCK TABLE transfer, account IN ACCESS EXCLUSIVE MODE")
            begun.set()
            await asyncio.to_thread(ended.wait, 20)
        await connection.close()

    holder = threading.Thread(target=lambda: asyncio.run(hold()))
    holder.start()
    try:
        assert begun.wait(10)
        yield ended
    finally:
        ended.set()
        holder.join()


@pytest.mark.parametrize(
    ("words", "to_file", "told"),
    [
        (("audit",), True, "of 15 invariants ..."),
        (("account", "list", "--limit", "1"), False, "Reading the accounts ..."),
        (("account", "credit", "mei@example.com", "1", "--reason", "r"), False, "Waiting for the database ..."),
    ],
)
def test_what_takes_long_is_told_at_a_terminal_and_gone_when_it_is_done(
    shop: Shop, common_operator: Operator, words: tuple[str, ...], *, to_file: bool, told: str
) -> None:
    seen: list[str] = []

    def look(screen: str) -> None:
        if told in screen:
            seen.append(screen)
            ended.set()

    with held(shop) as ended:
        screen = at_terminal(common_operator, *words, to_file=to_file, seen=look)
    assert seen
    assert screen.status == 0
    # The cursor is shown again and the line cleared before anything else is written.
    _, gone, answer = screen.raw.rpartition("\x1b[?25h\r\x1b[1A\x1b[2K")
    assert gone
    assert bool(answer) != to_file


def test_a_pipe_gets_nothing_but_the_answer(shop: Shop, common_operator: Operator) -> None:
    with held(shop) as ended:
        threading.Timer(1.5, ended.set).start()
        assert common_operator("account", "list", "--limit", "1").said.startswith("email")


def test_the_audit_says_its_verdict(common_operator: Operator, shop: Shop) -> None:
    screen = at_terminal(common_operator, "audit")
    assert screen.lines[-1] == "The books hold: 15 invariants, 0 breaches."
    assert all(len(line) <= 80 for line in screen.lines)
    assert "\x1b[32mThe books hold" in screen.raw
    email = "unbooked@example.com"
    common_operator("account", "create", email)
    try:
        shop.sql("UPDATE account SET balance_cents = 500 WHERE email = $1", email)
        broken = at_terminal(common_operator, "audit")
        assert broken.status == 1
        assert "\x1b[31mThe books do not hold: 15 invariants, 2 breaches of M1." in broken.raw
        assert broken.lines[-1] == "novaproxy: M1 is broken: 2."
    finally:
        shop.sql("UPDATE account SET balance_cents = 0 WHERE email = $1", email)


MEASURED = """
import atexit, re, sys
from novaproxy.cli import main
atexit.register(lambda: sys.stderr.write(re.search(r"VmHWM:\\s*([0-9]+)", open("/proc/self/status").read())[1]))
main()
"""
"""The command, which says at its end how many kB of memory it held at most."""


def test_a_long_list_is_never_in_memory(database: Target, operator: Operator) -> None:
    Shop(database, "http://127.0.0.1").sql(
        "INSERT INTO account (uuid, kind, email, email_key, name, balance_cents) "
        "SELECT gen_random_uuid(), 'customer', 'c' || n || '@example.com', 'c' || n || '@example.com', "
        "repeat('n', 200), 0 FROM generate_series(1, 20000) AS n"
    )
    measured = (sys.executable, "-c", MEASURED)
    one = operator("account", "list", "--json", "--limit", "1", script=measured)
    everything = operator("account", "list", "--json", script=measured)
    emails = re.findall(r'"email": "(c\d+)@', everything.out)
    assert emails == [f"c{number}" for number in range(20_000, 0, -1)]
    assert int(everything.errors) < int(one.errors) + 5_000
