"""All guards, by where they stand."""

from collections.abc import Mapping, Sequence

from guards import edges, orders
from guards.guard import Guard
from guards.schema import schema_guards

GROUPS: Mapping[str, Sequence[Guard]] = {
    "Locks, and what waits for them": orders.LOCKS,
    "What a statement may read and write": orders.WRITES,
    "Rules and their order": orders.RULES,
    "When something goes wrong with an order": orders.DESK,
    "Sessions, migrations, duties": edges.SESSIONS,
    "Requests": edges.REQUESTS,
    "Secrets": edges.SECRETS,
    "Processes": edges.PROCESSES,
    "The database's own promises": tuple(schema_guards()),
}

GUARDS: Sequence[Guard] = tuple(guard for group in GROUPS.values() for guard in group)
