"""What a gateway says to the database, and what it hears: one statement a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.usage.meter import FLOOR_BYTES, Answered, Told

_SQL = "novaproxy.usage"


class Standing(StrEnum):
    """How a gateway stands, as its round is told."""

    OPEN = "open"
    """The round is settled."""

    ENDED = "ended"
    """It was ended, or marked lost: what it had reserved is charged, and it gets nothing more."""

    LATE = "late"
    """A later round was settled before this one came."""

    WRONG = "wrong"
    """A count cannot be: less than was settled before, or more than was lent. Nothing was done."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refusals by order and reason, under a number: the database counts each number once."""

    number: int = 0
    counts: Mapping[tuple[int, str], int] = field(default_factory=dict)


async def settle_round(
    connection: SoleConnection,
    gateway_id: int,
    number: int,
    told: Sequence[Told],
    refusals: Refusals,
    *,
    ends: bool = False,
) -> tuple[Standing, list[Answered]]:
    """Tell the database of a round, and return how the gateway stands and what holds for each order that it has.

    *number* is greater than that of any round before. With *ends* the gateway ends; *told* then closes every order.
    """
    rows = await connection.fetch(
        statement(_SQL, "settle_round"),
        gateway_id,
        number,
        ends,
        [one.order_id for one in told],
        [one.up_bytes for one in told],
        [one.down_bytes for one in told],
        [one.connections for one in told],
        [one.wanted_bytes for one in told],
        [one.opens for one in told],
        [one.closes for one in told],
        [one.wished_per_second for one in told],
        [one.asked_per_second for one in told],
        [one.speed for one in told],
        [one.tunnels for one in told],
        [one.wanted_tunnels for one in told],
        [one.tunnel_limit for one in told],
        refusals.number,
        [order_id for order_id, _ in refusals.counts],
        [reason for _, reason in refusals.counts],
        list(refusals.counts.values()),
        FLOOR_BYTES,
    )
    standing = Standing(rows[0]["standing"])
    return standing, [_answered(tuple(row)) for row in rows[1:]]


def _answered(row: tuple[Any, ...]) -> Answered:
    _, order_id, is_here, is_metered, is_sold, is_exhausted, leased, free, tunnels, rate = row
    return Answered(order_id, is_here, is_metered, is_sold, is_exhausted, leased, free or 0, tunnels, rate)
