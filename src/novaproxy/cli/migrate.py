"""``novaproxy migrate``: the schema and the service's rights, by the owner."""

import asyncio

from novaproxy.cli.database import entered_by, settings, tell_terminal
from novaproxy.cli.output import say
from novaproxy.cli.terminal import Progress
from novaproxy.cli.usage import examples
from novaproxy.database.preparing import Migrated, migrated
from novaproxy.serving.database import opened_database

EXAMPLES = examples("novaproxy migrate")


def migrate() -> None:
    """Bring the database up to date.

    What its schema lacks is applied, and the service's role gets its rights. The service and the commands do it too
    where it is needed, unless 'serve' is told --no-migrate. With NOVAPROXY_DATABASE_OWNER_URL it is done as that role,
    and the user of NOVAPROXY_DATABASE_URL can then do what the service needs, and not rewrite the books.
    """
    given = settings()
    with opened_database(given, tell_terminal) as database, Progress("Migrating the database ..."):
        done = asyncio.run(entered_by(database.roles, lambda connection: migrated(database.roles, connection)))
    say("\n".join(_told(done)))


def _told(done: Migrated) -> list[str]:
    applied = [f"Applied {migration.version:04d} {migration.name}." for migration in done.applied]
    if done.role is None:
        return applied or ["The schema is up to date: nothing was to do."]
    if not applied and done.lacked is None:
        return [f"The schema is up to date, and '{done.role}' has its rights: nothing was to do."]
    return [*applied, f"Gave '{done.role}' its rights."]
