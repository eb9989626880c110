"""The embedded PostgreSQL: one server for a data directory, shared by all who use it, stopped by the last one.

A data directory holds

    postgres/           the cluster, owned by the account that runs the server
    run/                the socket, private to that account
    postgres.log        what the server says; postgres.log.1 is the one before
    database-password   the password of the role ``novaproxy``, for the caller's eyes alone
    database-service-password   that of the role ``novaproxy_service``, which a migration makes
    start.lock          held exclusively around start and stop
    use.lock            held shared while in use

Whoever enters takes ``use.lock``; whoever leaves and finds no other holder stops the server. The kernel frees locks
of the killed, so a server left behind by ``kill -9`` is found running by the next user, adopted, and later stopped.

As root the server is another account's (see ``account``); a data directory under a home of mode 0700 serves too.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypedDict

from novaproxy.database.account import account_for
from novaproxy.database.binaries import find_binaries, usable_binaries
from novaproxy.database.cluster import OWNER, check_version, is_made, make_cluster, make_password, read_password
from novaproxy.database.locks import UseLock, exclusive
from novaproxy.database.patience import Patience
from novaproxy.database.roles import SERVICE
from novaproxy.database.server import Server
from novaproxy.database.sockets import PORT
from novaproxy.errors import OperatorError

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
"""No server settings but our own."""

_STARTS = 8


class ConnectArguments(TypedDict):
    """What ``asyncpg.connect`` and ``asyncpg.create_pool`` take."""

    host: str
    port: int
    user: str
    password: str
    database: str


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach the running server; *host* is the directory of its socket."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    def arguments(self) -> ConnectArguments:
        """Return the keyword arguments for asyncpg."""
        return ConnectArguments(
            host=self.host, port=self.port, user=self.user, password=self.password, database=self.database
        )


class EmbeddedPostgres:
    """The server of *data_dir* for the length of a ``with`` block.

    Args:
        data_dir: made if it is not there.
        binaries: the directory of PostgreSQL's programs (NOVAPROXY_PG_BIN), or None to look for them.
        settings: further settings, for a server that this block starts.

    Raises:
        OperatorError: on entering, in one sentence, why there is no database.
    """

    def __init__(
        self, data_dir: Path, *, binaries: Path | None = None, settings: Mapping[str, str] = NO_SETTINGS
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._binaries = binaries
        self._settings = dict(settings)
        self._server = Server(self._data_dir)
        self._password = self._data_dir / "database-password"
        self._service_password = self._data_dir / "database-service-password"
        self._use: UseLock | None = None
        self._address: Address | None = None

    def __enter__(self) -> Self:
        with told_faults(self._data_dir):
            made_directory(self._data_dir)
            with self._exclusive() as lock:
                self._use = UseLock(self._data_dir / "use.lock")
                try:
                    self._address = self._running(lock)
                except BaseException:
                    self._leave()
                    raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with told_faults(self._data_dir), self._exclusive():
                self._leave()
        finally:
            self._release()

    @property
    def address(self) -> Address:
        """How to reach the server as its owner; ``revive`` keeps it, unless somebody emptied ``/tmp``."""
        if self._address is None:
            raise RuntimeError("the embedded PostgreSQL was not entered")
        return self._address

    @property
    def service_address(self) -> Address:
        """How to reach it as the service's role, once a migration has made that role."""
        return replace(self.address, user=SERVICE, password=read_password(self._service_password))

    def alive(self) -> bool:
        """Return whether the server's process is there; costs no more than reading two small files."""
        with told_faults(self._data_dir):
            return self._server.pid() is not None

    def revive(self) -> None:
        """Start the server again if it died, and wait until it answers; several processes may call it at once.

        Raises:
            OperatorError: it does not start.
        """
        with told_faults(self._data_dir), self._exclusive() as lock:
            self._address = self._running(lock)

    def _exclusive(self) -> AbstractContextManager[int]:
        # Who waits here waits for another one's start, and sees its progress in the same log.
        return exclusive(self._data_dir / "start.lock", Patience(sign=self._server.log.size_bytes))

    def _running(self, lock: int) -> Address:
        """Return the address of the server, adopted or started; *lock* is the exclusive lock's descriptor."""
        for _ in range(_STARTS):
            pid = self._server.pid()
            directory = self._server.ready(pid) if pid is not None else self._started(lock)
            if directory is not None:
                make_password(self._service_password)
                return Address(str(directory), PORT, OWNER, read_password(self._password), OWNER)
        raise OperatorError(f"The database in {self._data_dir} dies as often as it is started: see its log.")

    def _started(self, lock: int) -> Path | None:
        cluster = self._server.cluster
        account = account_for(cluster)
        binaries = usable_binaries(find_binaries(self._binaries), account)
        if is_made(cluster):
            check_version(cluster, binaries)
            read_password(self._password)
            if account.switched and cluster.stat().st_uid != account.uid:
                account.own(cluster)
            self._server.clear()
            if self._server.pid() is not None:
                return None
        else:
            password = make_password(self._password)
            durable = self._settings.get("fsync") != "off"
            make_cluster(cluster, binaries, password, durable=durable, lock=lock)
        return self._server.start(binaries, self._settings)

    def _leave(self) -> None:
        """Stop the server if nobody else uses it, and give the shared lock up; under the exclusive lock."""
        try:
            if self._use is not None and self._use.is_last() and self._server.cluster.exists():
                self._server.stop()
        finally:
            self._release()

    def _release(self) -> None:
        if self._use is not None:
            self._use.release()
            self._use = None
        self._address = None


def made_directory(data_dir: Path) -> None:
    """Make the data directory; root's lets the unprivileged account pass through, and read nothing."""
    if not data_dir.is_dir():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)


@contextmanager
def told_faults(data_dir: Path) -> Iterator[None]:
    """Turn an error of the operating system into a sentence for the operator."""
    try:
        yield
    except OSError as error:
        raise OperatorError(_sentence(error, data_dir)) from error


def _sentence(error: OSError, data_dir: Path) -> str:
    named = f" ({error.filename}: {error.strerror})" if error.filename else f" ({error.strerror})"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk that holds the data directory {data_dir} is full{named}."
        case errno.EACCES | errno.EPERM:
            return (
                f"No rights to the data directory {data_dir}{named}: run as its owner, "
                "or set NOVAPROXY_DATA_DIR to a directory of your own."
            )
        case errno.EROFS:
            return f"The data directory {data_dir} is on a read-only file system{named}: set NOVAPROXY_DATA_DIR."
        case errno.EEXIST | errno.ENOTDIR:
            return f"The data directory {data_dir} is a file, or lies under one{named}: set NOVAPROXY_DATA_DIR."
        case _:
            return f"The data directory {data_dir} cannot be used{named}."
