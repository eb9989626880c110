"""``novaproxy order`` by the real command, beside the running service."""

import io
import re
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest

from commands import Operator
from novaproxy.cli import main
from services import SEALING_KEY_TEXT
from shop import Buyer, Shop
from terminals import at_terminal

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOBODYS = "0190f3a0-7c3e-7d3a-9d3e-3f1f0e6f4b52"


@pytest.fixture(scope="module")
def operator(common_shop: Shop, common_operator: Operator) -> Iterator[Operator]:
    """The operator of the module's shop, who has its key."""
    key = {"NOVAPROXY_SEALING_KEY": SEALING_KEY_TEXT}
    yield Operator(common_operator.directory, {**common_operator.settings, **key})
    common_shop.assert_books_hold()


@pytest.fixture
def buyer(common_shop: Shop) -> Buyer:
    return common_shop.buyer(100_00)


def by_hand(shop: Shop, buyer: Buyer, key: str | None = None, **more: object) -> str:
    """Return the uuid of an order of 3 GB for 6.00 that waits for delivery."""
    placed = shop.order(buyer, key, plan="by-hand", bandwidth=3, **more)
    assert placed.status_code == 201
    return str(placed.json()["uuid"])


def seen(shop: Shop, buyer: Buyer, uuid: str) -> dict[str, object]:
    """Return an order as its buyer sees it."""
    answer: dict[str, object] = shop.http.get(f"/orders/{uuid}", headers=buyer.headers).json()
    return answer


def test_an_order_is_delivered_with_new_credentials(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = by_hand(common_shop, buyer)
    told = operator("order", "deliver", uuid).said.splitlines()
    delivered = seen(common_shop, buyer, uuid)
    assert told == [
        f"Delivered the order {uuid}.",
        f"Username: {delivered['username']}",
        f"The buyer sees it and the password with GET /orders/{uuid}.",
    ]
    assert delivered["status"] == "active"
    assert operator("order", "deliver", uuid).fault == "The order is active: only a pending order can be delivered."
    shown = operator("order", "show", uuid, "--with-password", "--json").json
    assert (shown["username"], shown["password"]) == (delivered["username"], delivered["password"])


def test_an_order_is_delivered_with_the_credentials_that_are_given(
    common_shop: Shop, operator: Operator, buyer: Buyer
) -> None:
    uuid, other = by_hand(common_shop, buyer), by_hand(common_shop, buyer)
    given = ("--username", "given0username0", "--password", "-")
    assert operator("order", "deliver", uuid, *given, stdin=b"given0password0\n").said.count("given0username0") == 1
    delivered = seen(common_shop, buyer, uuid)
    assert (delivered["username"], delivered["password"]) == ("given0username0", "given0password0")
    taken = operator("order", "deliver", other, *given, stdin=b"given0password0")
    assert taken.fault == "Another order has the username 'given0username0' already."
    assert seen(common_shop, buyer, other)["status"] == "pending"


GOOD, BAD = "a" * 15, "must be 15 lower-case letters and digits."
BOTH = "Give both --username and '--password -', or neither: then both are made."
LISTED = "The password is only read from standard input, where nobody else sees it: write '--password -'."
REFUSED = [
    (("--username", GOOD), b"", BOTH),
    (("--password", "-"), GOOD.encode(), BOTH),
    (("--username", GOOD, "--password", GOOD), b"", LISTED),
    (("--username", "A" * 15, "--password", "-"), b"", f"The username {BAD}"),
    (("--username", "é" * 15, "--password", "-"), b"", f"The username {BAD}"),
    *(
        (("--username", GOOD, "--password", "-"), stdin, f"The password {BAD}")
        for stdin in (b"", b"\n", b"hush", b"a" * 16, b"a" * 15 + b"\nb\n", b"a" * 15 + b" ", b"\xff" * 15)
    ),
]


# In this process: they are refused before the database is opened.
@pytest.mark.parametrize(("words", "stdin", "sentence"), REFUSED)
def test_credentials_that_cannot_be_sold_are_refused_and_never_repeated(
    words: tuple[str, ...],
    stdin: bytes,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    with pytest.raises(SystemExit) as ended:
        main(["order", "deliver", NOBODYS, *words])
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", f"novaproxy: {sentence}\n")


def test_a_failed_order_gives_its_price_back_once(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = by_hand(common_shop, buyer, discount_code="TEN")
    told = operator("order", "fail", uuid, "--reason", "No exits left").said
    assert told == f"Failed the order {uuid}; 5.40 USD went back to {buyer.email}.\nBalance: 100.00 USD\n"
    again = operator("order", "fail", uuid, "--reason", "Once more")
    assert again.fault == "The order is failed: only a pending order can be failed."
    entries = operator("account", "ledger", buyer.email, "--json").json
    assert [(entry["kind"], entry["amount"], entry["balance_after"]) for entry in entries] == [
        ("refund", 5.4, 100),
        ("charge", -5.4, 94.6),
        ("credit", 100, 100),
    ]
    assert (entries[0]["order_uuid"], entries[0]["reason"], entries[0]["actor"]) == (uuid, "No exits left", "operator")
    assert operator("order", "fail", NOBODYS, "--reason", " ").fault == "The reason must not be empty."


def test_an_order_without_a_price_has_nothing_to_give_back(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = by_hand(common_shop, buyer, discount_code="ALL")
    told = operator("order", "fail", uuid, "--reason", "r").said
    assert told == f"Failed the order {uuid}; there was nothing to give back to {buyer.email}.\nBalance: 100.00 USD\n"


def test_an_order_is_switched_off_and_on(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = str(common_shop.order(buyer, plan="unlimited", duration="1_day").json()["uuid"])
    assert operator("order", "deactivate", uuid).said == f"Deactivated the order {uuid}.\n"
    assert seen(common_shop, buyer, uuid)["status"] == "inactive"
    twice = operator("order", "deactivate", uuid)
    assert twice.fault == "The order is inactive: only an active order can be deactivated."
    assert operator("order", "activate", uuid).said == f"Activated the order {uuid}.\n"
    assert seen(common_shop, buyer, uuid)["status"] == "active"
    shown = operator("order", "show", uuid, "--json").json
    assert [(move["from"], move["to"], move["actor"]) for move in shown["moves"]] == [
        ("active", "inactive", "operator"),
        ("inactive", "active", "operator"),
    ]
    assert all(STAMP.fullmatch(move["created_at"]) and move["cause"] for move in shown["moves"])


def test_a_used_up_order_is_not_switched_on(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = str(common_shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"])
    operator("order", "deactivate", uuid)
    count = "UPDATE meter SET consumed_bytes = {} FROM orders WHERE orders.id = order_id AND uuid = $1"
    common_shop.sql(count.format("initial_bytes"), UUID(uuid))
    refused = operator("order", "activate", uuid)
    assert refused.fault == "All bandwidth of the order is used: switched on, it would be exhausted at once."
    assert seen(common_shop, buyer, uuid)["status"] == "inactive"
    common_shop.sql(count.format("initial_bytes - 1"), UUID(uuid))
    assert operator("order", "activate", uuid).said == f"Activated the order {uuid}.\n"
    common_shop.sql(count.format("0"), UUID(uuid))


def test_an_order_gets_a_new_password(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = str(common_shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"])
    placed, waiting = seen(common_shop, buyer, uuid), by_hand(common_shop, buyer)
    told = operator("order", "reissue", uuid).said.splitlines()
    now = seen(common_shop, buyer, uuid)
    assert told == [
        f"Issued a new password for the order {uuid}.",
        f"Username: {placed['username']}",
        f"Password: {now['password']}",
    ]
    assert now["password"] != placed["password"]
    assert now | {"password": None} == placed | {"password": None}
    operator("order", "deactivate", uuid)
    assert operator("order", "reissue", uuid).status == 0
    assert operator("order", "reissue", waiting).fault == "The order is pending: it has no password."


def test_an_order_that_is_not_there_is_one_clear_sentence(operator: Operator) -> None:
    unknown = [
        ("order", "show", NOBODYS),
        ("order", "deliver", NOBODYS.upper()),
        ("order", "fail", NOBODYS, "--reason", "r"),
        ("order", "deactivate", NOBODYS),
        ("order", "activate", NOBODYS),
        ("order", "reissue", NOBODYS),
    ]
    assert [ran.fault for ran in operator.all(*unknown)] == [f"There is no order {NOBODYS}."] * 6


@pytest.mark.parametrize("written", ["17", "", NOBODYS[:-1], NOBODYS.replace("-", ""), f"{{{NOBODYS}}}", "x" * 3000])
@pytest.mark.parametrize("move", ["show", "deliver", "fail", "deactivate", "activate", "reissue"])
def test_what_is_no_uuid_is_one_clear_sentence(move: str, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["order", move, written, *(["--reason", "r"] if move == "fail" else [])])
    assert ended.value.code == 1
    told = f"'{written[:100]}' is no order's uuid; one is written like {NOBODYS}. 'novaproxy order list' shows them."
    assert capsys.readouterr() == ("", f"novaproxy: {told}\n")


def test_one_order_is_shown_with_everything(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    config = {"speed": 10, "country": 7}
    placed = common_shop.order(
        buyer, "key 1", plan="datacenter", duration="1_week", config=config, discount_code="TEN"
    ).json()
    uuid = placed["uuid"]
    json, page, secret = operator.all(
        ("order", "show", uuid, "--json"), ("order", "show", uuid), ("order", "show", uuid, "--with-password")
    )
    shared = set(placed) - {"password", "plan"}
    assert {name: json.json[name] for name in shared} == {name: placed[name] for name in shared}
    assert (json.json["account"], json.json["plan"], json.json["duration"]) == (buyer.email, "datacenter", "1_week")
    assert (json.json["bandwidth"], json.json["validity"], json.json["idempotency_key"]) == (None, None, "key 1")
    assert json.json["moves"] == []
    (entry,) = json.json["entries"]
    assert (entry["kind"], entry["amount"], entry["order_uuid"]) == ("charge", -9, uuid)
    assert "password" not in json.json
    assert placed["password"] not in json.out + page.said
    facts = dict(re.split(r"  +", line, maxsplit=1) for line in page.said.split("\n\n")[0].splitlines())
    assert (facts["Speed"], facts["Country"]) == ("10 (for 1.00)", "Germany (for 0.00)")
    assert (facts["gross"], facts["discount"], facts["price"]) == ("10.00 USD", "1.00 USD by TEN", "9.00 USD")
    assert facts["traffic"] == "0.00 GB used, unmetered"
    assert f"password         {placed['password']}" in secret.said


def test_the_wrong_key_opens_no_password(common_shop: Shop, operator: Operator, buyer: Buyer) -> None:
    uuid = str(common_shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"])
    wrong = Operator(operator.directory, {**operator.settings, "NOVAPROXY_SEALING_KEY": "A" * 43 + "="})
    assert "not the key" in wrong("order", "show", uuid, "--with-password").fault
    assert wrong("order", "show", uuid).status == 0


@pytest.mark.parametrize("stored", [b"\x00\x01", bytes(43)])
def test_a_damaged_password_is_one_clear_sentence(
    common_shop: Shop, operator: Operator, buyer: Buyer, stored: bytes
) -> None:
    uuid = str(common_shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"])
    common_shop.sql("UPDATE orders SET password_sealed = $2 WHERE uuid = $1", UUID(uuid), stored)
    told = f"The password of the order {uuid} cannot be opened: what is stored was changed."
    assert operator("order", "show", uuid, "--with-password").fault == told
    assert operator("order", "show", uuid).status == 0


def test_a_list_is_filtered_by_what_is_shown_and_by_whose_it_is(
    common_shop: Shop, operator: Operator, buyer: Buyer
) -> None:
    waiting = [by_hand(common_shop, buyer) for _ in range(3)]
    ended = common_shop.order(buyer, plan="mobile", bandwidth=1).json()["uuid"]
    common_shop.sql("UPDATE orders SET expires_at = '2020-01-01Z' WHERE uuid = $1", UUID(ended))
    mine = ("order", "list", "--account", buyer.email.upper())
    everything, pending, expired, active, one, mobile, never, odd, nobodys = operator.all(
        (*mine, "--json"),
        (*mine, "--json", "--status", "pending"),
        (*mine, "--json", "--status", "expired"),
        (*mine, "--json", "--status", "active"),
        (*mine, "--json", "--limit", "1"),
        (*mine, "--json", "--plan", "mobile"),
        ("order", "list", "--plan", "Mobile"),
        ("order", "list", "--plan", b"\xff"),
        ("order", "list", "--account", "nobody@example.com"),
    )
    assert [order["uuid"] for order in everything.json] == [ended, *reversed(waiting)]
    assert [order["uuid"] for order in pending.json] == list(reversed(waiting))
    assert [(order["uuid"], order["status"]) for order in expired.json] == [(ended, "expired")]
    assert active.json == []
    assert [order["uuid"] for order in one.json] == [ended]
    assert [order["uuid"] for order in mobile.json] == [ended]
    assert never.fault == "There is no plan 'Mobile'."
    assert odd.fault.startswith("There is no plan ")
    assert nobodys.fault == "There is no account with the e-mail 'nobody@example.com'."
    table = operator(*mine).said.splitlines()
    assert re.split(r"  +", table[0]) == ["uuid", "status", "account", "plan", "net (USD)", "created"]
    assert re.split(r"  +", table[1])[:5] == [ended, "expired", buyer.email, "mobile", "8.00"]
    assert operator(*mine, "--status", "failed").said == "No order is like that.\n"
    screen = at_terminal(operator, *mine)
    assert all(len(line) <= 80 for line in screen.lines)
    # What was sold matters more than what it cost.
    assert re.split(r"  +", screen.lines[0]) == ["uuid", "status", "account", "plan"]
    assert all(any(uuid in line for line in screen.lines) for uuid in (ended, *waiting))
