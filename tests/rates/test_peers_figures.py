"""What is measured beside the peers counts for nothing where an order was refused, lost, or wrote something else."""

from collections import Counter

from benchmarks.order_peers import NOVAPROXY, ONE_TRIP, PGBENCH, USUAL, Figures, section
from benchmarks.peers.served import RunningPeer
from benchmarks.rate.rows import Standing
from benchmarks.rate.sides import HttpRun, PgbenchRun

NOTHING = Standing(Counter(), Counter(), Counter())
TEN = Standing(Counter(orders=10), Counter(), Counter())


def http_run(*, p50_ms: float = 2.0, missing: int = 0, refusals: dict[int, int] | None = None) -> HttpRun:
    return HttpRun(
        rate=10.0,
        orders=10,
        missing=missing,
        refusals=refusals or {},
        orders_a_commit=1.0,
        p50_ms=p50_ms,
        p99_ms=2 * p50_ms,
        worker_us=1.0,
        postgres_us=1.0,
        load_us=1.0,
        wal_bytes=1.0,
    )


def whole_figures() -> Figures:
    figures = Figures(pgbench=[PgbenchRun(1, 20.0, 10, 1.0, 1.0, 1.0)])
    for side in (NOVAPROXY, USUAL, ONE_TRIP):
        figures.http[side][1] = [http_run(p50_ms=3.0 if side == NOVAPROXY else 2.0)]
    for added in figures.added.values():
        added.note(10, NOTHING, TEN)
    return figures


def test_figures_without_a_fault_tell_each_side_and_the_time_of_one_client_alone() -> None:
    figures = whole_figures()

    assert figures.faults() == []
    assert figures.alone_ratio() == 1.5
    told = section(figures, 8, 1)
    assert "| **NovaProxy** | 1 | 10 | 10 to 10 | 1.00 | 0.50 | 3.0 ms | 6.0 ms | 1 | 1 |" in told
    assert "**1.50 times** as long" in told


def test_a_refused_a_lost_and_a_leaner_order_are_faults() -> None:
    figures = whole_figures()
    figures.http[USUAL][1].append(http_run(refusals={500: 3}))
    figures.http[ONE_TRIP][1].append(http_run(missing=1))
    figures.added[PGBENCH].note(10, NOTHING, NOTHING)

    assert figures.faults() == [
        "rows differ: orders: 1 an order by NovaProxy, 0.5 by pgbench",
        "usual refused orders: {500: 3}",
        "1 orders were answered with 201 and are not in the database",
    ]


def test_the_processor_time_of_a_peer_is_that_of_its_own_process() -> None:
    peer = RunningPeer(8000, 4_000_001)

    assert (peer.worker_pids, peer.worker_pid) == ([4_000_001], 4_000_001)
