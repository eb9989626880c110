"""``novaproxy key`` by the real command: a new key beside a running service, passwords put under it, killed, raced."""

import asyncio
import base64
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from commands import Operator, database_url
from loads import under_load
from novaproxy.credentials.keys import Keys, exposure, sealing_keys
from novaproxy.credentials.seal import fingerprint, registered_sealer, shown
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.seeding.accounts import seed_accounts
from novaproxy.seeding.orders import Past, seed_orders
from novaproxy.seeding.tokens import TokenFile
from services import SEALING_KEY_TEXT, Service, url
from shop import CATALOG, SEALING_KEY, Buyer, Shop, serving

if TYPE_CHECKING:
    import subprocess

OTHER_KEY = bytes(range(32))
OTHER_TEXT = base64.b64encode(OTHER_KEY).decode()
THIRD_TEXT = base64.b64encode(bytes(range(1, 33))).decode()
SOLD = {"plan": "mobile", "bandwidth": 1}


@pytest.fixture
def owner(database: Target, tmp_path: Path) -> Operator:
    """An operator whose key is in a file, beside a database of his own."""
    (tmp_path / "sealing.key").write_text(SEALING_KEY_TEXT)
    return Operator(tmp_path, {"NOVAPROXY_DATABASE_URL": database_url(database), "NOVAPROXY_DATA_DIR": str(tmp_path)})


@pytest.fixture
def shop(database: Target) -> Iterator[Shop]:
    """A shop whose services the test starts."""
    opened = Shop(database, "http://nowhere")
    opened.apply_catalog(CATALOG.read_text())
    yield opened
    opened.http.close()
    opened.assert_books_hold()


def with_keys(target: Target, *keys: str) -> Service:
    return Service({"NOVAPROXY_DATABASE_URL": url(target), "NOVAPROXY_SEALING_KEY": ",".join(keys)})


def of_operator(owner: Operator) -> Service:
    return Service(dict(owner.settings))


def keys_of(owner: Operator) -> Keys:
    return sealing_keys(None, owner.directory / "sealing.key", is_first=False)


def use(shop: Shop, keys: Keys) -> None:
    """Take the first of *keys* into use, as a service does at its start."""
    shop.run(lambda connection: registered_sealer(connection, *keys))


def counted(shop: Shop) -> dict[str, int]:
    """Return how many orders each key seals."""
    rows = shop.sql(
        "SELECT fingerprint, count(*) AS orders FROM orders JOIN sealing_key ON sealing_key.id = sealing_key_id "
        "GROUP BY fingerprint"
    )
    return {shown(row["fingerprint"]): row["orders"] for row in rows}


def ordered(shop: Shop, address: str, buyer: Buyer, key: str | None = None) -> dict[str, object]:
    """Return an order that is placed at the service of *address*."""
    headers = buyer.headers | ({"Idempotency-Key": key} if key else {})
    placed = shop.http.post(f"{address}/orders", json=SOLD, headers=headers)
    assert placed.status_code == 201, placed.text
    return dict(placed.json())


def test_a_key_is_changed_beside_the_open_shop_and_buyers_see_the_same(shop: Shop, owner: Operator) -> None:
    old = shown(fingerprint(SEALING_KEY))
    buyer = shop.buyer()
    with of_operator(owner) as service:
        first = ordered(shop, service.address, buyer, "one")
        told = owner("key", "rotate").said.splitlines()
        new = shown(fingerprint(keys_of(owner)[0]))
        assert told[0] == f"Put the new key {new} in front of 1 in {owner.directory}/sealing.key."
        assert keys_of(owner)[1:] == (SEALING_KEY,)
        # The service that runs has the old key alone: until its restart nothing is sealed with the new one.
        by_hand = shop.http.post(
            f"{service.address}/orders", json={"plan": "by-hand", "bandwidth": 3}, headers=buyer.headers
        ).json()["uuid"]
        assert owner("order", "deliver", by_hand).said
        ordered(shop, service.address, buyer)
        assert counted(shop) == {old: 3}
        assert [(row["fingerprint"], row["use"], row["orders"]) for row in owner("key", "list", "--json").json] == [
            (new, "waits for a restart", 0),
            (old, "seals new orders", 3),
        ]
        assert owner("key", "reseal").fault.startswith("The newest key is not in use yet: restart the service with it")
        assert "restart the service before another one" in owner("key", "rotate").fault

        assert service.end() == 0
        service.restart()
        ordered(shop, service.address, buyer)
        assert counted(shop) == {old: 3, new: 1}
        # A replay of an order from before shows the same password.
        assert ordered(shop, service.address, buyer, "one") == first
        before = shop.http.get(f"{service.address}/orders", headers=buyer.headers).json()
        assert all(order["password"] for order in before)
        assert owner("key", "reseal").said.splitlines()[:2] == [
            f"Resealed 3 passwords under the key {new}.",
            f"No order is sealed with an older key: {old} can be removed behind the first.",
        ]
        assert counted(shop) == {new: 4}
        assert shop.http.get(f"{service.address}/orders", headers=buyer.headers).json() == before

        (newest, *_), file = keys_of(owner), owner.directory / "sealing.key"
        file.write_text(base64.b64encode(newest).decode())
        assert service.end() == 0
        service.restart()
        assert shop.http.get(f"{service.address}/orders", headers=buyer.headers).json() == before
        assert [row["use"] for row in owner("key", "list", "--json").json] == ["seals new orders", "not given"]
        assert owner("key", "reseal").said.endswith("No order is sealed with another key.\n")


def test_two_services_on_different_keys_open_each_others_orders(shop: Shop, database: Target) -> None:
    buyer = shop.buyer()
    # First everybody is given the new key behind the old one, then each has it in front: at no time is one without it.
    with with_keys(database, SEALING_KEY_TEXT, OTHER_TEXT) as behind:
        pairs = [(ordered(shop, behind.address, buyer, "a"), "a")]
        # From here on the new key is in use, and the service that runs did not know its number.
        with with_keys(database, OTHER_TEXT, SEALING_KEY_TEXT) as ahead:
            pairs.append((ordered(shop, ahead.address, buyer, "b"), "b"))
            assert_both_open(shop, (behind, ahead), buyer, pairs)


def assert_both_open(
    shop: Shop, both: Sequence[Service], buyer: Buyer, pairs: Sequence[tuple[dict[str, object], str]]
) -> None:
    assert sorted(counted(shop).values()) == [1, 1]
    for service in both:
        for order, name in pairs:
            assert ordered(shop, service.address, buyer, name) == order
            shown_again = shop.http.get(f"{service.address}/orders/{order['uuid']}", headers=buyer.headers)
            assert order.items() <= shown_again.json().items()
        assert len(shop.http.get(f"{service.address}/orders", headers=buyer.headers).json()) == len(pairs)


def test_a_service_without_the_key_of_an_order_asks_for_patience(shop: Shop, database: Target) -> None:
    buyer = shop.buyer()
    with with_keys(database, SEALING_KEY_TEXT) as without, with_keys(database, OTHER_TEXT, SEALING_KEY_TEXT) as ahead:
        order = ordered(shop, ahead.address, buyer, "a")
        again = shop.http.post(f"{without.address}/orders", json=SOLD, headers=buyer.headers | {"Idempotency-Key": "a"})
        assert (again.status_code, again.headers["retry-after"]) == (503, "1")
        assert 'event="sealing key not given"' in without.log()
        assert str(order["uuid"]) in without.log()
        assert ordered(shop, without.address, buyer, "b")
        assert shop.value("SELECT count(*) FROM orders") == 2


def test_a_missing_old_key_is_one_clear_sentence(shop: Shop, database: Target, owner: Operator) -> None:
    buyer = shop.buyer()
    with serving(database) as address:
        ordered(shop, address, buyer)
    use(shop, (OTHER_KEY, SEALING_KEY))
    old = shown(fingerprint(SEALING_KEY))
    missing = (
        f"Orders are sealed with the key {old}, which is not given: add it behind the first key (to the key file a "
        "line, to NOVAPROXY_SEALING_KEY after a comma)."
    )
    forgetful = Operator(owner.directory, {**owner.settings, "NOVAPROXY_SEALING_KEY": OTHER_TEXT})
    for words in (("serve", "--port", "0"), ("key", "reseal")):
        assert forgetful(*words).fault == missing
    listed = forgetful("key", "list")
    assert listed.status == 1
    assert listed.errors == f"novaproxy: The key {old} is not given, and orders are sealed with it: 1.\n"
    assert "The keys come from NOVAPROXY_SEALING_KEY" in forgetful("key", "rotate").fault
    strange = Operator(owner.directory, {**owner.settings, "NOVAPROXY_SEALING_KEY": THIRD_TEXT})
    named = " or ".join(shown(fingerprint(key)) for key in (OTHER_KEY, SEALING_KEY))
    for words in (("serve", "--port", "0"), ("key", "reseal")):
        assert strange(*words).fault == (
            f"This is not the key that the database's proxy passwords were sealed with, which is {named}: bring back "
            "the key file of this installation, or set NOVAPROXY_SEALING_KEY to its content."
        )
    # Nothing is made in place of a file that is missing.
    (owner.directory / "sealing.key").unlink()
    assert "is missing" in owner("key", "rotate").fault
    assert not (owner.directory / "sealing.key").exists()


@pytest.mark.parametrize("command", ["rotate", "reseal"])
def test_a_shop_that_was_never_open_gets_no_key_by_a_command(shop: Shop, owner: Operator, command: str) -> None:
    (owner.directory / "sealing.key").unlink()

    assert owner("key", command).fault == (
        "This shop was never open, so it has no key yet: 'novaproxy serve' makes the first one."
    )
    assert not (owner.directory / "sealing.key").exists()
    assert shop.value("SELECT count(*) FROM sealing_key") == 0


@pytest.mark.parametrize(
    ("mode", "is_exposed"),
    [(0o600, False), (0o400, False), (0o640, False), (0o644, True), (0o660, True), (0o604, True), (0o666, True)],
)
def test_a_key_file_that_others_can_read_or_change_is_told(tmp_path: Path, mode: int, *, is_exposed: bool) -> None:
    file = tmp_path / "sealing.key"
    assert exposure(file) is None
    file.write_text(SEALING_KEY_TEXT)
    file.chmod(mode)

    assert exposure(file) == (
        f"Others than its owner can read or change the key file {file} (mode {mode:04o}): run chmod 600 on it."
        if is_exposed
        else None
    )


def test_of_two_rotations_at_once_no_key_is_lost(shop: Shop, owner: Operator) -> None:
    use(shop, keys_of(owner))
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda _: owner("key", "rotate"), range(3)))
    assert sorted(one.status for one in ran) == [0, 1, 1]
    assert len(keys_of(owner)) == 2
    assert sorted(path.name for path in owner.directory.iterdir()) == ["sealing.key"]


def passwords(shop: Shop, keys: Keys) -> dict[str, str]:
    """Return every password in the shop."""

    async def opened(connection: SoleConnection) -> dict[str, str]:
        sealer = await registered_sealer(connection, *keys)
        rows = await connection.fetch(
            "SELECT uuid, password_sealed, sealing_key_id FROM orders WHERE password_sealed IS NOT NULL"
        )
        return {
            str(row["uuid"]): sealer.opened(row["password_sealed"], row["uuid"], row["sealing_key_id"]) for row in rows
        }

    return shop.run(opened)


def wait_for_first_seal(target: Target, key_id: int, command: "subprocess.Popen[bytes]") -> None:
    """Wait until an order is sealed with the key, looking closely."""

    async def seen() -> None:
        connection = await opened_connection(target)
        try:
            while not await connection.fetchval("SELECT EXISTS (SELECT FROM orders WHERE sealing_key_id = $1)", key_id):
                assert command.poll() is None
        finally:
            await connection.close()

    asyncio.run(seen())


def test_resealing_is_killed_and_done_again_beside_orders_and_moves(
    shop: Shop, owner: Operator, database: Target
) -> None:
    async def sold(connection: SoleConnection) -> None:
        with TokenFile(owner.directory / "tokens", pytest.fail) as file:
            await seed_accounts(connection, 20, 10_000_00, file, lambda _: None)
        await seed_orders(
            connection, Past(4_000, 90, 1), await registered_sealer(connection, SEALING_KEY), lambda _: None
        )

    shop.run(sold)
    buyers = [shop.buyer(1_000_000_00) for _ in range(2)]
    with serving(database) as address:
        waiting = [
            shop.http.post(
                f"{address}/orders", json={"plan": "by-hand", "bandwidth": 3}, headers=buyers[0].headers
            ).json()["uuid"]
            for _ in range(4)
        ]
    assert owner("key", "rotate").said
    keys = keys_of(owner)
    with of_operator(owner) as service:
        before = passwords(shop, keys)
        assert len(before) > 2_000
        new = shop.value("SELECT id FROM sealing_key WHERE fingerprint = $1", fingerprint(keys[0]))
        with under_load(lambda: service.address, buyers) as load, owner.start("key", "reseal") as command:
            moves = threading.Thread(
                target=lambda: owner.all(
                    *(("order", "deliver", uuid) for uuid in waiting[:2]),
                    *(("order", "fail", uuid, "--reason", "r") for uuid in waiting[2:]),
                )
            )
            moves.start()
            wait_for_first_seal(database, new, command)
            command.kill()
            command.wait(20)
            halfway = counted(shop)
            assert len(halfway) == 2, "it was killed in the middle"
            done = owner("key", "reseal")
            moves.join()
        assert not load.faults
        assert done.status == 0, done.errors
        assert list(counted(shop)) == [shown(fingerprint(keys[0]))]
        after = passwords(shop, keys[:1])
        assert before.items() <= after.items()
        statuses = {str(row["uuid"]): row["status"] for row in shop.sql("SELECT uuid, status FROM orders")}
        assert [statuses[uuid] for uuid in waiting] == ["active", "active", "failed", "failed"]


def test_a_changed_password_is_told_and_stops_no_other(shop: Shop, owner: Operator, database: Target) -> None:
    buyer = shop.buyer()
    with serving(database) as address:
        spoiled, sound = (ordered(shop, address, buyer) for _ in range(2))
    assert owner("key", "rotate").said
    use(shop, keys_of(owner))
    shop.sql(
        "UPDATE orders SET password_sealed = set_byte(password_sealed, 20, 255 - get_byte(password_sealed, 20)) "
        "WHERE uuid = $1::text::uuid",
        spoiled["uuid"],
    )
    ran = owner("key", "reseal")
    assert ran.status == 1
    assert ran.errors.splitlines() == [
        f"novaproxy: The password of the order {spoiled['uuid']} cannot be opened: what is stored was changed.",
        "novaproxy: Keep the older keys; orders that they do not open: 1.",
    ]
    assert sound["uuid"]
    assert sorted(counted(shop).values()) == [1, 1]
