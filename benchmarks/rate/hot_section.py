"""The section of docs/benchmarks.md that ``make bench-hot`` writes."""

from statistics import median

from benchmarks.page import machine
from benchmarks.rate.hot_figures import ACCOUNT, CODE, LAST, NAMES, PEERS, RANDOM, Figures
from benchmarks.rate.start import WORKERS
from benchmarks.rate.telling import PROFILE, clients, listed, middle, span, table
from benchmarks.rate.whole_runs import told

_PEER = """The hot account buys alone; the hot code has a `max_uses`, which is counted, and random accounts use it. The
peer is pgbench with one stored function, one call a transaction, as for [the order rate](#the-order-rate), at its best
of the short and the long runs. For the code there are two: one locks the code and checks its uses before the money, in
the order of the API's refusals; one checks and counts them last, so that the code's row is locked for the shortest
time. The service refuses in the order of the API, and counts last as long as many uses are left. Before each run the
row versions that the one before left of the hot rows are vacuumed away, so that no side has to read the other's. The
service has an API worker for each core (`serve --workers {workers}`)."""


def section(figures: Figures, seconds: float, short_seconds: float) -> str:
    """Return the section; *seconds* is the length of a long run, *short_seconds* that of a short one."""
    settings = ", ".join(f"{name} = {value}" for name, value in figures.settings.items())
    runs, synced = len(figures.fdatasync_ms), figures.fdatasync_ms
    return "\n".join(
        [
            "## A hot account and a hot code",
            "",
            f"Written by `make bench-hot`, in {figures.seconds / 60:.1f} minutes.",
            "",
            _headline(figures),
            "",
            _PEER.format(workers=WORKERS),
            "",
            f"At the start: {figures.start}.",
            f"{runs} rounds, every second one in reverse order, {seconds:g} s each run; medians and ranges.",
            f"{machine()}. {settings}.",
            f"`fdatasync` of 8 KB beside the data: {middle(synced, 2)} ms, {span(synced, 2)}.",
            PROFILE,
            "",
            *_rates(figures),
            *told("bench-hot", figures.headline()),
            *_sweeps(figures, short_seconds),
            *_written(figures),
        ]
    )


def _headline(figures: Figures) -> str:
    lines = []
    for peer, case in ((ACCOUNT, ACCOUNT), (LAST, CODE)):
        most, *others = sorted(figures.http[case], reverse=True)
        lines.append(
            f"One {NAMES[case]}: **{figures.to_random(case, most):.2f} of our rate on random accounts, and "
            f"{figures.to_pgbench(peer, most):.2f} times pgbench's best there**, on {most} connections; "
            + "; ".join(
                f"on {count} {figures.to_random(case, count):.2f} and {figures.to_pgbench(peer, count):.2f}"
                for count in others
            )
            + "."
        )
    lines.append(
        "pgbench's best on the code counts its uses last; where it locks the code first, it is "
        f"{figures.to_pgbench(CODE, most):.2f} times."
    )
    return "\n".join(lines)


def _rates(figures: Figures) -> list[str]:
    head = ["", "orders/s", "range", "to random accounts", "to pgbench's best", "p50", "p99"]
    head += ["CPU, µs an order: API workers", "PostgreSQL", "load generator"]
    rows = []
    for case in NAMES:
        rows += [_pgbench(figures, peer) for peer, on in PEERS.items() if on == case]
        rows += [_http(figures, case, count) for count in figures.http[case]]
    return table(head, rows)


def _pgbench(figures: Figures, peer: str) -> list[str]:
    runs = figures.pgbench[peer]
    rates = [run.rate for run in runs]
    return [
        f"pgbench, hot {peer}, {clients(run.clients for run in runs)}",
        *(middle(rates), span(rates), "", f"{median(rates) / figures.pgbench_best(peer):.2f}", "", "", ""),
        middle([run.postgres_us for run in runs]),
        middle([run.load_us for run in runs]),
    ]


def _http(figures: Figures, case: str, count: int) -> list[str]:
    runs, is_hot = figures.http[case][count], case != RANDOM
    rates = [run.rate for run in runs]
    return [
        f"**HTTP, {NAMES[case]}, {count} connections**",
        *(middle(rates), span(rates)),
        f"**{figures.to_random(case, count):.2f}**" if is_hot else "",
        f"**{figures.to_pgbench(case, count):.2f}**" if is_hot else "",
        f"{middle([run.p50_ms for run in runs], 1)} ms",
        f"{middle([run.p99_ms for run in runs], 1)} ms",
        middle([run.worker_us for run in runs]),
        middle([run.postgres_us for run in runs]),
        middle([run.load_us for run in runs]),
    ]


def _sweeps(figures: Figures, seconds: float) -> list[str]:
    first = next(iter(figures.sweep.values()))
    rows = []
    for peer, found in figures.sweep.items():
        rates = [[run.rate for run in runs] for runs in found.values()]
        rows += [[f"hot {peer}, orders/s", *map(middle, rates)], ["range", *map(span, rates)]]
    return [
        f"pgbench over numbers of clients, in runs of {seconds:g} s before every second round:",
        "",
        *table(["clients", *map(str, first)], rows),
    ]


def _written(figures: Figures) -> list[str]:
    sides = [(case, side, one) for case, found in figures.added.items() for side, one in found.items()]
    return [
        "What one order added, counted in every table, rows first, then steps of counters; it must be the same on both",
        "sides of a case:",
        "",
        *(f"- {NAMES[case]}, {side}, {one.orders} orders: {listed(one.told())}" for case, side, one in sides),
        "",
        "A batch rewrites a row once however many of its orders change it; row versions written for each order:",
        "",
        *(f"- {NAMES[case]}, {side}: {listed(one.told_rewrites())}" for case, side, one in sides),
        "",
        f"Uses that the code counted: {figures.code_uses}; orders that redeemed it: {figures.code_orders}.",
        f"Answers other than 201: {figures.refused}; with a 201, but not in the database: {figures.missing}.",
        f"Breaches that `novaproxy audit` found in what all wrote: {figures.breaches}.",
        "",
    ]
