"""How an order's usage and whitelist are shown to the operator."""

from collections.abc import Sequence

from novaproxy.cli.output import print_json
from novaproxy.cli.tables import Cell, Column, print_heading, print_table
from novaproxy.usage.period import Interval
from novaproxy.usage.reading import Usage, Used
from novaproxy.whitelist.model import ListedAddress
from novaproxy.whitelist.resource import shown_address


def print_usage(usage: Usage) -> None:
    """Print the hours or days in which something passed, their sum, and what was refused; amounts are bytes."""
    period, totals = usage.period, usage.totals
    is_daily = period.interval is Interval.DAY
    # Hardly ever does an order lose bytes to a gateway that was lost.
    has_lost = totals.lost_bytes > 0
    columns = (
        Column(str(period.interval), is_time=not is_daily),
        Column("bytes up", to_right=True, rank=1),
        Column("bytes down", to_right=True, rank=1),
        *([Column("bytes lost", to_right=True, rank=1)] if has_lost else []),
        Column("bytes", to_right=True),
        Column("connections", to_right=True, rank=2),
        Column("refusals", to_right=True, rank=3),
    )
    rows: list[Sequence[Cell]] = [
        (f"{began_at:%Y-%m-%d}" if is_daily else began_at, *_cells(used, has_lost=has_lost))
        for began_at, used in usage.rows
    ]
    if rows:
        rows.append(("together", *_cells(totals, has_lost=has_lost)))
    span = f"{period.begins_at:%Y-%m-%d %H:%M} to {period.ends_at:%Y-%m-%d %H:%M} UTC"
    print_table(columns, rows, f"Nothing passed from {span}.")
    if totals.refusals:
        print_heading("Refusals")
        print_table((Column("reason"), Column("refusals", to_right=True)), list(totals.refusals.items()), "")


def _cells(used: Used, *, has_lost: bool) -> tuple[Cell, ...]:
    lost = (used.lost_bytes,) if has_lost else ()
    refusals = sum(used.refusals.values())
    return used.up_bytes, used.down_bytes, *lost, used.total_bytes, used.connections, refusals


def print_whitelist(listed: Sequence[ListedAddress], *, as_json: bool) -> None:
    """Print the addresses that an order lists."""
    if as_json:
        print_json([shown_address(one) for one in listed])
        return
    columns = (Column("address"), Column("since", is_time=True))
    print_table(columns, [(str(one.address), one.created_at) for one in listed], "The order lists no address.")
