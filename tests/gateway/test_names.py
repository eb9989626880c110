"""Names are looked up aside, within bounds, and what was heard is kept for a moment."""

import asyncio
import socket
import threading
import time
from ipaddress import ip_address

from novaproxy.gateway.exits.names import (
    GATEWAY,
    KEPT_SECONDS,
    MOST_AT_ONCE,
    MOST_OF_ONE,
    Addresses,
    Names,
    system_look_up,
)

HERE: Addresses = (ip_address("192.0.2.1"),)


class Servers:
    """Name servers that answer a name that begins with ``slow`` only once they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def __call__(self, name: str) -> Addresses:
        self.asked.append(name)
        if name.startswith("slow"):
            self.let_go.wait(10)
        if name.startswith("broken"):
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return () if name.startswith("no") else HERE


async def test_the_slow_names_of_one_order_do_not_stop_another() -> None:
    servers = Servers()
    names = Names(servers)
    slow = [asyncio.create_task(names.addresses(f"slow{number}", 1)) for number in range(500)]
    await asyncio.sleep(0.05)
    assert len(servers.asked) == MOST_OF_ONE
    assert await asyncio.wait_for(names.addresses("quick", 2), 1) == HERE
    servers.let_go.set()
    assert await asyncio.gather(*slow) == [HERE] * 500


async def test_a_handful_of_orders_with_slow_names_does_not_stop_another() -> None:
    servers = Servers()
    names = Names(servers)
    slow = [
        asyncio.create_task(names.addresses(f"slow{number}", 1 + number % 30)) for number in range(30 * MOST_OF_ONE)
    ]
    await asyncio.sleep(0.05)
    assert len(servers.asked) < MOST_AT_ONCE
    assert await asyncio.wait_for(names.addresses("quick", 99), 1) == HERE
    servers.let_go.set()
    assert await asyncio.gather(*slow) == [HERE] * len(slow)


async def test_an_answer_calls_not_everybody_who_waits_for_a_place() -> None:
    one_more = threading.Semaphore(0)

    def look_up(_name: str) -> Addresses:
        one_more.acquire(timeout=30)
        return HERE

    names = Names(look_up)
    crowd = [asyncio.create_task(names.addresses(f"slow{number}", 1 + number % 7)) for number in range(5_000)]
    gone = [asyncio.create_task(names.addresses(f"slow-gone{number}", 3)) for number in range(500)]
    await asyncio.sleep(0.1)
    for one in gone:
        one.cancel()
    await asyncio.sleep(0.1)
    began = time.process_time()
    for _ in range(30):
        one_more.release()
        await asyncio.sleep(0.01)
    # Each of them would look in vain: a second and more, in which nobody else is served.
    assert time.process_time() - began < 0.4
    for _ in range(len(crowd)):
        one_more.release()
    assert await asyncio.wait_for(asyncio.gather(*crowd), 20) == [HERE] * len(crowd)
    one_more.release()
    assert await names.addresses("another", 3) == HERE


async def test_all_orders_together_have_a_bound_too_and_the_gateway_itself_does_not_wait() -> None:
    servers = Servers()
    names = Names(servers)
    slow = [asyncio.create_task(names.addresses(f"slow{number}", 1 + number)) for number in range(200)]
    await asyncio.sleep(0.05)
    assert len(servers.asked) == MOST_AT_ONCE
    assert await asyncio.wait_for(names.addresses("quick", GATEWAY), 1) == HERE
    servers.let_go.set()
    await asyncio.gather(*slow)


async def test_a_question_that_nobody_waits_for_any_more_counts_until_it_is_answered() -> None:
    servers = Servers()
    names = Names(servers)
    for _ in range(3):
        slow = [asyncio.create_task(names.addresses(f"slow{_}{number}", 1)) for number in range(MOST_OF_ONE)]
        await asyncio.sleep(0.02)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
    assert len(servers.asked) == MOST_OF_ONE
    servers.let_go.set()
    assert await asyncio.wait_for(names.addresses("quick", 1), 1) == HERE


async def test_one_question_serves_all_who_ask_it_and_is_kept_for_a_moment() -> None:
    servers, now = Servers(), [0.0]
    names = Names(servers, lambda: now[0])
    assert await asyncio.gather(*(names.addresses("a", order) for order in range(1, 50))) == [HERE] * 49
    assert servers.asked == ["a"]
    now[0] += KEPT_SECONDS - 0.1
    await names.addresses("a", 1)
    assert servers.asked == ["a"]
    now[0] += 0.2
    await names.addresses("a", 1)
    assert servers.asked == ["a", "a"]


async def test_that_nobody_could_tell_is_not_kept() -> None:
    servers = Servers()
    names = Names(servers, lambda: 0.0)
    assert await names.addresses("broken", 1) == ()
    assert await names.addresses("broken", 1) == ()
    assert await names.addresses("none", 1) == ()
    assert await names.addresses("none", 1) == ()
    assert servers.asked == ["broken", "broken", "none"]


def test_the_system_knows_this_machine() -> None:
    assert ip_address("127.0.0.1") in system_look_up("localhost")
