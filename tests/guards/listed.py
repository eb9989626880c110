"""All guards, by where they stand."""

from collections.abc import Mapping, Sequence

from guards import admission, delivery, edges, entrance, exits, orders, relay, usage
from guards.guard import Guard
from guards.schema import schema_guards

GROUPS: Mapping[str, Sequence[Guard]] = {
    "Locks, and what waits for them": orders.LOCKS,
    "What a statement may read and write": orders.WRITES,
    "Rules and their order": orders.RULES,
    "When something goes wrong with an order": orders.DESK,
    "Bytes that are lent, counted and settled": usage.BYTES,
    "Whitelists and usage": delivery.DELIVERY,
    "Sessions, migrations, duties": edges.SESSIONS,
    "Requests": edges.REQUESTS,
    "Secrets": edges.SECRETS,
    "Processes": edges.PROCESSES,
    "Who is let through": admission.ADMISSION,
    "The way out": exits.EXITS,
    "A tunnel's bytes": relay.RELAY,
    "What strangers say to the gateway": entrance.ENTRANCE,
    "The database's own promises": tuple(schema_guards()),
}

GUARDS: Sequence[Guard] = tuple(guard for group in GROUPS.values() for guard in group)
