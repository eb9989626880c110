"""Any sequence of rounds, repeats, ends and losses, against a model that fits a screen."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from metering import assert_bytes_hold, meter_of, open_gateway, small_order
from novaproxy.database.pool import SoleConnection, opened_connection
from novaproxy.usage.meter import FLOOR_BYTES, Answered, Told
from novaproxy.usage.rounds import Refusals, Standing, settle_round
from roles import as_service
from services import EFFORT
from shop import Shop

PLACES = st.integers(0, 2)


@dataclass(slots=True)
class Holder:
    """A gateway as the model has it: what it counted, what it may still pass, and whether it has ended."""

    id: int
    number: int = 0
    counted: int = 0
    leased: int = 0
    is_open: bool = False
    has_ended: bool = False


@dataclass(slots=True)
class Ground:
    """What the machines of one test share."""

    shop: Shop
    runner: asyncio.Runner
    connection: SoleConnection


@dataclass(slots=True)
class Book:
    """The order as the model has it."""

    initial: int
    consumed: int = 0
    lost: int = 0
    holders: list[Holder] = field(default_factory=list)

    @property
    def free(self) -> int:
        """What nobody has."""
        return self.initial - self.consumed - sum(holder.leased for holder in self.holders)


class Rounds(RuleBasedStateMachine):
    """Three gateways and one order of less than a megabyte."""

    ground: Ground

    def __init__(self) -> None:
        super().__init__()
        self.order_id = small_order(self.ground.shop, 700_000)
        self.book = Book(700_000)
        self.book.holders = [self.new_holder() for _ in range(3)]

    def new_holder(self) -> Holder:
        return Holder(self.ground.runner.run(open_gateway(self.ground.connection)))

    def send(self, holder: Holder, told: Told, number: int, *, ends: bool = False) -> tuple[Standing, list[Answered]]:
        return self.ground.runner.run(
            settle_round(self.ground.connection, holder.id, number, [told], Refusals(), ends=ends)
        )

    @rule(place=PLACES, part=st.integers(0, 4), wanted=st.sampled_from([0, 1, 1_000, 100_000, 10**7]), times=PLACES)
    def settle(self, place: int, part: int, wanted: int, times: int) -> None:
        """Let a part of a lease pass, and tell of it: once, or again as after lost answers."""
        holder = self.book.holders[place]
        passed = holder.leased * part // 4
        told = Told(self.order_id, 0, holder.counted + passed, 0, wanted, opens=not holder.is_open)
        holder.is_open = True
        holder.counted += passed
        holder.leased -= passed
        self.book.consumed += passed
        answer: Answered | None = None
        for _ in range(times + 1):
            holder.leased = min(holder.leased, wanted)
            is_sold = self.book.consumed < self.book.initial
            if is_sold:
                holder.leased += max(
                    0, min(wanted - holder.leased, max(self.book.free // 4, FLOOR_BYTES), self.book.free)
                )
            holder.number += 1
            standing, (answer,) = self.send(holder, told, holder.number)
            assert standing is Standing.OPEN
        assert answer is not None
        assert answer.leased_bytes == holder.leased

    @precondition(lambda self: any(holder.number > 1 for holder in self.book.holders))
    @rule(place=PLACES, number=st.integers(1, 3))
    def come_late(self, place: int, number: int) -> None:
        """Send a round of long ago again: nothing happens."""
        holder = self.book.holders[place]
        if holder.number >= number:
            standing, _ = self.send(holder, Told(self.order_id, 0, 1, 0, 10**7, opens=True), number)
            assert standing is Standing.LATE

    @rule(place=PLACES, part=st.integers(0, 4), ends=st.booleans())
    def close(self, place: int, part: int, *, ends: bool) -> None:
        """Close the order at a gateway; its slot begins anew, or the gateway ends and another takes its place."""
        holder = self.book.holders[place]
        passed = holder.leased * part // 4
        holder.number += 1
        told = Told(self.order_id, 0, holder.counted + passed, 0, closes=True)
        standing, _ = self.send(holder, told, holder.number, ends=ends)
        assert standing is Standing.OPEN
        self.book.consumed += passed
        holder.counted = holder.leased = 0
        holder.is_open = False
        if ends:
            assert self.send(holder, told, holder.number + 1) == (Standing.ENDED, [])
            self.book.holders[place] = self.new_holder()

    @rule(place=PLACES)
    def lose(self, place: int) -> None:
        """Lose a gateway: what it had reserved is charged, whatever it says later."""
        holder = self.book.holders[place]
        self.ground.runner.run(self.ground.connection.fetchval("SELECT lose_gateway($1)", holder.id))
        self.book.consumed += holder.leased
        self.book.lost += holder.leased
        told = Told(self.order_id, 0, holder.counted + 1, 0, 10**7)
        assert self.send(holder, told, holder.number + 1) == (Standing.ENDED, [])
        self.book.holders[place] = self.new_holder()

    @invariant()
    def the_meter_is_the_models(self) -> None:
        """Compare consumed, leased and lost bytes, and the status."""
        is_used_up = self.book.consumed == self.book.initial
        leased = sum(holder.leased for holder in self.book.holders)
        status = "exhausted" if is_used_up else "active"
        assert meter_of(self.ground.shop, self.order_id) == (self.book.consumed, leased, status)
        lost = self.ground.shop.value(
            "SELECT COALESCE(sum(bytes), 0)::bigint FROM lost_lease WHERE order_id = $1", self.order_id
        )
        assert lost == self.book.lost


@pytest.fixture
def ground(shop: Shop) -> Iterator[Ground]:
    with asyncio.Runner() as runner:
        connection = runner.run(opened_connection(as_service(shop.target)))
        yield Ground(shop, runner, connection)
        runner.run(connection.close())


def test_any_sequence_of_rounds_leaves_the_books_of_the_model(ground: Ground) -> None:
    run_state_machine_as_test(
        type("RoundsHere", (Rounds,), {"ground": ground}),
        settings=settings(max_examples=5 * EFFORT, stateful_step_count=20, deadline=None),
    )
    assert_bytes_hold(ground.shop)
