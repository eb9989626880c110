"""How much memory the embedded PostgreSQL takes for its buffers: a part of what there is."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MIB = 2**20
LEAST_BUFFERS_BYTES = 128 * MIB
MOST_BUFFERS_BYTES = 1024 * MIB
"""With a million accounts, or 10 million orders, all that orders touch again fits in (docs/adr/0026)."""

_SHARE = 8

_PROC = Path("/proc/self")
_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = {"": "memory.max", "memory": "memory/memory.limit_in_bytes"}


def buffers_bytes(memory_bytes: int) -> int:
    """Return the bytes of buffers for a machine with *memory_bytes*: an eighth, in whole MiB, within bounds."""
    return max(LEAST_BUFFERS_BYTES, min(MOST_BUFFERS_BYTES, memory_bytes // _SHARE // MIB * MIB))


def memory_bytes(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Return how much memory this process may use: the machine's, or what a container is given; 0 is unknown."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0
    return min([machine, *_limits(proc, cgroups)])


def _limits(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yield the limits of this process's control groups, and of those that they are in; both versions.

    In a container the path may be the host's: then only the root that it sees is there.
    """
    with suppress(OSError):
        for line in (proc / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                if (name := _LIMITS.get(controller)) is not None:
                    yield from _limits_above(cgroups / Path(name).parent, path, Path(name).name)


def _limits_above(root: Path, path: str, name: str) -> Iterator[int]:
    group = root / path.lstrip("/")
    for directory in (group, *group.parents):
        with suppress(OSError):
            # "max" in the second version; in the first a number above all memory.
            if re.fullmatch("[0-9]+", told := (directory / name).read_text(encoding="ascii").strip()):
                yield int(told)
        if directory == root:
            return
