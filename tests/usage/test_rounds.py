"""What a round does in the database, one after the other: the rules of leases, on the real tables."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from metering import meter_of, open_gateway, small_order
from novaproxy.database.pool import SoleConnection, opened_connection
from novaproxy.usage.lost import charge_lost_gateways
from novaproxy.usage.meter import FLOOR_BYTES, Answered, Told
from novaproxy.usage.rounds import Refusals, Standing, settle_round
from roles import as_service
from services import held, seeded
from shop import Shop

MILLION = 1_000_000
NO_REFUSALS = Refusals()


@dataclass(slots=True, eq=False)
class Gateway:
    """A gateway that says what the test has it say."""

    runner: asyncio.Runner
    connection: SoleConnection
    id: int
    number: int = 0

    def round(
        self, *told: Told, refusals: Refusals = NO_REFUSALS, ends: bool = False
    ) -> tuple[Standing, list[Answered]]:
        """Return what a next round answers."""
        self.number += 1
        return self.runner.run(settle_round(self.connection, self.id, self.number, told, refusals, ends=ends))

    def settle(self, order_id: int, up: int = 0, down: int = 0, wanted: int = 0, **more: Any) -> Answered:  # noqa: ANN401 -- members of Told
        """Return what a round of one order answers."""
        standing, (answer,) = self.round(Told(order_id, up, down, more.pop("connections", 0), wanted, **more))
        assert standing is Standing.OPEN
        return answer


@dataclass(slots=True)
class Gateways:
    """A shop, and gateways that are opened one by one."""

    shop: Shop
    runner: asyncio.Runner
    connection: SoleConnection

    def __call__(self) -> Gateway:
        return Gateway(self.runner, self.connection, self.runner.run(open_gateway(self.connection)))


@pytest.fixture(scope="module")
def gateways(shop: Shop) -> Iterator[Gateways]:
    with asyncio.Runner() as runner:
        connection = runner.run(opened_connection(as_service(shop.target)))
        yield Gateways(shop, runner, connection)
        runner.run(connection.close())


def test_what_is_wanted_is_lent(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()

    answer = gateway.settle(order_id, wanted=200_000, opens=True)

    assert (answer.is_here, answer.is_metered, answer.is_sold, answer.is_exhausted) == (True, True, True, False)
    assert (answer.leased_bytes, answer.free_bytes) == (200_000, 800_000)
    assert meter_of(gateways.shop, order_id) == (0, 200_000, "active")


def test_a_quarter_of_what_nobody_has_is_lent_at_most(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()

    assert gateway.settle(order_id, wanted=MILLION, opens=True).leased_bytes == 250_000
    assert gateway.settle(order_id, wanted=MILLION).leased_bytes == 250_000 + 187_500


def test_the_last_bytes_are_lent_in_one_piece(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop, 100_000), gateways()

    assert gateway.settle(order_id, wanted=MILLION, opens=True).leased_bytes == FLOOR_BYTES
    answer = gateway.settle(order_id, wanted=MILLION)

    assert (answer.leased_bytes, answer.free_bytes) == (100_000, 0)


def test_what_is_told_again_is_counted_once(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()
    gateway.settle(order_id, wanted=100_000, opens=True)
    for _ in range(3):
        answer = gateway.settle(order_id, up=10_000, down=50_000, wanted=40_000, connections=2)

    assert answer.leased_bytes == 40_000
    assert meter_of(gateways.shop, order_id) == (60_000, 40_000, "active")
    (hour,) = gateways.shop.sql("SELECT * FROM usage_hour WHERE order_id = $1", order_id)
    assert (hour["up_bytes"], hour["down_bytes"], hour["lost_bytes"], hour["connections"]) == (10_000, 50_000, 0, 2)
    assert gateways.shop.value("SELECT date_trunc('hour', now(), 'UTC') - $1 <= interval '1 hour'", hour["hour"])


def test_what_is_not_wanted_goes_back(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()
    gateway.settle(order_id, wanted=200_000, opens=True)

    assert gateway.settle(order_id, down=50_000, wanted=30_000).leased_bytes == 30_000
    assert meter_of(gateways.shop, order_id) == (50_000, 30_000, "active")
    assert gateway.settle(order_id, down=50_000).leased_bytes == 0
    assert meter_of(gateways.shop, order_id) == (50_000, 0, "active")


def test_an_order_whose_last_byte_passed_is_exhausted(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop, 1_000), gateways()
    gateway.settle(order_id, wanted=1_000, opens=True)
    assert not gateway.settle(order_id, down=999, wanted=1_000).is_exhausted

    answer = gateway.settle(order_id, down=1_000, wanted=1_000)

    assert (answer.is_exhausted, answer.is_sold, answer.leased_bytes) == (True, False, 0)
    assert meter_of(gateways.shop, order_id) == (1_000, 0, "exhausted")
    (move,) = gateways.shop.sql("SELECT * FROM order_move WHERE order_id = $1", order_id)
    assert (move["from_status"], move["to_status"], move["actor"]) == ("active", "exhausted", "gateway")
    assert move["cause"] == "every byte is used"


def test_an_order_that_somebody_holds_is_exhausted_by_a_later_round(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop, 1_000), gateways()
    gateway.settle(order_id, wanted=1_000, opens=True)

    with held(gateways.shop.target, "SELECT FROM orders WHERE id = $1 FOR NO KEY UPDATE", order_id):
        answer = gateway.settle(order_id, down=1_000)
    assert (answer.is_exhausted, answer.is_sold) == (True, True)
    gateway.settle(order_id, down=1_000, closes=True)

    assert meter_of(gateways.shop, order_id) == (1_000, 0, "exhausted")


def test_an_order_sold_by_time_is_counted_and_never_limited(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop, None), gateways()

    answer = gateway.settle(order_id, wanted=MILLION, opens=True)
    assert (answer.is_metered, answer.is_sold, answer.leased_bytes) == (False, True, 0)
    answer = gateway.settle(order_id, down=10**12, wanted=MILLION)

    assert not answer.is_exhausted
    assert meter_of(gateways.shop, order_id) == (10**12, 0, "active")


ENDS = {
    "it is switched off": "UPDATE orders SET status = 'inactive' WHERE id = $1",
    "its time has passed": "UPDATE orders SET expires_at = '2026-01-01Z' WHERE id = $1",
    "its account is suspended": "UPDATE account SET status = 'suspended' "
    "WHERE id = (SELECT account_id FROM orders WHERE id = $1)",
}


@pytest.mark.parametrize("what", ENDS)
def test_an_order_gets_nothing_more_when(gateways: Gateways, what: str) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()
    gateway.settle(order_id, wanted=100_000, opens=True)
    before = gateways.shop.sql(
        "SELECT orders.*, account.status AS account_status FROM orders JOIN account "
        "ON account.id = account_id WHERE orders.id = $1",
        order_id,
    )[0]
    gateways.shop.sql(ENDS[what], order_id)

    answer = gateway.settle(order_id, down=50_000, wanted=100_000)

    assert (answer.is_sold, answer.leased_bytes) == (False, 50_000)
    assert meter_of(gateways.shop, order_id)[:2] == (50_000, 50_000)
    gateways.shop.sql(
        "UPDATE orders SET status = $2, expires_at = $3 WHERE id = $1", order_id, before["status"], before["expires_at"]
    )
    gateways.shop.sql("UPDATE account SET status = 'active' WHERE id = $1", before["account_id"])
    assert gateway.settle(order_id, down=50_000, wanted=100_000).leased_bytes == 100_000


def test_a_round_that_comes_late_does_nothing(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()
    gateway.settle(order_id, wanted=100_000, opens=True)
    gateway.settle(order_id, down=60_000, wanted=100_000)
    gateway.number = 0

    standing, answers = gateway.round(Told(order_id, 0, 10_000, 0, 0))

    assert (standing, answers) == (Standing.LATE, [])
    assert meter_of(gateways.shop, order_id) == (60_000, 100_000, "active")


@pytest.mark.parametrize(
    "told",
    [{"down": 70_001}, {"down": 9_999}, {"down": 10_000, "up": -1}, {"down": 20_000, "connections": 0}],
)
def test_a_count_that_cannot_be_changes_nothing(gateways: Gateways, told: dict[str, int]) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()
    gateway.settle(order_id, wanted=60_000, opens=True)
    gateway.settle(order_id, down=10_000, wanted=60_000, connections=1)
    before = meter_of(gateways.shop, order_id)

    standing, answers = gateway.round(Told(order_id, told.get("up", 0), told["down"], told.get("connections", 1), 5))

    assert (standing, answers) == (Standing.WRONG, [])
    assert meter_of(gateways.shop, order_id) == before == (10_000, 60_000, "active")


def test_a_closed_order_leaves_nothing_behind(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop), gateways()
    gateway.settle(order_id, wanted=100_000, opens=True)

    for _ in range(2):
        assert not gateway.settle(order_id, down=10_000, closes=True).is_here
    assert meter_of(gateways.shop, order_id) == (10_000, 0, "active")
    assert gateway.settle(order_id, wanted=5_000, opens=True).leased_bytes == 5_000
    assert gateway.settle(order_id, down=5_000).leased_bytes == 0
    assert meter_of(gateways.shop, order_id) == (15_000, 0, "active")


def test_a_gateway_that_ends_returns_everything(gateways: Gateways) -> None:
    orders, gateway = [small_order(gateways.shop) for _ in range(3)], gateways()
    for order_id in orders:
        gateway.settle(order_id, wanted=100_000, opens=True)

    standing, _ = gateway.round(*(Told(order_id, 7, 0, 1, closes=True) for order_id in orders[:2]), ends=True)

    assert standing is Standing.OPEN
    assert [meter_of(gateways.shop, order_id)[:2] for order_id in orders] == [(7, 0), (7, 0), (0, 0)]
    assert gateways.shop.value("SELECT ended_at IS NOT NULL AND NOT is_lost FROM gateway WHERE id = $1", gateway.id)
    assert gateway.round(Told(orders[0], 0, 0, 0, 5, opens=True)) == (Standing.ENDED, [])


SHORT = timedelta(seconds=2)


def lose(gateways: Gateways, gateway: Gateway) -> int:
    """Let the duty look for gateways that were not seen for SHORT, of which *gateway* is one; return how many."""
    gateways.shop.sql(
        "UPDATE gateway SET started_at = now() - $2::interval, seen_at = now() - $2::interval WHERE id = $1",
        gateway.id,
        SHORT + timedelta(seconds=1),
    )
    # The duty waits until the server itself has run that long.
    gateways.shop.sql(
        "SELECT pg_sleep(extract(epoch FROM pg_postmaster_start_time() + $1::interval - now())::float + 0.01)", SHORT
    )
    return gateways.runner.run(charge_lost_gateways(gateways.connection, SHORT))


def test_what_a_lost_gateway_had_reserved_is_charged(gateways: Gateways) -> None:
    order_id, gateway, other = small_order(gateways.shop), gateways(), gateways()
    gateway.settle(order_id, wanted=100_000, opens=True)
    gateway.settle(order_id, down=40_000, wanted=60_000)

    assert lose(gateways, gateway) >= 1

    assert meter_of(gateways.shop, order_id) == (100_000, 0, "active")
    (charged,) = gateways.shop.sql("SELECT * FROM lost_lease WHERE order_id = $1", order_id)
    assert (charged["bytes"], charged["gateway_id"]) == (60_000, gateway.id)
    assert gateways.shop.value("SELECT lost_bytes FROM usage_hour WHERE order_id = $1", order_id) == 60_000
    assert gateway.round(Told(order_id, 0, 50_000, 0, 100_000)) == (Standing.ENDED, [])
    assert meter_of(gateways.shop, order_id) == (100_000, 0, "active")
    assert other.id != gateway.id


def test_an_order_whose_last_bytes_are_lost_is_exhausted(gateways: Gateways) -> None:
    order_id, gateway = small_order(gateways.shop, 5_000), gateways()
    gateway.settle(order_id, wanted=5_000, opens=True)

    lose(gateways, gateway)

    assert meter_of(gateways.shop, order_id) == (5_000, 0, "exhausted")


def test_no_gateway_is_lost_before_its_time_nor_soon_after_the_server_began(gateways: Gateways) -> None:
    gateway = gateways()
    gateways.shop.sql(
        "UPDATE gateway SET started_at = now() - interval '2 days', seen_at = now() - interval '2 days' WHERE id = $1",
        gateway.id,
    )

    # The server of the tests does not run for a day: it was away when the gateway was not seen.
    assert gateways.runner.run(charge_lost_gateways(gateways.connection, timedelta(days=1))) == 0
    gateway.round()
    gateways.runner.run(charge_lost_gateways(gateways.connection, SHORT))
    assert gateways.shop.value("SELECT ended_at IS NULL FROM gateway WHERE id = $1", gateway.id)


def test_tunnels_are_given_to_all_gateways_together(gateways: Gateways) -> None:
    order_id, one, other = small_order(gateways.shop), gateways(), gateways()

    assert one.settle(order_id, opens=True, wanted_tunnels=2, tunnel_limit=3).tunnels == 2
    assert other.settle(order_id, opens=True, wanted_tunnels=2, tunnel_limit=3).tunnels == 1
    assert one.settle(order_id, tunnels=2, wanted_tunnels=3, tunnel_limit=3).tunnels == 2
    assert other.settle(order_id, tunnels=0, wanted_tunnels=0, tunnel_limit=3).tunnels == 0
    assert one.settle(order_id, tunnels=2, wanted_tunnels=4, tunnel_limit=3).tunnels == 3


def test_tunnels_of_a_gateway_that_is_lost_are_free_again(gateways: Gateways) -> None:
    order_id, one, other = small_order(gateways.shop), gateways(), gateways()
    assert one.settle(order_id, opens=True, wanted_tunnels=3, tunnel_limit=3).tunnels == 3

    lose(gateways, one)

    assert other.settle(order_id, opens=True, wanted_tunnels=3, tunnel_limit=3).tunnels == 3


def share(gateway: Gateway, order_id: int, wished: int, asked: int, speed: int | None = 1_000) -> int:
    """Return which part of a speed a gateway gets."""
    answer = gateway.settle(order_id, opens=True, wished_per_second=wished, asked_per_second=asked, speed=speed)
    return answer.bytes_per_second


def test_a_gateway_alone_has_the_whole_speed_and_no_limit_is_none(gateways: Gateways) -> None:
    order_id, one = small_order(gateways.shop), gateways()

    assert share(one, order_id, 50, 1_000) == 1_000
    assert share(one, order_id, 300, 300) == 300
    assert share(one, order_id, 300, 300, speed=None) == 0


def test_nobody_gets_of_a_speed_what_another_gateway_still_has(gateways: Gateways) -> None:
    order_id, one, other = small_order(gateways.shop), gateways(), gateways()
    share(one, order_id, 1_000, 1_000)

    assert share(other, order_id, 200, 1_000) == 0
    assert share(one, order_id, 1_000, 1_000) == 800
    assert share(other, order_id, 1_000, 1_000) == 200
    assert share(one, order_id, 1_000, 1_000) == 500
    assert share(other, order_id, 1_000, 1_000) == 500


def test_what_one_gateway_does_not_wish_for_is_parted_among_the_others(gateways: Gateways) -> None:
    order_id, one, other, third = small_order(gateways.shop), gateways(), gateways(), gateways()
    for _ in range(2):
        share(third, order_id, 100, 100)
        parts = [share(gateway, order_id, 1_000, 1_000) for gateway in (one, other)]
    assert parts == [450, 450]


def test_no_changes_of_mind_make_the_parts_of_a_speed_more_than_it(gateways: Gateways) -> None:
    random, order_id = seeded("parts"), small_order(gateways.shop)
    has = {gateways(): 0 for _ in range(3)}
    for _ in range(100):
        gateway, wished = random.choice(list(has)), random.randrange(1_001)
        has[gateway] = share(gateway, order_id, wished, random.choice((wished, 1_000)))
        assert sum(has.values()) <= 1_000
    for gateway in [*has, *has, *has]:
        has[gateway] = share(gateway, order_id, 1_000, 1_000)
    assert sorted(has.values()) == [333, 333, 333]


def test_a_gateway_that_was_not_heard_of_keeps_no_part_of_a_speed(gateways: Gateways) -> None:
    order_id, one, other = small_order(gateways.shop), gateways(), gateways()
    share(one, order_id, 1_000, 1_000)
    gateways.shop.sql(
        "UPDATE gateway SET started_at = seen_at - interval '1 minute', seen_at = seen_at - interval '11 seconds' "
        "WHERE id = $1",
        one.id,
    )

    assert share(other, order_id, 1_000, 1_000) == 1_000


def test_refusals_are_counted_by_the_hour_and_once(gateways: Gateways) -> None:
    order_id, gateway, other = small_order(gateways.shop), gateways(), gateways()
    refusals = Refusals(1, {(order_id, "wrong_port"): 2, (order_id, "no_exit"): 1, (999_999, "no_exit"): 1})

    gateway.round(refusals=refusals)
    gateway.round(refusals=refusals)
    gateway.round()
    gateway.round(refusals=Refusals(2, {(order_id, "no_exit"): 5}))
    other.round(refusals=Refusals(1, {(order_id, "no_exit"): 10}))

    rows = gateways.shop.sql("SELECT * FROM usage_refusal ORDER BY order_id, reason")
    counted = {(row["order_id"], row["reason"]): row["refusals"] for row in rows}
    assert counted == {(order_id, "no_exit"): 16, (order_id, "wrong_port"): 2}


def test_a_round_may_tell_of_an_order_that_is_not_there(gateways: Gateways) -> None:
    assert gateways().round(Told(999_999, 0, 0, 0, 5, opens=True)) == (Standing.OPEN, [])


def test_rounds_tell_of_many_orders_at_once(gateways: Gateways) -> None:
    orders: list[int] = [small_order(gateways.shop) for _ in range(5)]
    gateway = gateways()
    wished: Callable[[int], Told] = lambda order_id: Told(order_id, 0, 0, 0, 1_000 * order_id, opens=True)  # noqa: E731

    _, answers = gateway.round(*map(wished, orders))

    assert {answer.order_id: answer.leased_bytes for answer in answers} == {each: 1_000 * each for each in orders}
