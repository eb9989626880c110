"""What a run wrote: rows added to every table and steps of the counters, exactly, so that two sides compare."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from benchmarks.shop import query
from novaproxy.database.pool import Target

DUTIES = ("audit_mark", "audit_run")
"""Tables in which the shop's duties write beside the orders."""

_TABLES = "SELECT relname FROM pg_stat_user_tables ORDER BY relname"
_STEPS = {
    "account.ledger_version": "SELECT sum(ledger_version) FROM account",
    "account_plan.orders": "SELECT sum(orders) FROM account_plan",
    "discount_code.uses": "SELECT sum(uses) FROM discount_code",
    "account_code.uses": "SELECT sum(uses) FROM account_code",
}
"""Counters that orders move on. How often a row is rewritten for it is a side's own affair, how far it moves is not."""

COUNTERS = ("account_plan", "account_code")
"""Tables that hold nothing but such counters: only the first order of an account and plan, or code, adds a row."""

_REWRITES = """
SELECT relname, n_tup_upd FROM pg_stat_user_tables
WHERE relname IN ('account', 'account_plan', 'account_code', 'discount_code')
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many rows and steps there are at a moment."""

    rows: Counter[str]
    steps: Counter[str]
    rewrites: Counter[str]


@dataclass(slots=True)
class Added:
    """What *orders* orders added, run after run."""

    orders: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    rewrites: Counter[str] = field(default_factory=Counter)

    def note(self, orders: int, before: Standing, after: Standing) -> None:
        """Count what was added while *orders* orders were placed."""
        self.orders += orders
        for sums, old, new in (
            (self.rows, before.rows, after.rows),
            (self.steps, before.steps, after.steps),
            (self.rewrites, before.rewrites, after.rewrites),
        ):
            sums.update({name: new[name] - old[name] for name in new})

    def compared(self) -> dict[str, Fraction]:
        """Return the rows and steps of one order, those that an order of the other side must have added too."""
        counted = {table: rows for table, rows in sorted(self.rows.items()) if table not in COUNTERS} | self.steps
        return {name: Fraction(count, max(1, self.orders)) for name, count in counted.items() if count}

    def told(self) -> dict[str, float]:
        """Return the same for a reader."""
        return {name: round(float(count), 4) for name, count in self.compared().items()}

    def told_rewrites(self) -> dict[str, float]:
        """Return how many versions of rows one order wrote in the tables of counters."""
        rewritten = {name: round(count / max(1, self.orders), 3) for name, count in self.rewrites.items()}
        return {name: count for name, count in sorted(rewritten.items()) if count}


def standing(target: Target) -> Standing:
    """Count the rows of all tables and the steps of all counters."""
    tables = [row[0] for row in query(target, _TABLES)]
    counted = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)  # noqa: S608 -- our own names
    stepped = " UNION ALL ".join(f"SELECT '{name}', ({select})::bigint" for name, select in _STEPS.items())
    return Standing(
        Counter({name: count for name, count in query(target, counted) if name not in DUTIES}),
        Counter({name: count or 0 for name, count in query(target, stepped)}),
        Counter({row["relname"]: row["n_tup_upd"] for row in query(target, _REWRITES)}),
    )


def differences(sides: Mapping[str, Added]) -> list[str]:
    """Return a sentence for each row or step in which an order of a side differs from one of the first side's."""
    (first, first_added), *others = sides.items()
    expected = first_added.compared()
    return [
        f"{name}: {float(expected.get(name, 0)):g} an order by {first}, {float(added.get(name, 0)):g} by {side}"
        for side, added in ((side, added.compared()) for side, added in others)
        for name in sorted(expected.keys() | added.keys())
        if expected.get(name, 0) != added.get(name, 0)
    ]
