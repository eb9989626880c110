"""The account that PostgreSQL runs as, and how directories reach it.

PostgreSQL refuses to run as root. There an existing unprivileged account runs it; that account owns the cluster and
the socket's directory and nothing else. Parents are neither opened nor handed over: a directory which the account
cannot reach by its path, one under a home of mode 0700 for instance, is opened by root before the account is put on,
and PostgreSQL gets it as ``/proc/self/fd/<n>``, which resolves without walking through the parents.
"""

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from novaproxy.errors import OperatorError

_UNPRIVILEGED = ("novaproxy", "postgres", "nobody")
_LONGEST_PATH_BYTES = 900  # PostgreSQL's own limit is 1024, with its file names appended
_OPEN_FILES = Path("/proc/self/fd")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Account:
    """An account; *switched* when it is not the caller's own."""

    name: str
    uid: int
    gid: int
    switched: bool

    def run(
        self,
        command: Sequence[str | Path],
        *,
        descriptors: Sequence[int] = (),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run *command* to its end as this account, in a session of its own, with no descriptors but the given ones.

        The environment is a bare one: the service's secrets are none of PostgreSQL's business, and its messages are
        to be English.
        """
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return subprocess.run(  # noqa: S603 -- the programs are PostgreSQL's own and /bin/sh, the arguments a list
            [os.fspath(word) for word in command],
            check=False,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=descriptors,
            cwd="/",
            env={"PATH": os.defpath} | kept | {"LC_ALL": "C"},
            start_new_session=True,
            user=self.uid if self.switched else None,
            group=self.gid if self.switched else None,
            extra_groups=[] if self.switched else None,
        )

    def own(self, path: Path) -> None:
        """Hand *path*, and what is in it, to this account where it is another than the caller's.

        What is the account's already is left alone: it could have put foreign files in there for root to hand over.
        """
        if not self.switched or path.lstat().st_uid == self.uid:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for parent, directories, files in os.walk(path):
            for name in (*directories, *files):
                os.chown(Path(parent, name), self.uid, self.gid, follow_symlinks=False)

    def _enters(self, directory: Path) -> bool:
        return not self.switched or self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", directory]).returncode == 0

    @contextmanager
    def reach(self, directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield a path by which this account's processes reach *directory*, and the descriptors they need for it.

        Raises:
            OperatorError: this system has no ``/proc``, and the path itself is closed to the account.
        """
        awkward = len(os.fsencode(directory)) > _LONGEST_PATH_BYTES or "\n" in str(directory)
        if not awkward and self._enters(directory):
            yield str(directory), ()
            return
        if not _OPEN_FILES.is_dir():
            raise OperatorError(
                f"The account '{self.name}', which runs PostgreSQL, cannot reach {directory}: "
                "set NOVAPROXY_DATA_DIR to a directory that it can reach."
            )
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield str(_OPEN_FILES / str(descriptor)), (descriptor,)
        finally:
            os.close(descriptor)


def account_for(cluster: Path) -> Account:
    """Return the account that runs the server of *cluster*, which need not exist yet.

    A user runs it himself. For root it is the cluster's owner, so that root's commands fit beside a user's service.

    Raises:
        OperatorError: the account has no name, which PostgreSQL needs; the cluster is another user's.
    """
    caller = os.geteuid()
    owner = cluster.stat().st_uid if cluster.exists() else None
    if caller == 0:
        return _owning(owner) or _unprivileged()
    if owner not in {None, caller}:
        raise OperatorError(
            f"The database in {cluster} belongs to another user: run as that user, or set NOVAPROXY_DATA_DIR."
        )
    entry = _entry(caller)
    if entry is None:
        raise OperatorError(
            f"The user id {caller} has no entry in /etc/passwd, which PostgreSQL needs: add one, "
            "or set NOVAPROXY_DATABASE_URL to a PostgreSQL of your own."
        )
    return Account(entry.pw_name, entry.pw_uid, os.getegid(), switched=False)


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _owning(owner: int | None) -> Account | None:
    entry = _entry(owner) if owner else None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switched=True) if entry else None


def _unprivileged() -> Account:
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid, switched=True)
    raise OperatorError(
        "PostgreSQL does not run as root, and there is no account 'nobody': add an account 'novaproxy', "
        "or run as another user."
    )
