"""Who is let through: the answer to each connection, and what it costs to find it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from admitting import (
    CATALOG,
    HOME,
    HTTP_PORT,
    OTHER_PORT,
    SOCKS_PORT,
    TIMED,
    Door,
    bought,
    listed,
    opened_door,
)
from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.gateway.admission.admission import MOST_TUNNELS_OF_ORDER
from novaproxy.gateway.admission.line import Visit
from novaproxy.gateway.model import Entrance, Login
from novaproxy.orders import moving
from shop import SEALING_KEY, Shop, open_shop

HTTP, SOCKS5 = Entrance.HTTP, Entrance.SOCKS5


@pytest.fixture(scope="module")
def shop(module_database: Target) -> Iterator[Shop]:
    # Not a shop whose books are audited: orders are put into every status by hand here.
    with open_shop(module_database) as opened:
        opened.apply_catalog(CATALOG)
        yield opened


@pytest_asyncio.fixture
async def door(shop: Shop) -> AsyncIterator[Door]:
    async with opened_door(shop.target) as opened:
        yield opened


async def test_who_has_the_password_is_let_in_on_the_terms_of_his_order(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop, **TIMED)
    visit = await door.admit(order.login())
    line = visit.line
    assert (line.uuid, line.username, line.plan_slug, line.initial_bytes) == (order.uuid, order.username, "timed", None)
    assert (line.bought.bytes_per_second, line.bought.speed_mbits) == (312_500, 3)
    assert (line.bought.threads, line.bought.country) == (3, "de")
    (row,) = await door.sql("SELECT id, account_id, expires_at FROM orders WHERE uuid = $1", order.uuid)
    assert (line.order_id, line.account_id, line.expires_at) == tuple(row)
    assert door.admission.tunnels == 1
    visit.end()
    visit.end()
    assert door.admission.tunnels == 0


async def test_traffic_is_bought_in_bytes(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    visit = await door.admit(order.login())
    assert visit.line.initial_bytes == 2**30
    visit.end()


SET = "UPDATE orders SET {} WHERE uuid = $1"
STANDINGS = {
    "order_inactive": SET.format("status = 'inactive'"),
    "order_expired": SET.format("expires_at = date_trunc('second', now())"),
    "order_exhausted": SET.format("status = 'exhausted'"),
    "account_suspended": (
        "UPDATE account SET status = 'suspended' FROM orders WHERE account.id = account_id AND orders.uuid = $1"
    ),
    "proxy_unauthenticated": SET.format("status = 'failed'"),
}


@pytest.mark.parametrize(("code", "statement"), STANDINGS.items(), ids=list(STANDINGS))
async def test_an_order_that_may_not_is_refused_with_its_reason(
    shop: Shop, door: Door, code: str, statement: str
) -> None:
    order = await asyncio.to_thread(bought, shop)
    await door.sql(statement, order.uuid)
    assert await door.refusal(order.login()) == code
    assert await door.refusal(Login(order.username, "a" * 15)) == "proxy_unauthenticated"
    assert door.admission.tunnels == len(door.admission.lines) == 0


async def test_an_order_that_is_used_up_is_exhausted_before_its_status_says_so(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    await door.sql(
        "UPDATE meter SET consumed_bytes = initial_bytes FROM orders WHERE orders.id = order_id AND uuid = $1",
        order.uuid,
    )
    assert await door.refusal(order.login()) == "order_exhausted"


async def test_a_suspension_is_told_before_what_the_order_is(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    await door.sql(STANDINGS["account_suspended"], order.uuid)
    await door.sql(STANDINGS["order_inactive"], order.uuid)
    assert await door.refusal(order.login()) == "account_suspended"


async def test_what_the_operator_delivered_is_not_ours(shop: Shop, door: Door) -> None:
    placed = await asyncio.to_thread(
        lambda: shop.order(shop.buyer(), plan="not-ours", bandwidth=1).json(),
    )

    async def delivered(connection: SoleConnection) -> moving.Delivered:
        sealer = await registered_sealer(connection, SEALING_KEY)
        return await moving.deliver(connection, UUID(placed["uuid"]), sealer, None, "operator")

    done = await door.does(delivered)
    login = Login(done.username, done.password)
    assert await door.refusal(login) == "proxy_unauthenticated"
    # Nor where the plan is sold by the gateway from now on.
    await asyncio.to_thread(shop.apply_catalog, CATALOG.replace("delivery: manual\n    has_ip", "has_ip"))
    try:
        await asyncio.sleep(1.1)
        assert await door.refusal(login) == "proxy_unauthenticated"
    finally:
        await asyncio.to_thread(shop.apply_catalog, CATALOG)


async def test_an_order_of_the_gateway_is_not_served_on_the_ports_of_another_system(shop: Shop, door: Door) -> None:
    manual = CATALOG.replace("slug: plain\n", "slug: plain\n    delivery: manual\n")
    order = await asyncio.to_thread(bought, shop, "plain")
    await asyncio.to_thread(shop.apply_catalog, manual)
    try:
        assert await door.refusal(order.login()) == "wrong_port"
    finally:
        await asyncio.to_thread(shop.apply_catalog, CATALOG)


PLACES = [
    ("proxy", HTTP_PORT, HTTP, "admitted"),
    ("proxy", SOCKS_PORT, SOCKS5, "admitted"),
    ("proxy", HTTP_PORT, SOCKS5, "wrong_port"),
    ("proxy", SOCKS_PORT, HTTP, "wrong_port"),
    ("proxy", OTHER_PORT, HTTP, "wrong_port"),
    ("other", OTHER_PORT, HTTP, "admitted"),
    ("mobile", HTTP_PORT, HTTP, "wrong_port"),
]


@pytest.mark.parametrize(("plan", "port", "entrance", "answer"), PLACES)
async def test_an_order_is_served_on_the_ports_of_its_plan_alone(
    shop: Shop, door: Door, plan: str, port: int, entrance: Entrance, answer: str
) -> None:
    order = await asyncio.to_thread(bought, shop, plan)
    assert await door.refusal(order.login(), port, entrance) == answer


WISHES: list[tuple[str, dict[str, Any], str]] = [
    ("proxy", {"country": "us", "state": "texas", "city": "austin"}, "admitted"),
    ("proxy", {"session": "a", "ttl_seconds": 60}, "admitted"),
    ("plain", {}, "admitted"),
    ("plain", {"country": "us"}, "parameter_not_valid"),
    ("plain", {"state": "texas"}, "parameter_not_valid"),
    ("plain", {"city": "austin"}, "parameter_not_valid"),
    ("plain", {"session": "a"}, "parameter_not_valid"),
    ("plain", {"ttl_seconds": 60}, "parameter_not_valid"),
    ("timed", {"country": "de"}, "admitted"),
    ("timed", {"country": "us"}, "parameter_not_valid"),
    ("timed", {"country": "de", "city": "berlin"}, "parameter_not_valid"),
]


@pytest.mark.parametrize(("plan", "wish", "answer"), WISHES)
async def test_a_wish_is_granted_where_it_was_sold(
    shop: Shop, door: Door, plan: str, wish: dict[str, Any], answer: str
) -> None:
    order = await asyncio.to_thread(bought, shop, **(TIMED if plan == "timed" else {"plan": plan}))
    assert await door.refusal(order.login(**wish)) == answer


# What asking costs.


async def test_an_order_in_use_is_not_read_again(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    first = await door.admit(order.login())
    assert door.looked_up() == 1
    visits = [await door.admit(order.login()) for _ in range(5)]
    assert door.asked == []
    assert {visit.line for visit in visits} == {first.line}


async def test_first_connections_at_once_read_an_order_once(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    visits = await asyncio.gather(*(door.admit(order.login()) for _ in range(50)))
    assert door.looked_up() == 1
    assert len({visit.line for visit in visits}) == 1
    assert len(visits[0].line.visits) == door.admission.tunnels == 50


async def test_orders_that_are_asked_for_at_once_share_a_statement(shop: Shop, door: Door) -> None:
    orders = [await asyncio.to_thread(bought, shop) for _ in range(5)]
    assert await asyncio.gather(*(door.refusal(order.login()) for order in orders)) == ["admitted"] * 5
    assert door.looked_up() == 1


async def test_an_unknown_username_costs_what_a_wrong_password_does(shop: Shop, door: Door) -> None:
    known, in_use = [await asyncio.to_thread(bought, shop) for _ in range(2)]
    await door.admit(in_use.login())
    door.looked_up()
    costs = []
    for username in ("a" * 15, known.username, in_use.username, "no such name", "\x00", ""):
        opened = door.sealers.opened
        assert await door.refusal(Login(username, "b" * 15)) == "proxy_unauthenticated"
        costs.append((len(door.asked), door.looked_up(), door.sealers.opened - opened))
    assert costs == [(1, 1, 1)] * 6


async def test_whoever_knocks_again_at_once_is_refused_without_a_look(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    wrong = Login(order.username, "b" * 15)
    answers = [await door.refusal(wrong) for _ in range(20)]
    assert (answers, door.looked_up()) == (["proxy_unauthenticated"] * 20, 1)
    assert await door.refusal(order.login()) == "admitted"
    await asyncio.sleep(1.1)
    assert await door.refusal(wrong) == "proxy_unauthenticated"
    assert door.looked_up() == 2


async def test_a_crowd_of_strangers_takes_one_connection_and_leaves_nothing(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    strangers = [Login(f"{number:015}", "b" * 15) for number in range(20_000)]
    crowd = asyncio.gather(*(door.refusal(login) for login in strangers))
    await asyncio.sleep(0)
    answers = await crowd
    assert set(answers) == {"proxy_unauthenticated", "gateway_unavailable"}
    # As many as may wait were looked up, in a handful of statements; the others were told to come again.
    assert 2_048 <= answers.count("proxy_unauthenticated") <= 2_048 + 256
    assert door.looked_up() <= 10
    assert await door.refusal(order.login()) == "admitted"
    assert len(door.admission.lines) == 1


async def test_an_order_has_a_thousand_tunnels_at_most_and_each_place_is_given_back_once(shop: Shop) -> None:
    order, other = [await asyncio.to_thread(bought, shop) for _ in range(2)]
    async with opened_door(shop.target, most_tunnels=2 * MOST_TUNNELS_OF_ORDER) as door:
        visits = [await door.admit(order.login()) for _ in range(MOST_TUNNELS_OF_ORDER)]
        assert await door.refusal(order.login()) == "too_many_tunnels"
        visits.append(await door.admit(other.login()))
        for visit in visits:
            visit.end()
            visit.end()
        assert door.admission.tunnels == 0
        assert await door.refusal(order.login()) == "admitted"


async def test_however_many_accounts_take_all_they_can_another_finds_a_place(shop: Shop) -> None:
    orders = [await asyncio.to_thread(bought, shop) for _ in range(4)]
    async with opened_door(shop.target, most_tunnels=90) as door:
        visits = []
        for order, most in zip(orders, (60, 20, 7, 2), strict=True):
            mine = [await door.admit(order.login()) for _ in range(most)]
            assert await door.refusal(order.login()) == "gateway_unavailable"
            visits += mine
        assert await door.refusal((await asyncio.to_thread(bought, shop)).login()) == "admitted"
        for visit in visits:
            visit.end()
        assert await door.refusal(orders[3].login()) == "admitted"
        assert door.admission.tunnels == 0


async def test_threads_are_counted_by_whoever_counts_all_gateways(shop: Shop) -> None:
    order, free = [await asyncio.to_thread(bought, shop, **fields) for fields in (TIMED, {})]
    held: list[int] = []

    async def take_tunnel(visit: Visit) -> Callable[[], object] | None:
        await asyncio.sleep(0)
        if visit.line.bought.threads is None:
            return lambda: None
        if len(held) >= visit.line.bought.threads:
            return None
        held.append(visit.line.order_id)
        return held.pop

    async with opened_door(shop.target, take_tunnel=take_tunnel) as door:
        visits = [await door.admit(order.login()) for _ in range(3)]
        assert await door.refusal(order.login()) == "too_many_tunnels"
        assert (len(held), door.admission.tunnels) == (3, 3)
        visits[0].end()
        visits[0].end()
        assert len(held) == 2
        assert await door.refusal(order.login()) == "admitted"
        assert await door.refusal(free.login()) == "admitted"
        assert len(held) == 2


async def test_a_line_that_is_cut_while_its_tunnel_is_counted_lets_nobody_in(shop: Shop) -> None:
    order = await asyncio.to_thread(bought, shop, **TIMED)
    asked, answered = asyncio.Event(), asyncio.Event()
    released: list[int] = []

    async def take_tunnel(visit: Visit) -> Callable[[], object]:
        asked.set()
        await answered.wait()
        return lambda: released.append(visit.line.order_id)

    async with opened_door(shop.target, take_tunnel=take_tunnel) as door:
        admitting = asyncio.create_task(door.refusal(order.login()))
        await asked.wait()
        await door.sql(STANDINGS["order_inactive"], order.uuid)
        await door.admission.look()
        answered.set()
        assert await admitting == "order_inactive"
        assert (len(released), door.admission.tunnels) == (1, 0)


async def test_whoever_goes_away_while_he_is_looked_up_takes_no_place(shop: Shop) -> None:
    order = await asyncio.to_thread(bought, shop, **TIMED)
    asked = asyncio.Event()

    async def take_tunnel(_visit: Visit) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with opened_door(shop.target, take_tunnel=take_tunnel) as door:
        admitting = asyncio.create_task(door.admit(order.login()))
        await asked.wait()
        assert door.admission.tunnels == 1
        admitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await admitting
        assert door.admission.tunnels == 0


async def test_refusals_of_those_who_have_an_order_are_told_with_it(shop: Shop) -> None:
    order = await asyncio.to_thread(bought, shop)
    told: list[tuple[int, int, str]] = []
    async with opened_door(shop.target, tell_refusal=lambda *facts: told.append(facts)) as door:
        (row,) = await door.sql("SELECT id, account_id FROM orders WHERE uuid = $1", order.uuid)
        await door.refusal(order.login(), OTHER_PORT)
        await door.refusal(Login(order.username, "b" * 15))
        await door.refusal(Login("a" * 15, "b" * 15))
        await door.sql(STANDINGS["order_inactive"], order.uuid)
        await door.admission.look()
        await door.refusal(order.login())
        await door.refusal(order.login())
    assert told == [(*row, "wrong_port"), (*row, "order_inactive"), (*row, "order_inactive")]


# Addresses.


async def test_a_listed_address_needs_no_password_on_the_ports_of_its_order(shop: Shop, door: Door) -> None:
    first, second = [await asyncio.to_thread(bought, shop, plan) for plan in ("proxy", "other")]
    await listed(door, first, "198.51.100.1", "2001:db8::1")
    await listed(door, second, "198.51.100.1")
    client = ip_address("198.51.100.1")
    assert (await door.admit(None, HTTP_PORT, HTTP, client)).line.uuid == first.uuid
    assert (await door.admit(None, SOCKS_PORT, SOCKS5, client)).line.uuid == first.uuid
    assert (await door.admit(None, OTHER_PORT, HTTP, client)).line.uuid == second.uuid
    assert (await door.admit(None, HTTP_PORT, HTTP, ip_address("2001:db8::1"))).line.uuid == first.uuid
    mapped = await door.admit(None, HTTP_PORT, HTTP, ip_address("::ffff:198.51.100.1"))
    assert (mapped.line.uuid, mapped.address) == (first.uuid, client)
    assert await door.refusal(None, HTTP_PORT, SOCKS5, client) == "address_not_listed"
    assert await door.refusal(None, HTTP_PORT, HTTP, ip_address("198.51.100.2")) == "address_not_listed"


async def test_an_address_in_use_is_not_looked_up_again_and_an_unlisted_one_once(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop)
    await listed(door, order, "198.51.100.3")
    visits = [await door.admit(None, HTTP_PORT, HTTP, ip_address("198.51.100.3")) for _ in range(5)]
    assert (len({visit.line for visit in visits}), door.looked_up()) == (1, 1)
    answers = [await door.refusal(None, HTTP_PORT, HTTP, ip_address("198.51.100.4")) for _ in range(5)]
    assert (set(answers), door.looked_up()) == ({"address_not_listed"}, 1)
    # The same order by its password is the same line.
    assert (await door.admit(order.login())).line is visits[0].line


async def test_of_several_orders_on_one_port_the_oldest_entry_of_those_that_may_wins(shop: Shop, door: Door) -> None:
    orders = [await asyncio.to_thread(bought, shop) for _ in range(3)]
    client = ip_address("198.51.100.5")
    for order in orders:
        await listed(door, order, str(client))
    await door.sql(STANDINGS["order_exhausted"], orders[0].uuid)
    assert (await door.admit(None, HTTP_PORT, HTTP, client)).line.uuid == orders[1].uuid
    await door.sql(STANDINGS["order_inactive"], orders[1].uuid)
    await door.sql(STANDINGS["order_inactive"], orders[2].uuid)
    await door.admission.look()
    assert await door.refusal(None, HTTP_PORT, HTTP, client) == "order_exhausted"


async def test_an_address_listed_for_a_plan_without_whitelists_opens_nothing(shop: Shop, door: Door) -> None:
    order = await asyncio.to_thread(bought, shop, "plain")
    await listed(door, order, "198.51.100.6")
    assert await door.refusal(None, HTTP_PORT, HTTP, ip_address("198.51.100.6")) == "address_not_listed"
    assert HOME not in {address for _, address in door.admission.lines.listed()}
