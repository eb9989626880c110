"""The programs in ``examples``, each against a real service: what they print, and what the database then holds."""
# ruff: noqa: S603 -- the programs are ours, the arguments the tests' own

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from commands import environment
from customer_line import Fate, customer_line
from programs import needed
from shop import Buyer, Shop

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOLS = {
    "buy.sh": ("sh", "curl", "jq"),
    "buy.py": (sys.executable,),
    "buy.mjs": ("node",),
    "buy.php": ("php",),
}
"""Each program with what it needs; the first one runs it."""

EARLIER_ORDERS = 100
"""With one more they fill more than the one page that the programs ask for at a time."""


@dataclass(frozen=True, slots=True)
class Client:
    """One of the programs."""

    command: list[str]

    def run(self, address: str, token: str, *words: str) -> "Told":
        """Run it to its end against the service at *address*."""
        ran = subprocess.run(
            [*self.command, *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment(NOVAPROXY_URL=address, NOVAPROXY_TOKEN=token),
            timeout=60,
        )
        return Told(ran.returncode, ran.stdout.splitlines(), ran.stderr)


@dataclass(frozen=True, slots=True)
class Told:
    """What a program said; *lines* are those of its standard output."""

    status: int
    lines: list[str]
    errors: str

    @property
    def order(self) -> tuple[str, str, Decimal]:
        """The uuid, status and price of the order it placed."""
        (line,) = [line for line in self.lines if line.startswith("Order ")]
        uuid, told = line.removeprefix("Order ").split(": ")
        status, price = told.split(", charged ")
        return uuid, status, Decimal(price)

    @property
    def orders(self) -> list[tuple[str, str, Decimal]]:
        """The uuid, status and price of each order it listed."""
        listed = self.lines[self.lines.index("All orders:") + 1 : -1]
        return [(uuid, status, Decimal(price)) for uuid, status, price in (line.split() for line in listed)]

    @property
    def balance(self) -> tuple[Decimal, str]:
        """What it said is left, with its currency."""
        amount, currency = self.lines[-1].removeprefix("Balance: ").split()
        return Decimal(amount), currency


def tried(program: str) -> Client:
    """Return *program*; the test is skipped where a tool is missing, or fails where NOVAPROXY_CLIENTS=required."""
    needed(*TOOLS[program], untried=f"examples/{program}")
    return Client([TOOLS[program][0], str(EXAMPLES / program)])


@pytest.fixture(params=TOOLS)
def client(request: pytest.FixtureRequest) -> Client:
    """Each program in turn."""
    return tried(request.param)


@pytest.fixture(scope="module")
def regular(common_shop: Shop) -> Buyer:
    """A customer with more orders than stand on one page."""
    buyer = common_shop.buyer()
    for _ in range(EARLIER_ORDERS):
        assert common_shop.order(buyer, plan="free", bandwidth=1).status_code == 201
    return buyer


def in_database(shop: Shop, buyer: Buyer) -> list[tuple[str, str, Decimal]]:
    """Return the uuid, status and price of a customer's orders, newest first."""
    rows = shop.sql(
        "SELECT uuid, status, net_cents FROM orders WHERE account_id = $1 ORDER BY created_at DESC, id DESC",
        buyer.account_id,
    )
    return [(str(row["uuid"]), row["status"], Decimal(row["net_cents"]) / 100) for row in rows]


def charges(shop: Shop, buyer: Buyer) -> list[int]:
    """Return what each order of a customer's was charged, in cents."""
    rows = shop.sql("SELECT amount_cents FROM transfer WHERE account_id = $1 AND kind = 'charge'", buyer.account_id)
    return [row["amount_cents"] for row in rows]


def credentials(shop: Shop, buyer: Buyer) -> Mapping[str, Any]:
    """Return a customer's only order as the API shows it."""
    (order,) = shop.http.get("/orders", headers=buyer.headers).json()
    shown: Mapping[str, Any] = order
    return shown


def test_a_client_prints_what_it_bought_and_what_is_left(common_shop: Shop, client: Client) -> None:
    buyer = common_shop.buyer(balance_cents=25_00)

    told = client.run(common_shop.address, buyer.token)

    assert (told.status, told.errors) == (0, "")
    slugs = [plan["slug"] for plan in common_shop.http.get("/plans").json()]
    assert told.lines[0] == f"For sale: {', '.join(slugs)}"
    assert [told.order] == told.orders == in_database(common_shop, buyer)
    assert told.order[1:] == ("active", Decimal(10))
    bought = credentials(common_shop, buyer)
    assert f"Username {bought['username']}" in told.lines
    assert f"Password {bought['password']}" in told.lines
    assert told.balance == (Decimal(15), "USD")
    assert charges(common_shop, buyer) == [10_00]


def test_a_client_lists_each_order_once_over_several_pages(common_shop: Shop, regular: Buyer, client: Client) -> None:
    told = client.run(common_shop.address, regular.token, '{"plan": "free", "bandwidth": 1}')

    assert len(told.orders) > EARLIER_ORDERS
    assert told.orders == in_database(common_shop, regular)


def test_a_client_says_when_the_credentials_follow(common_shop: Shop, client: Client) -> None:
    buyer = common_shop.buyer()

    told = client.run(common_shop.address, buyer.token, '{"plan": "by-hand", "bandwidth": 1}')

    assert told.status == 0
    assert told.order[1] == "pending"
    assert "The credentials follow." in told.lines


def test_an_order_whose_answer_does_not_come_is_sent_again_and_charged_once(common_shop: Shop, client: Client) -> None:
    def bought(fate: Fate) -> tuple[Buyer, Told, int]:
        buyer = common_shop.buyer(balance_cents=25_00)
        with customer_line(common_shop.address, fate) as line:
            return buyer, client.run(line.address, buyer.token), line.seen

    # Side by side: most of the time is the pause before the second attempt.
    with ThreadPoolExecutor(len(Fate)) as pool:
        for fate, (buyer, told, seen) in zip(Fate, pool.map(bought, Fate), strict=True):
            assert (fate, told.status) == (fate, 0), told.errors
            assert (fate, seen) == (fate, 2)
            assert [told.order] == in_database(common_shop, buyer)
            assert told.balance == (Decimal(15), "USD")
            assert charges(common_shop, buyer) == [10_00]


def test_a_client_run_again_with_its_key_buys_nothing_more(common_shop: Shop, client: Client) -> None:
    buyer = common_shop.buyer(balance_cents=25_00)
    order, key = json.dumps({"plan": "residential", "bandwidth": 2}), str(uuid4())

    first, second = (client.run(common_shop.address, buyer.token, order, key) for _ in range(2))

    assert first.order == second.order
    assert charges(common_shop, buyer) == [10_00]


def test_a_client_without_enough_balance_says_what_it_holds(common_shop: Shop, client: Client) -> None:
    buyer = common_shop.buyer(balance_cents=9_99)

    told = client.run(common_shop.address, buyer.token)

    assert told.status == 1
    assert told.errors.strip() == "Insufficient balance. You hold 9.99 USD."
    assert in_database(common_shop, buyer) == []


def test_a_client_tells_the_sentence_and_the_code_of_a_refusal(common_shop: Shop, client: Client) -> None:
    buyer = common_shop.buyer()

    told = client.run(common_shop.address, buyer.token, '{"plan": "no-such-plan", "bandwidth": 2}')

    assert told.status == 1
    assert told.errors.strip() == "Plan 'no-such-plan' not found. (plan_not_found)"


def test_a_client_with_a_token_that_opens_nothing_is_told_so(common_shop: Shop, client: Client) -> None:
    told = client.run(common_shop.address, "no-such-token")

    assert told.status == 1
    assert told.errors.strip() == "Unauthenticated. (unauthenticated)"


def test_the_token_stands_in_no_command_line(
    common_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments can be read by everybody on the machine: buy.sh hands curl the token on its standard input."""
    shell = tried("buy.sh")
    arguments = tmp_path / "arguments"
    spy = tmp_path / "curl"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{arguments}\nexec {shutil.which("curl")} "$@"\n')
    spy.chmod(0o755)
    buyer = common_shop.buyer()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert shell.run(common_shop.address, buyer.token).status == 0

    assert "Idempotency-Key" in arguments.read_text()
    assert buyer.token not in arguments.read_text()


def test_the_python_example_says_what_it_misses(common_shop: Shop) -> None:
    client = Client([sys.executable, str(EXAMPLES / "buy.py")])

    unset, broken = client.run(common_shop.address, ""), client.run(common_shop.address, "token", '{"plan": ')

    assert (unset.status, unset.errors) == (1, "Set NOVAPROXY_TOKEN; see the top of this file.\n")
    assert broken.status == 1
    assert broken.errors.startswith("ORDER is not JSON: ")
