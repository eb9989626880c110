"""What ``make bench`` found: lists of runs for each point, and what they come to."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.rate.rows import Added, differences
from benchmarks.rate.sides import HttpRun, PgbenchRun

PGBENCH, HTTP, BATCHES = "pgbench", "HTTP", "batches by pgbench"


@dataclass(slots=True)
class Figures:
    """The runs, by number of clients or connections, and what was found in what they wrote."""

    start: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    fdatasync_ms: list[float] = field(default_factory=list)
    sweep: dict[int, list[PgbenchRun]] = field(default_factory=dict)
    pgbench: list[PgbenchRun] = field(default_factory=list)
    http: dict[int, list[HttpRun]] = field(default_factory=dict)
    batches: dict[int, list[PgbenchRun]] = field(default_factory=dict)
    alone_p50_ms: list[float] = field(default_factory=list)
    added: dict[str, Added] = field(default_factory=lambda: {side: Added() for side in (PGBENCH, HTTP, BATCHES)})
    missing: int = 0
    refused: int = 0
    breaches: int = 0
    seconds: float = 0.0

    def best_clients(self) -> int:
        """Return the number of clients at which pgbench was fastest in the sweeps so far, in the median."""
        return max(self.sweep, key=lambda clients: median_rate(self.sweep[clients]))

    def pgbench_best(self) -> float:
        """Return the rate that pgbench is held to: the best of the sweeps' medians and the long runs' median."""
        return max(median_rate(runs) for runs in (self.pgbench, *self.sweep.values()))

    def ratio(self, connections: int) -> float:
        """Return how many times pgbench's best the orders over *connections* are."""
        return median_rate(self.http[connections]) / self.pgbench_best()

    def ratios_by_round(self, connections: int) -> list[float]:
        """Return the same for each round beside the long run of pgbench in it."""
        pairs = zip(self.http[connections], self.pgbench, strict=True)
        return [http.rate / pgbench.rate for http, pgbench in pairs]

    def headline(self) -> dict[str, float]:
        """Return what a whole run came to."""
        return {f"to pgbench's best, {count} connections": self.ratio(count) for count in self.http}

    def faults(self) -> list[str]:
        """Return why these figures count for nothing, a sentence each."""
        told = [f"rows differ: {difference}" for difference in differences(self.added)]
        if self.missing:
            told.append(f"{self.missing} orders were answered with 201 and are not in the database")
        if self.breaches:
            told.append(f"the books do not hold: {self.breaches} breaches")
        return told

    def kept(self) -> dict[str, Any]:
        """Return what benchmarks/order_rate.json keeps."""
        added = self.added.items()
        return asdict(self) | {
            "pgbench_clients": [run.clients for run in self.pgbench],
            "pgbench_best": self.pgbench_best(),
            "ratio": {connections: self.ratio(connections) for connections in self.http},
            "added": {side: one.told() for side, one in added},
            "rewritten": {side: one.told_rewrites() for side, one in added},
        }


def median_rate(runs: list[PgbenchRun] | list[HttpRun]) -> float:
    """Return the median of the orders a second."""
    return median(run.rate for run in runs)
