"""Which processes are the server of a cluster.

A pid file alone proves nothing: after ``kill -9`` its number may be another process's, in a container nearly always
is. The server therefore carries a name (``cluster_name``) that PostgreSQL shows in the command line of each of its
processes. Command lines are open to everybody, so this works where root may not look at other accounts' files.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class PidFile:
    """What ``postmaster.pid`` says; lines that are not written yet are empty."""

    pid: int
    socket_directory: str
    status: str


def pid_file(cluster: Path) -> PidFile | None:
    """Return what the cluster's ``postmaster.pid`` says, or None when there is none."""
    try:
        lines = os.fsdecode((cluster / "postmaster.pid").read_bytes()).split("\n")
    except FileNotFoundError:
        return None
    lines += [""] * 8
    number = re.fullmatch("[0-9]{1,9}", lines[0].strip())
    return PidFile(int(number[0]) if number else 0, lines[4], lines[7].strip())


def server_name(cluster: Path) -> str:
    """Return the name that the cluster's processes carry: it stays when the directory is moved."""
    status = cluster.stat()
    return f"novaproxy-{status.st_dev:x}-{status.st_ino:x}"


def postmaster(cluster: Path) -> int | None:
    """Return the process id of the cluster's living server, or None."""
    said = pid_file(cluster)
    return said.pid if said and said.pid in server_processes(cluster, only=said.pid) else None


def server_processes(cluster: Path, only: int | None = None) -> list[int]:
    """Return the ids of the cluster's living processes, the server's children included; zombies are none."""
    named = re.compile(rf"(cluster_name=|postgres: ){server_name(cluster)}(?![0-9a-f])")
    owner = cluster.stat().st_uid
    found = _in_proc(only) if _PROC.joinpath("self").exists() else _by_ps(only)
    return [pid for pid, uid, command in found if uid == owner and named.search(command)]


def _in_proc(only: int | None) -> Iterator[tuple[int, int, str]]:
    names = [str(only)] if only is not None else [path.name for path in _PROC.iterdir()]
    for name in filter(str.isdigit, names):
        # A process may end while it is looked at.
        with suppress(OSError):
            command = (_PROC / name / "cmdline").read_bytes()
            yield int(name), (_PROC / name).stat().st_uid, os.fsdecode(command.replace(b"\0", b" "))


def _by_ps(only: int | None) -> Iterator[tuple[int, int, str]]:
    which = ["-p", str(only)] if only is not None else ["-ax"]
    told = subprocess.run(  # noqa: S603 -- fixed words and a number
        ["/bin/ps", "-ww", *which, "-o", "pid=,uid=,command="], check=False, capture_output=True
    )
    for line in os.fsdecode(told.stdout).splitlines():
        pid, uid, command = [*line.split(maxsplit=2), "", "", ""][:3]
        yield int(pid), int(uid), command


def reap(pid: int) -> None:
    """Bury *pid* if it is a dead child of this process, as everything is of a container's first process."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def send(pid: int, number: int) -> None:
    """Send signal *number*; a process that has ended meanwhile is no error."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
