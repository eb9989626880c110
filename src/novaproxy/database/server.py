"""Starting, awaiting and stopping the server of one cluster; all of it under the exclusive lock of its caller."""

import os
import re
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from novaproxy.database import processes, sockets
from novaproxy.database.binaries import Binaries
from novaproxy.database.cluster import FULL_DISK, OWNER, fault_in
from novaproxy.database.patience import Patience
from novaproxy.errors import OperatorError

_LONGEST_LOG_BYTES = 10 * 2**20
_LEAST_FREE_BYTES = 2**20
# Fast, immediate, the kernel's. A fast stop writes a checkpoint first; one that comes while the server begins anew
# after the death of a child is lost (seen with PostgreSQL 18), and the service has 20 s to end in all.
_STOPS = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 10.0))
_GRACE_S = 5.0
_OURS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(sockets.PORT),
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_startup_progress_interval": "2s",  # crash recovery is awaited while the log grows
}
_PASSING = re.compile(r'pre-existing shared memory block|lock file "[^"]*" already exists')
# The shell ends at once: the server is nobody's child, so that no zombie of it is left with whoever started it.
_DETACHED = '{ exec "$@"; } </dev/null >&2 & echo $!'


class Log:
    """The file that the server writes to; begun anew at a start when it is above 10 MiB, one old file is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size_bytes(self) -> int:
        """Return the size; 0 where there is no file."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def open(self) -> int:
        """Return a descriptor to append with."""
        if self.size_bytes() > _LONGEST_LOG_BYTES:
            self.path.replace(f"{self.path}.1")
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            # Root's commands must not lock the directory's own user out of his log.
            owner = self.path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def since(self, offset: int) -> bytes:
        """Return what was written after *offset*, 64 KiB at most."""
        with self.path.open("rb") as file:
            file.seek(max(offset, self.size_bytes() - 2**16))
            return file.read()


class Server:
    """The server of the cluster in *data_dir*."""

    def __init__(self, data_dir: Path) -> None:
        self.cluster = data_dir / "postgres"
        self.log = Log(data_dir / "postgres.log")
        self._usual_sockets = data_dir / "run"

    def pid(self) -> int | None:
        """Return the process id of the living server, or None."""
        return processes.postmaster(self.cluster) if self.cluster.exists() else None

    def start(self, binaries: Binaries, settings: Mapping[str, str]) -> Path | None:
        """Start the server, which is not running, and return the directory of its socket when it answers.

        None: something of an earlier server is still in its way, or it was killed at once; try again.

        Raises:
            OperatorError: it cannot start.
        """
        offset = 0 if self.log.size_bytes() > _LONGEST_LOG_BYTES else self.log.size_bytes()
        pid, directory = self._launched(binaries, settings)
        if self.ready(pid) is not None:
            return directory
        said = self.log.since(offset)
        # On a full disk the log is often the first thing that could not be written.
        fault = fault_in(said) or (FULL_DISK if shutil.disk_usage(self.cluster).free < _LEAST_FREE_BYTES else "")
        if not fault or _PASSING.search(fault):
            return None
        sockets.remove_moved(directory, binaries.account.uid)
        raise OperatorError(
            f"The database in {self.cluster} does not start: {fault} (All it said is in {self.log.path}.)"
        )

    def _launched(self, binaries: Binaries, settings: Mapping[str, str]) -> tuple[int, Path]:
        account = binaries.account
        previous = processes.pid_file(self.cluster)
        with ExitStack() as stack:
            path, descriptors = stack.enter_context(account.reach(self.cluster))
            said = previous.socket_directory if previous else ""
            name = processes.server_name(self.cluster)
            directory = sockets.make_socket_directory(self._usual_sockets, name, said, account)
            socket_path, socket_descriptors = stack.enter_context(account.reach(directory))
            forced = {
                **settings,
                **_OURS,
                "unix_socket_directories": '"' + socket_path.replace('"', '""') + '"',
                "cluster_name": name,
            }
            words = [f"{name}={setting}" for name, setting in forced.items()]
            # Nothing of the cluster runs, so its number, if there is one, is by now a stranger's.
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)
            log = self.log.open()
            stack.callback(os.close, log)
            ended = account.run(
                [
                    *("/bin/sh", "-c", _DETACHED, "sh", binaries.directory / "postgres", "-D", path),
                    *(argument for word in words for argument in ("-c", word)),
                ],
                descriptors=(*descriptors, *socket_descriptors),
                stderr=log,
            )
        return int(ended.stdout), directory

    def ready(self, pid: int) -> Path | None:
        """Return the socket's directory when the server *pid* answers, or None when it ended or is stopping.

        Raises:
            OperatorError: it neither answers nor makes progress.
        """
        patience = Patience(sign=self.log.size_bytes)
        while self._lives(pid):
            said = processes.pid_file(self.cluster)
            if said and said.pid == pid and said.status == "stopping":
                self.stop()
                return None
            if said and said.pid == pid and said.status == "ready":
                owner = self.cluster.stat().st_uid
                directory = sockets.find_socket_directory(self._usual_sockets, said.socket_directory, owner)
                if sockets.answers(directory, OWNER):
                    return directory
            if not patience.step():
                raise OperatorError(
                    f"The database (process {pid}) does not answer and makes no progress: see {self.log.path}."
                )
        processes.reap(pid)
        return None

    def _lives(self, pid: int) -> bool:
        return pid in processes.server_processes(self.cluster, only=pid)

    def stop(self) -> None:
        """Stop the server, if it runs: fast, which writes a checkpoint; if that takes too long, at once."""
        pid = self.pid()
        said = processes.pid_file(self.cluster)
        for number, limit_s in _STOPS:
            if pid is None or self._ended(pid, number, limit_s):
                break
        self.clear()
        if said is not None:
            sockets.remove_moved(Path(said.socket_directory), self.cluster.stat().st_uid)

    def _ended(self, pid: int, number: int, limit_s: float) -> bool:
        processes.send(pid, number)
        patience = Patience(limit_s)
        while self._lives(pid):
            if not patience.step():
                return False
        processes.reap(pid)
        return True

    def clear(self) -> None:
        """Wait for the children of a server that was killed: PostgreSQL does not start while one of them lives.

        They end by themselves as soon as they notice; those that do not within the grace are ended. Whatever they
        had committed is on the disk, and the next start recovers it.
        """
        begun_at = time.monotonic()
        patience = Patience(4 * _GRACE_S)
        while self.pid() is None and (left := processes.server_processes(self.cluster)):
            waited_s = time.monotonic() - begun_at
            if waited_s > _GRACE_S:
                for pid in left:
                    processes.send(pid, signal.SIGKILL if waited_s > 2 * _GRACE_S else signal.SIGQUIT)
            if not patience.step():
                raise OperatorError(
                    f"Processes of a database that was killed do not end: {', '.join(map(str, left))}. End them."
                )
