"""What is open is cut when it may no longer be: within two seconds, for the right reason, and nothing beside it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from ipaddress import ip_address

import pytest
import pytest_asyncio

from admitting import (
    CATALOG,
    HTTP_PORT,
    OTHER_PORT,
    TIMED,
    Bought,
    Door,
    bought,
    listed,
    opened_door,
)
from database_line import database_line
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.gateway.admission import admission as admissions
from novaproxy.gateway.model import Entrance, Login
from novaproxy.gateway.refusals import OrderExhausted
from novaproxy.orders import moving
from roles import through
from shop import SEALING_KEY, Shop, open_shop

CUT_SECONDS = 2.0
CLIENT = ip_address("198.51.100.9")
BY_ADDRESS = (None, HTTP_PORT, Entrance.HTTP, CLIENT)


@pytest.fixture(scope="module")
def shop(module_database: Target) -> Iterator[Shop]:
    with open_shop(module_database) as opened:
        opened.apply_catalog(CATALOG)
        yield opened


@pytest_asyncio.fixture
async def door(shop: Shop) -> AsyncIterator[Door]:
    async with opened_door(shop.target) as opened, opened.watched():
        yield opened


async def deactivated(door: Door, order: Bought) -> None:
    await door.does(lambda connection: moving.deactivate(connection, order.uuid, "operator"))


async def suspended(door: Door, order: Bought) -> None:
    await door.sql(
        "UPDATE account SET status = 'suspended' FROM orders WHERE account.id = account_id AND orders.uuid = $1",
        order.uuid,
    )


async def exhausted(door: Door, order: Bought) -> None:
    await door.sql("UPDATE orders SET status = 'exhausted', updated_at = now() WHERE uuid = $1", order.uuid)


async def used_up(door: Door, order: Bought) -> None:
    await door.sql(
        "UPDATE meter SET consumed_bytes = initial_bytes FROM orders WHERE orders.id = order_id AND uuid = $1",
        order.uuid,
    )


async def ended_early(door: Door, order: Bought) -> None:
    await door.sql("UPDATE orders SET expires_at = date_trunc('second', now()) WHERE uuid = $1", order.uuid)


async def reissued(door: Door, order: Bought) -> moving.Reissued:
    async def reissue(connection: SoleConnection) -> moving.Reissued:
        return await moving.reissue(connection, order.uuid, await registered_sealer(connection, SEALING_KEY))

    return await door.does(reissue)


CHANGES: dict[str, tuple[Callable[[Door, Bought], Awaitable[object]], str]] = {
    "switched off": (deactivated, "order_inactive"),
    "suspended": (suspended, "account_suspended"),
    "exhausted": (exhausted, "order_exhausted"),
    "used up": (used_up, "order_exhausted"),
    "ended early": (ended_early, "order_expired"),
    "reissued password": (reissued, "proxy_unauthenticated"),
}


async def test_what_is_open_is_cut_within_two_seconds_and_nothing_beside_it(shop: Shop, door: Door) -> None:
    orders = {change: await asyncio.to_thread(bought, shop) for change in CHANGES}
    other = await asyncio.to_thread(bought, shop)
    tunnels = {change: [await door.opens(order.login()) for _ in range(2)] for change, order in orders.items()}
    beside = await door.opens(other.login())

    async def cut(change: str) -> tuple[list[str | None], str]:
        work, _ = CHANGES[change]
        await work(door, orders[change])
        return [await tunnel.cut_within(CUT_SECONDS) for tunnel in tunnels[change]], await door.refusal(
            orders[change].login()
        )

    found = await asyncio.gather(*(cut(change) for change in CHANGES))
    assert found == [([reason] * 2, reason) for _, reason in CHANGES.values()]
    assert beside.reason is None
    assert await door.refusal(other.login()) == "admitted"
    assert door.admission.tunnels == 1


async def test_a_connection_on_its_way_to_an_exit_is_told_that_it_was_cut(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    visit = await door.admit(order.login())
    visit.check()
    await deactivated(door, order)
    await door.admission.look()
    closed: list[str] = []
    with pytest.raises(Exception, match="switched off"):
        visit.check()
    visit.serve(lambda reason: closed.append(reason.code))
    visit.end()
    assert closed == ["order_inactive"]


async def test_whoever_counts_the_bytes_cuts_at_once(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    tunnel = await door.opens(order.login())
    door.admission.cut(tunnel.visit.line.order_id, OrderExhausted)
    door.admission.cut(-1, OrderExhausted)
    assert tunnel.reason == "order_exhausted"
    assert door.admission.tunnels == len(door.admission.lines) == 0


async def test_the_new_password_opens_at_once_and_a_listed_address_stays(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    await listed(door, order, str(CLIENT))
    by_password, by_address = await door.opens(order.login()), await door.opens(*BY_ADDRESS)
    done = await reissued(door, order)
    assert done.username == order.username
    # No look of the watch is waited for.
    new = await door.opens(Login(done.username, done.password))
    assert by_password.reason == "proxy_unauthenticated"
    assert await door.refusal(order.login()) == "proxy_unauthenticated"
    await door.admission.look()
    assert (new.reason, by_address.reason) == (None, None)
    by_address.visit.end()
    await door.sql("DELETE FROM whitelist_address")


async def test_an_order_ends_at_its_second_and_not_before(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    await door.sql(
        "UPDATE orders SET expires_at = date_trunc('second', now() + interval '2 seconds') WHERE uuid = $1", order.uuid
    )
    tunnel = await door.opens(order.login())
    ends_at = tunnel.visit.line.expires_at
    assert ends_at is not None
    assert await tunnel.cut_within(4) == "order_expired"
    (row,) = await door.sql("SELECT clock_timestamp() AS now")
    # What is asked here came after the cut by the time of a new connection to the database.
    assert timedelta() <= row["now"] - ends_at < timedelta(seconds=0.5)
    assert await door.refusal(order.login()) == "order_expired"


async def test_an_order_whose_end_comes_nearer_ends_then(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    tunnel = await door.opens(order.login())
    soon = "date_trunc('second', now() + interval '2 seconds')"
    await door.sql(f"UPDATE orders SET expires_at = {soon} WHERE uuid = $1", order.uuid)  # noqa: S608 -- of ours
    await door.admission.look()
    assert tunnel.reason is None
    assert await tunnel.cut_within(3) == "order_expired"


async def test_an_order_that_is_prolonged_goes_on(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    soon = "date_trunc('second', now() + interval '1 second')"
    await door.sql(f"UPDATE orders SET expires_at = {soon} WHERE uuid = $1", order.uuid)  # noqa: S608 -- of ours
    tunnel = await door.opens(order.login())
    await door.sql("UPDATE orders SET expires_at = expires_at + interval '1 day' WHERE uuid = $1", order.uuid)
    await door.admission.look()
    await asyncio.sleep(1.1)
    assert tunnel.reason is None


async def test_an_address_that_is_taken_off_the_list_is_cut(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    other = ip_address("198.51.100.10")
    await listed(door, order, str(CLIENT), str(other))
    gone = await door.opens(*BY_ADDRESS)
    stays = await door.opens(None, HTTP_PORT, Entrance.HTTP, other)
    by_password = await door.opens(order.login())
    await door.sql("DELETE FROM whitelist_address WHERE address = $1", CLIENT)
    assert await gone.cut_within(CUT_SECONDS) == "address_not_listed"
    assert await door.refusal(*BY_ADDRESS) == "address_not_listed"
    assert (stays.reason, by_password.reason) == (None, None)
    await door.sql("DELETE FROM whitelist_address")


CATALOGS = {
    "another port": (
        CATALOG.replace(f"port: {HTTP_PORT}}}\n      -", "port: 20009}\n      -"),
        True,
        True,
    ),
    "no whitelist": (CATALOG.replace("has_geo_targeting: true\n    has_ip_whitelist: true", ""), False, True),
}


@pytest.mark.parametrize("change", CATALOGS)
async def test_a_new_catalog_cuts_what_it_does_not_allow(shop: Shop, door: Door, change: str) -> None:
    order, other = [await asyncio.to_thread(bought, shop, plan) for plan in ("proxy", "other")]
    await listed(door, order, str(CLIENT))
    by_password, by_address = await door.opens(order.login()), await door.opens(*BY_ADDRESS)
    beside = await door.opens(other.login(), OTHER_PORT)
    catalog, cuts_password, cuts_address = CATALOGS[change]
    assert catalog != CATALOG
    await asyncio.to_thread(shop.apply_catalog, catalog)
    try:
        reason = "wrong_port" if cuts_password else "address_not_listed"
        if cuts_address:
            assert await by_address.cut_within(CUT_SECONDS) == reason
        if cuts_password:
            assert await by_password.cut_within(CUT_SECONDS) == reason
        assert (by_password.reason is None) != cuts_password
        assert beside.reason is None
        assert await door.refusal(*BY_ADDRESS) == "address_not_listed"
        assert await door.refusal(order.login()) == ("wrong_port" if cuts_password else "admitted")
    finally:
        await asyncio.to_thread(shop.apply_catalog, CATALOG)
        await door.sql("DELETE FROM whitelist_address")


async def test_a_resealed_password_cuts_nothing(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    tunnel = await door.opens(order.login())

    async def resealed(connection: SoleConnection) -> None:
        sealer = await registered_sealer(connection, SEALING_KEY)
        await connection.execute(
            "UPDATE orders SET password_sealed = $2 WHERE uuid = $1",
            order.uuid,
            sealer.sealed(order.password, order.uuid),
        )

    await door.does(resealed)
    await door.admission.look()
    assert tunnel.reason is None
    assert await door.refusal(order.login()) == "admitted"


async def test_an_order_that_nobody_uses_is_forgotten(shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaproxy.gateway.admission.lines.KEPT_SECONDS", 0.3)
    used, idle = [await asyncio.to_thread(bought, shop) for _ in range(2)]
    tunnel = await door.opens(used.login())
    await listed(door, idle, str(CLIENT))
    (await door.admit(*BY_ADDRESS)).end()
    assert len(door.admission.lines) == 2
    await asyncio.sleep(1.5)
    assert door.admission.lines.all() == [tunnel.visit.line]
    assert door.admission.lines.listed() == []
    await door.sql("DELETE FROM whitelist_address")


# The database is away.


@pytest_asyncio.fixture
async def door_and_line(shop: Shop) -> AsyncIterator[tuple[Door, Callable[[], None], Callable[[], None]]]:
    with database_line(shop.target) as line:

        def down() -> None:
            line.is_down = True
            line.cut()

        def up() -> None:
            line.is_down = False

        async with opened_door(shop.target, through(line.target, shop.target)) as opened, opened.watched():
            yield opened, down, up


Cut = tuple[Door, Callable[[], None], Callable[[], None]]


async def test_without_a_database_what_is_in_use_goes_on_to_its_end_and_nothing_new_comes(
    shop: Shop, door_and_line: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, down, up = door_and_line
    monkeypatch.setattr(admissions, "UNSEEN_SECONDS", 2.5)
    metered, ending, new = [await asyncio.to_thread(bought, shop) for _ in range(3)]
    unmetered = await asyncio.to_thread(bought, shop, **TIMED)
    await door.sql(
        "UPDATE orders SET expires_at = date_trunc('second', now() + interval '2 seconds') WHERE uuid = $1", ending.uuid
    )
    goes_on, ends, runs_dry = [await door.opens(order.login()) for order in (metered, ending, unmetered)]
    down()
    began_at = time.monotonic()
    await deactivated(door, metered)
    assert await door.refusal(new.login()) == "gateway_unavailable"
    assert await door.refusal(Login(metered.username, "b" * 15)) == "gateway_unavailable"
    assert await door.refusal(metered.login()) == "admitted"
    assert await ends.cut_within(3) == "order_expired"
    assert await runs_dry.cut_within(5) == "gateway_unavailable"
    assert time.monotonic() - began_at > 1.5
    assert goes_on.reason is None
    up()
    assert await goes_on.cut_within(CUT_SECONDS + 1) == "order_inactive"
    assert await door.refusal(new.login()) == "admitted"
    assert await door.refusal(unmetered.login()) == "admitted"
