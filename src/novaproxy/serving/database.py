"""The database that a command or the service works on: the operator's own, or the embedded one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from novaproxy.database.cluster import is_made
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.pool import Target
from novaproxy.database.preparing import Roles
from novaproxy.database.roles import SERVICE, ServiceRole
from novaproxy.errors import OperatorError
from novaproxy.serving.progress import told_when_slow
from novaproxy.settings import Settings


@dataclass(frozen=True, slots=True)
class OpenedDatabase:
    """As whom the database is reached, and the embedded server behind it where there is one."""

    roles: Roles
    server: EmbeddedPostgres | None

    @property
    def target(self) -> Target:
        """Where the database is for the service's role."""
        return self.roles.service


@contextmanager
def opened_database(settings: Settings, tell: Callable[[str], None]) -> Iterator[OpenedDatabase]:
    """Give the database; an embedded one is adopted or started, and stopped by the last one out.

    *tell* gets a sentence where this takes long.

    Raises:
        OperatorError: there is none to be had.
    """
    if settings.database_url is not None:
        yield OpenedDatabase(own_roles(settings), None)
        return
    if settings.database_owner_url is not None:
        raise OperatorError("NOVAPROXY_DATABASE_OWNER_URL counts beside NOVAPROXY_DATABASE_URL only: set both.")
    with ExitStack() as stack:
        with _told_start(settings, tell):
            server = stack.enter_context(EmbeddedPostgres(settings.data_dir, binaries=settings.postgres_binaries))
        yield OpenedDatabase(embedded_roles(server), server)


def own_roles(settings: Settings) -> Roles:
    """Return the roles of the operator's own database."""
    owner = None if settings.database_owner_url is None else {"dsn": settings.database_owner_url}
    return Roles({"dsn": settings.database_url}, owner)


def embedded_roles(server: EmbeddedPostgres) -> Roles:
    """Return the two roles of the embedded database."""
    service = server.service_address
    return Roles(service.arguments(), server.address.arguments(), ServiceRole(SERVICE, service.password))


def _told_start(settings: Settings, tell: Callable[[str], None]) -> AbstractContextManager[None]:
    try:
        is_new = not is_made(settings.data_dir / "postgres")
    except OSError:
        # Entering says better what is wrong with the directory.
        is_new = False
    if is_new:
        return told_when_slow(f"Making the database in {settings.data_dir} (once) ...", tell, seconds=0)
    return told_when_slow(f"Opening the database in {settings.data_dir} ...", tell)
