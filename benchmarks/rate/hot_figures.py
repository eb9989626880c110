"""What ``make bench-hot`` found: lists of runs for each case and point, and what they come to."""

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.rate.figures import median_rate
from benchmarks.rate.rows import Added, differences
from benchmarks.rate.sides import HttpRun, PgbenchRun

RANDOM, ACCOUNT, CODE = "random", "account", "code"
HOT = (ACCOUNT, CODE)
NAMES = {RANDOM: "random accounts", ACCOUNT: "hot account", CODE: "hot code"}

LAST = "code, counted last"
PEERS = {ACCOUNT: ACCOUNT, CODE: CODE, LAST: CODE}
"""What pgbench runs, and on which case."""


def side(peer: str) -> str:
    """Return how *peer* is called among those on its case."""
    return "pgbench" + peer.removeprefix(PEERS[peer])


def _sides() -> dict[str, dict[str, Added]]:
    sides = {case: {"HTTP": Added()} for case in NAMES}
    for peer, case in PEERS.items():
        sides[case][side(peer)] = Added()
    return sides


@dataclass(slots=True)
class Figures:
    """The runs by case or peer and number of clients or connections, and what was found in what they wrote."""

    start: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    fdatasync_ms: list[float] = field(default_factory=list)
    sweep: dict[str, dict[int, list[PgbenchRun]]] = field(default_factory=lambda: {peer: {} for peer in PEERS})
    pgbench: dict[str, list[PgbenchRun]] = field(default_factory=lambda: {peer: [] for peer in PEERS})
    http: dict[str, dict[int, list[HttpRun]]] = field(default_factory=lambda: {case: {} for case in NAMES})
    added: dict[str, dict[str, Added]] = field(default_factory=_sides)
    code_uses: int = 0
    code_orders: int = 0
    missing: int = 0
    refused: int = 0
    breaches: int = 0
    seconds: float = 0.0

    def best_clients(self, peer: str) -> int:
        """Return the number of clients at which pgbench was fastest in the sweeps so far, in the median."""
        return max(self.sweep[peer], key=lambda clients: median_rate(self.sweep[peer][clients]))

    def pgbench_best(self, peer: str) -> float:
        """Return the rate that pgbench is held to: the best of the sweeps' medians and the long runs' median."""
        return max(median_rate(runs) for runs in (self.pgbench[peer], *self.sweep[peer].values()))

    def to_random(self, case: str, connections: int) -> float:
        """Return what share of our own rate on random accounts we reach on *case*."""
        return median_rate(self.http[case][connections]) / median_rate(self.http[RANDOM][connections])

    def to_pgbench(self, peer: str, connections: int) -> float:
        """Return how many times the best of *peer* we reach on its case."""
        return median_rate(self.http[PEERS[peer]][connections]) / self.pgbench_best(peer)

    def headline(self) -> dict[str, float]:
        """Return what a whole run came to."""
        told: dict[str, float] = {}
        for case in HOT:
            for count in self.http[case]:
                told[f"{NAMES[case]} to random accounts, {count} connections"] = self.to_random(case, count)
        for peer, case in PEERS.items():
            for count in self.http[case]:
                told[f"hot {peer}: to pgbench's best, {count} connections"] = self.to_pgbench(peer, count)
        return told

    def faults(self) -> list[str]:
        """Return why these figures count for nothing, a sentence each."""
        told = [
            f"rows differ, {NAMES[case]}: {difference}"
            for case, sides in self.added.items()
            for difference in differences(sides)
        ]
        if self.code_uses != self.code_orders:
            told.append(f"the code counted {self.code_uses} uses, {self.code_orders} orders redeemed it")
        if self.missing:
            told.append(f"{self.missing} orders were answered with 201 and are not in the database")
        if self.breaches:
            told.append(f"the books do not hold: {self.breaches} breaches")
        return told

    def kept(self) -> dict[str, Any]:
        """Return what benchmarks/hot_rate.json keeps."""
        added = self.added.items()
        return asdict(self) | {
            "pgbench_clients": {peer: [run.clients for run in self.pgbench[peer]] for peer in PEERS},
            "pgbench_best": {peer: self.pgbench_best(peer) for peer in PEERS},
            "to_random": {case: {count: self.to_random(case, count) for count in self.http[case]} for case in HOT},
            "to_pgbench": {
                peer: {count: self.to_pgbench(peer, count) for count in self.http[case]} for peer, case in PEERS.items()
            },
            "added": {case: {side: one.told() for side, one in sides.items()} for case, sides in added},
            "rewritten": {case: {side: one.told_rewrites() for side, one in sides.items()} for case, sides in added},
        }
