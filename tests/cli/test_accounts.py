"""``novaproxy account`` and ``novaproxy token`` by the real command."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from commands import Operator
from novaproxy.cli import main

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TOKEN = re.compile(r"nova_[A-Za-z0-9_-]{34}\n")


def credited(operator: Operator, email: str, amount: str, *more: str | bytes) -> str:
    return operator("account", "credit", email, amount, "--reason", "Top-up", *more).said


def balance(operator: Operator, email: str) -> float:
    shown = operator("account", "show", email, "--json").json["balance"]
    assert isinstance(shown, int | float)
    return shown


@pytest.fixture(scope="module")
def ann(common_operator: Operator) -> str:
    """A customer of the module's database."""
    common_operator("account", "create", "Ann@Example.com", "--name", "Ann Lee")
    return "ann@example.COM"


def test_an_account_is_made_listed_and_shown(common_operator: Operator, ann: str) -> None:
    shown = common_operator("account", "show", ann, "--json").json
    assert set(shown) == {"uuid", "email", "name", "status", "balance", "orders", "created_at", "moves"}
    assert (shown["email"], shown["name"], shown["status"]) == ("Ann@Example.com", "Ann Lee", "active")
    assert STAMP.fullmatch(shown["created_at"])
    listed, table, page = common_operator.all(
        ("account", "list", "--json"), ("account", "list"), ("account", "show", ann)
    )
    assert shown["uuid"] in [account["uuid"] for account in listed.json]
    assert all(line == line.rstrip() for line in table.said.splitlines())
    assert table.said.splitlines()[0].split() == ["email", "name", "status", "balance", "orders", "created"]
    assert "Ann Lee" in page.said


def test_a_known_email_is_refused_whatever_its_case(common_operator: Operator, ann: str) -> None:
    assert common_operator("account", "create", ann).fault == f"An account with the e-mail '{ann}' exists already."


def test_an_email_that_is_none_or_unknown_is_refused(common_operator: Operator) -> None:
    wrong: list[str | bytes] = [
        "",
        "x",
        "@",
        "a@",
        "@b",
        "a b@c",
        "a@b\x1b[31m",
        "a@b\n",
        b"\xff@example.com",
        "a@" * 200,
    ]
    *refused, unknown = common_operator.all(
        *(("account", "create", email) for email in wrong), ("account", "show", "nobody@example.com")
    )
    assert unknown.fault == "There is no account with the e-mail 'nobody@example.com'."
    for ran in refused[:7] + refused[8:]:
        assert ran.fault.endswith("is no e-mail address.")
        assert len(ran.fault) < 200


def test_texts_that_cannot_be_kept_are_refused(common_operator: Operator, ann: str) -> None:
    empty, control, odd, long, revoked = common_operator.all(
        ("account", "create", "b@example.com", "--name", ""),
        ("account", "create", "b@example.com", "--name", "a\tb"),
        ("account", "credit", ann, "1", "--reason", b"\xff"),
        ("account", "credit", ann, "1", "--reason", "x" * 501),
        ("token", "revoke", ann, b"\xff"),
    )
    assert empty.fault == "The name must not be empty."
    assert control.fault == "The name must not hold control characters."
    assert odd.fault == "The reason must not hold control characters."
    assert long.fault == "The reason must have at most 500 characters."
    assert revoked.fault == "The token's name must not hold control characters."


WRONG_AMOUNTS = [
    "0",
    "0.00",
    "0.001",
    "1e3",
    "-5",
    "-0.01",
    "+1",
    "1,5",
    ".5",
    "5.",
    "٣",
    "1_0",
    "NaN",
    "10000000000",
    "9999999999.991",
]


# In this process: amounts are refused before the database is opened.
@pytest.mark.parametrize("kind", ["credit", "debit"])
@pytest.mark.parametrize("amount", [*WRONG_AMOUNTS, "", " 1", "9" * 5000])
def test_an_amount_that_is_none_is_refused(kind: str, amount: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["account", kind, "a@example.com", amount, "--reason", "r"])
    assert ended.value.code == 1
    told = f"novaproxy: '{amount[:100]}' is no amount: it must be above 0 and at most 9999999999.99"
    assert capsys.readouterr() == ("", f"{told}, written like 25 or 19.99.\n")


def test_a_negative_amount_is_refused_and_changes_nothing(common_operator: Operator, ann: str) -> None:
    before = balance(common_operator, ann)
    refused = common_operator("account", "credit", ann, "-5", "--reason", "r")
    assert refused.fault.startswith("'-5' is no amount: it must be above 0")
    assert balance(common_operator, ann) == before


def test_money_goes_on_and_off_a_balance_within_its_bounds(operator: Operator) -> None:
    operator("account", "create", "rich@example.com")
    assert credited(operator, "RICH@example.com", "9999999999.99") == "Balance: 9999999999.99\n"
    over = operator("account", "credit", "rich@example.com", "0.01", "--reason", "r")
    assert over.fault == "The balance is 9999999999.99; it may not pass 9999999999.99."
    assert operator("account", "show", "rich@example.com", "--json").out.count("9999999999.99") == 1
    debit = operator("account", "debit", "rich@example.com", "9999999999.98", "--reason", "Pay-out")
    assert debit.said == "Balance: 0.01\n"
    below = operator("account", "debit", "rich@example.com", "0.02", "--reason", "r")
    assert below.fault == "The balance is 0.01; it may not fall below 0."
    assert operator("audit").status == 0


def test_the_same_reference_twice_has_one_effect(operator: Operator) -> None:
    operator("account", "create", "c@example.com")
    words = ("account", "credit", "c@example.com", "19.99", "--reason", "r", "--reference", "invoice 7")
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: operator(*words).said, range(4)))
    assert sum(said == "Balance: 19.99\n" for said in together) == 1
    assert all(said.startswith("Balance: 19.99") for said in together)
    other = operator("account", "debit", "c@example.com", "19.99", "--reason", "r", "--reference", "invoice 7")
    assert other.fault == "The reference 'invoice 7' already stands for a credit of 19.99 on this account."
    assert balance(operator, "c@example.com") == 19.99


def test_the_ledger_shows_the_newest_entries_first_and_adds_up_to_the_balance(operator: Operator) -> None:
    email = "l@example.com"
    operator("account", "create", email)
    assert operator("account", "ledger", email).said == "Nothing has moved this balance yet.\n"
    credited(operator, email, "20", "--reference", "invoice 7")
    operator("catalog", "apply", "-", stdin=b"currency: EUR\nplans: []\n")
    assert operator("account", "debit", email, "0.5", "--reason", "Pay-out").said == "Balance: 19.50 EUR\n"
    json, newest, table = operator.all(
        ("account", "ledger", email, "--json"),
        ("account", "ledger", email, "--json", "--limit", "1"),
        ("account", "ledger", email),
    )
    assert newest.json == json.json[:1]
    entries = [tuple(entry.values()) for entry in json.json]
    assert [entry[:-1] for entry in entries] == [
        (-0.5, 19.5, "debit", None, "Pay-out", None, "operator"),
        (20, 20, "credit", None, "Top-up", "invoice 7", "operator"),
    ]
    assert all(STAMP.fullmatch(entry[-1]) for entry in entries)
    head, *rows = [re.split(r"  +", line) for line in table.said.splitlines()]
    assert head == ["at", "kind", "amount (EUR)", "balance", "reason", "reference", "order", "actor"]
    assert [row[1:] for row in rows] == [
        ["debit", "-0.50", "19.50", "Pay-out", "-", "-", "operator"],
        ["credit", "20.00", "20.00", "Top-up", "invoice 7", "-", "operator"],
    ]


def test_tokens_are_made_alone_named_and_revoked(operator: Operator) -> None:
    operator("account", "create", "t@example.com")
    first, second = operator("token", "create", "t@example.com"), operator("token", "create", "T@example.com")
    named = operator("token", "create", "t@example.com", "--name", "web")
    for made in (first, second, named):
        assert TOKEN.fullmatch(made.said)
    taken = operator("token", "create", "t@example.com", "--name", "web")
    assert taken.fault == "The account has a token named 'web' already."
    assert operator("token", "revoke", "t@example.com", "default").said == "Revoked the token 'default'.\n"
    assert operator("token", "revoke", "t@example.com", "default").said == "The token 'default' was revoked before.\n"
    assert operator("token", "revoke", "t@example.com", "none").fault == "The account has no token named 'none'."
    # The name of a revoked token stays its own: a log that names it stays true.
    assert TOKEN.fullmatch(operator("token", "create", "t@example.com").said)
    tokens = operator("token", "list", "t@example.com", "--json")
    assert [token["name"] for token in tokens.json] == ["default", "default-2", "web", "default-3"]
    assert [token["revoked_at"] is None for token in tokens.json] == [False, True, True, True]
    assert "nova_" not in tokens.out + operator("token", "list", "t@example.com").said


def test_the_audit_names_every_invariant_and_what_breaks_it(operator: Operator) -> None:
    operator("account", "create", "audited@example.com")
    *lines, verdict = operator("audit").said.splitlines()
    assert verdict == "The books hold: 15 invariants, 0 breaches."
    assert [line.split()[0] for line in lines] == [
        "M1",
        "M2",
        "M3",
        "M4",
        "M6",
        "M7",
        "M8",
        "L1",
        "L2",
        "S1",
        "S2",
        "S3",
        "S4",
        "S5",
        "S6",
    ]
    assert {line.split()[1] for line in lines} == {"0"}
    findings = operator("audit", "--json").json
    assert [finding["breaches"] for finding in findings] == [0] * 15
    assert set(findings[0]) == {"invariant", "says", "breaches", "examples"}


def test_emails_that_differ_by_more_than_case_are_two_accounts(common_operator: Operator) -> None:
    common_operator("account", "create", "ß@x.example")
    assert common_operator("account", "show", "ss@x.example").fault == (
        "There is no account with the e-mail 'ss@x.example'."
    )
    assert common_operator("account", "create", "ss@x.example").status == 0
    assert "'E\u0301va@x.example'" in common_operator("account", "show", "E\u0301va@x.example").fault
    assert common_operator("account", "create", "éva@x.example").status == 0
    shown = common_operator("account", "show", "E\u0301VA@X.example", "--json").json
    assert shown["email"] == "éva@x.example"
    assert common_operator("account", "create", "\u03b1\u03c3@x.example").status == 0
    assert common_operator("account", "create", "\u0391\u03a3@x.example").fault.endswith("exists already.")
