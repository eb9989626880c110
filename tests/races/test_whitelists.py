"""Whitelists at the same moment, by real requests to two services: an address is on one order at a port."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import httpx
import pytest

from listings import CATALOG, Lister, lister
from novaproxy.database.pool import SoleConnection, Target
from services import EFFORT
from shop import Shop, open_shop, serving

ROUNDS = 6 * EFFORT
AT_ONCE = 8

Done = TypeVar("Done")


@pytest.fixture(scope="module")
def two_services(module_database: Target) -> Iterator[tuple[Shop, Shop]]:
    with open_shop(module_database) as first, serving(module_database) as address:
        first.apply_catalog(CATALOG)
        second = Shop(module_database, address)
        yield first, second
        second.http.close()
        first.assert_books_hold()


def at_once(works: Sequence[Callable[[], Done]]) -> list[Done]:
    """Return what *works* return, each in a thread; they begin together."""
    together = threading.Barrier(len(works))

    def begun(work: Callable[[], Done]) -> Done:
        together.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(begun, works))


def asking(one: Lister, address: str, shop: Shop) -> Callable[[], httpx.Response]:
    """Return what lists *address* by the service *shop*, on a connection that is open already."""
    client = httpx.Client(base_url=shop.address, timeout=30)
    client.get("/health")

    def ask() -> httpx.Response:
        try:
            return client.post(one.path, json={"address": address}, headers=one.buyer.headers)
        finally:
            client.close()

    return ask


def test_of_eight_orders_that_list_one_address_at_once_one_does(two_services: tuple[Shop, Shop]) -> None:
    shop = two_services[0]
    plans = ("listed", "listed-too")
    listers = [lister(shop, plans[number % 2]) for number in range(AT_ONCE)]
    # Those of plan and plan share a port as those of one plan do.
    for round_number in range(ROUNDS):
        address = f"2001:db8::a:{round_number:x}"
        answers = at_once([asking(one, address, two_services[n % 2]) for n, one in enumerate(listers)])

        assert Counter(answer.status_code for answer in answers) == {201: 1, 422: AT_ONCE - 1}
        assert {answer.headers["X-Error-Code"] for answer in answers if answer.status_code == 422} == {"address_taken"}
        assert shop.value("SELECT count(*) FROM whitelist_address WHERE address = $1::text::inet", address) == 1
        assert sum(one.removes(address).status_code == 204 for one in listers) == 1


def test_one_order_that_lists_an_address_eight_times_at_once_has_it_once(two_services: tuple[Shop, Shop]) -> None:
    for round_number in range(ROUNDS):
        one = lister(two_services[0])
        address = f"2001:db8::b:{round_number:x}"
        answers = at_once([asking(one, address, two_services[n % 2]) for n in range(AT_ONCE)])

        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: AT_ONCE - 1}
        assert one.sees() == [answers[0].json()]
        assert len({answer.text for answer in answers}) == 1


def test_an_order_that_lists_many_at_once_has_twenty(two_services: tuple[Shop, Shop]) -> None:
    one = lister(two_services[0])
    for number in range(17):
        assert one.lists(f"2001:db8::c:{number:x}").status_code == 201

    answers = at_once([asking(one, f"2001:db8::d:{n:x}", two_services[n % 2]) for n in range(AT_ONCE)])

    assert Counter(answer.status_code for answer in answers) == {201: 3, 422: AT_ONCE - 3}
    assert len(one.sees()) == 20


def test_an_address_that_goes_while_another_order_asks_for_it_is_on_one_of_them(
    two_services: tuple[Shop, Shop],
) -> None:
    shop = two_services[0]
    holder, other = lister(shop), lister(shop)
    for round_number in range(ROUNDS):
        address = f"2001:db8::e:{round_number:x}"
        assert holder.lists(address).status_code == 201

        def remove(address: str = address) -> httpx.Response:
            return httpx.delete(
                f"{shop.address}{holder.path}", params={"address": address}, headers=holder.buyer.headers
            )

        removed, asked = at_once([remove, asking(other, address, two_services[1])])

        assert removed.status_code == 204
        assert asked.status_code in {201, 422}
        assert other.addresses.count(address) == (asked.status_code == 201)
        assert address not in holder.addresses
        other.removes(address)


def test_who_waits_too_long_for_an_order_or_an_address_is_asked_for_patience(two_services: tuple[Shop, Shop]) -> None:
    shop = two_services[0]
    one, other = lister(shop), lister(shop)
    held = (
        (one, "SELECT id FROM orders WHERE uuid = $1::text::uuid FOR NO KEY UPDATE", one.uuid),
        (other, "SELECT pg_advisory_xact_lock(1315927671, hashtext($1))", "203.0.113.7"),
    )

    async def refused(connection: SoleConnection) -> list[httpx.Response]:
        async with connection.transaction():
            for _, statement, argument in held:
                await connection.execute(statement, argument)
            return await asyncio.gather(*(asyncio.to_thread(who.lists, "203.0.113.7") for who, *_ in held))

    for answer in shop.run(refused):
        assert (answer.status_code, answer.headers["X-Error-Code"], answer.headers["Retry-After"]) == (503, "busy", "1")
    assert [one.addresses, other.addresses] == [[], []]
    assert one.lists("203.0.113.7").status_code == 201
