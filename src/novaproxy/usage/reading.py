"""What an order used, by the hour or by the day, as it was settled."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from novaproxy.database.pool import Connection, statement
from novaproxy.http.wire import whole_second
from novaproxy.usage.period import Period, asked_period

_SQL = "novaproxy.usage"


@dataclass(frozen=True, slots=True)
class Used:
    """What passed, and what did not.

    *up_bytes* came from the client, *down_bytes* went to him; *lost_bytes* were charged for a gateway that was lost.
    *refusals* are by the gateway's code.
    """

    up_bytes: int
    down_bytes: int
    lost_bytes: int
    connections: int
    refusals: Mapping[str, int]

    @property
    def total_bytes(self) -> int:
        """What of the order's bandwidth was consumed."""
        return self.up_bytes + self.down_bytes + self.lost_bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """What an order used in a *period*: the intervals in which there was anything, by their beginnings in order."""

    period: Period
    rows: list[tuple[datetime, Used]]

    @property
    def totals(self) -> Used:
        """All rows together."""
        return added(used for _, used in self.rows)


def added(parts: Iterable[Used]) -> Used:
    """Return the sum of *parts*."""
    up_bytes = down_bytes = lost_bytes = connections = 0
    refusals: Counter[str] = Counter()
    for part in parts:
        up_bytes += part.up_bytes
        down_bytes += part.down_bytes
        lost_bytes += part.lost_bytes
        connections += part.connections
        refusals.update(part.refusals)
    return Used(up_bytes, down_bytes, lost_bytes, connections, dict(sorted(refusals.items())))


async def read_usage(
    connection: Connection, uuid: UUID, account_id: int | None, query: Mapping[str, str]
) -> Usage | None:
    """Return what an account's order used in the time that *query* asks for; None where there is no such order.

    *account_id* None: any account's.

    Raises:
        IntervalUnknown, InstantNotValid, RangeEmpty, RangeTooLong.
    """
    order = await connection.fetchrow(statement(_SQL, "find_used_order"), uuid, account_id)
    if order is None:
        return None
    period = asked_period(query, order["created_at"], order["read_at"])
    rows = await connection.fetch(
        statement(_SQL, "read_usage"), order["id"], period.begins_at, period.ends_at, period.interval
    )
    return Usage(
        period,
        [
            (
                row["began_at"],
                Used(
                    row["up_bytes"],
                    row["down_bytes"],
                    row["lost_bytes"],
                    row["connections"],
                    dict(zip(row["reasons"], row["refusals"], strict=True)),
                ),
            )
            for row in rows
        ],
    )


def shown_usage(usage: Usage) -> dict[str, Any]:
    """Return usage as JSON has it."""
    return {
        "interval": usage.period.interval,
        "from": whole_second(usage.period.begins_at),
        "to": whole_second(usage.period.ends_at),
        "rows": [{"from": whole_second(began_at), **_shown(used)} for began_at, used in usage.rows],
        "totals": _shown(usage.totals),
    }


def _shown(used: Used) -> dict[str, Any]:
    return {
        "bytes_up": used.up_bytes,
        "bytes_down": used.down_bytes,
        "bytes_lost": used.lost_bytes,
        "bytes": used.total_bytes,
        "connections": used.connections,
        "refusals": used.refusals,
    }
