"""What became of an order since it was placed: legal moves, in time, as operators, buyers and the clock make them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from novaproxy.catalog.resource import BYTES_PER_GB
from novaproxy.catalog.rules import expiry
from novaproxy.orders.model import OrderStatus, Terms
from novaproxy.orders.moves import EXPIRY_CAUSE, RUNNING

LONGEST_DELIVERY = timedelta(days=2)
"""Within which the operator delivers by hand, or gives up."""

FAILED_OF_MANUAL = 0.06
FORGOTTEN_OF_MANUAL = 0.02
EXHAUSTED_OF_METERED = 0.25
SWITCHED_OFF = 0.05
SWITCHED_ON_AGAIN = 0.4
"""How often each happens."""


@dataclass(frozen=True, slots=True)
class PastMove:
    """A change of status."""

    before: OrderStatus
    after: OrderStatus
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Life:
    """Where an order has come to: its moves, oldest first, and what has flowed."""

    status: OrderStatus
    moves: tuple[PastMove, ...] = ()
    expires_at: datetime | None = None
    consumed_bytes: int = 0

    @property
    def is_delivered(self) -> bool:
        """Whether it has credentials."""
        return self.status not in {OrderStatus.PENDING, OrderStatus.FAILED}


def lived(terms: Terms, ordered_at: datetime, now: datetime, chance: Random) -> Life:
    """Return what became until *now* of an order that was placed on *terms* at *ordered_at*."""
    if terms.status is OrderStatus.ACTIVE:
        return _used(terms, ordered_at, now, (), chance)
    fate, done_at = chance.random(), ordered_at + chance.random() * LONGEST_DELIVERY
    if done_at > now or fate < FORGOTTEN_OF_MANUAL:
        return Life(OrderStatus.PENDING)
    if fate < FORGOTTEN_OF_MANUAL + FAILED_OF_MANUAL:
        move = PastMove(OrderStatus.PENDING, OrderStatus.FAILED, "nothing left to deliver", done_at)
        return Life(OrderStatus.FAILED, (move,))
    delivery = PastMove(OrderStatus.PENDING, OrderStatus.ACTIVE, "delivered by the operator", done_at)
    return _used(terms, done_at, now, (delivery,), chance)


def _used(terms: Terms, active_from: datetime, now: datetime, moves: tuple[PastMove, ...], chance: Random) -> Life:
    """Return the life of an order from the moment on from which its credentials work."""
    expires_at = expiry(terms.term, active_from) if terms.term else None
    ends_at = min(now, expires_at or now)
    initial_bytes = (terms.bandwidth_gb or 0) * BYTES_PER_GB
    if initial_bytes and chance.random() < EXHAUSTED_OF_METERED:
        moment = _between(active_from, ends_at, chance)
        last = PastMove(OrderStatus.ACTIVE, OrderStatus.EXHAUSTED, "the last byte was used", moment)
        return Life(OrderStatus.EXHAUSTED, (*moves, last), expires_at, initial_bytes)
    if chance.random() < SWITCHED_OFF:
        moves += _switched(active_from, ends_at, chance)
    status = moves[-1].after if moves else OrderStatus.ACTIVE
    if expires_at is not None and expires_at <= now and status in RUNNING:
        moves += (PastMove(status, OrderStatus.EXPIRED, EXPIRY_CAUSE, expires_at),)
        status = OrderStatus.EXPIRED
    return Life(status, moves, expires_at, chance.randrange(initial_bytes) if initial_bytes else 0)


def _switched(begin: datetime, end: datetime, chance: Random) -> tuple[PastMove, ...]:
    off_at = _between(begin, end, chance)
    off = PastMove(OrderStatus.ACTIVE, OrderStatus.INACTIVE, "switched off by the operator", off_at)
    if chance.random() >= SWITCHED_ON_AGAIN:
        return (off,)
    on_at = _between(off_at, end, chance)
    return off, PastMove(OrderStatus.INACTIVE, OrderStatus.ACTIVE, "switched on by the operator", on_at)


def _between(begin: datetime, end: datetime, chance: Random) -> datetime:
    return begin + chance.random() * (end - begin)
