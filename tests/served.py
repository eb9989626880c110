"""``novaproxy serve`` as a process of its own, watched from outside. Only what a test started is ever ended, by id."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from commands import Operator

if TYPE_CHECKING:
    import subprocess

OPEN = re.compile(r"is open at (http://\S+)")


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Return whether *holds* came true within *seconds*."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def lives(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid: int) -> dict[int, str]:
    """Return the ids of a process's children, and the command of each."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return {child: Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").decode() for child in found}


@dataclass(frozen=True, slots=True)
class Service:
    """A running ``novaproxy serve``; *output* and *log* are the files of its two streams."""

    process: "subprocess.Popen[bytes]"
    output: Path
    log: Path

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self.output.read_text()

    @property
    def address(self) -> str:
        """Where it is open."""
        found = OPEN.search(self.said)
        assert found is not None
        return found[1]

    @property
    def token(self) -> str:
        """The demo's token."""
        (token,) = re.findall(r"Token    (\S+)", self.said)
        return str(token)

    @property
    def workers(self) -> list[int]:
        """The process ids of its API workers."""
        return [pid for pid, words in children(self.process.pid).items() if words.endswith("novaproxy.serving.worker")]

    @property
    def processes(self) -> list[int]:
        """The process ids of all that it started: the workers and the duties."""
        return list(children(self.process.pid))

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Read a path."""
        return httpx.get(f"{self.address}{path}", headers=headers, timeout=10)

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal to the process group, as a terminal does, wait for the end and return the seconds it took."""
        started_at = time.monotonic()
        os.killpg(self.process.pid, number)
        assert self.process.wait(30) == 0
        return time.monotonic() - started_at


@contextmanager
def served(operator: Operator, *words: str, seconds: float = 30) -> Iterator[Service]:
    """Run ``serve`` until the block ends."""
    number = len(list(operator.directory.glob("serve-*.out")))
    output, log = operator.directory / f"serve-{number}.out", operator.directory / f"serve-{number}.log"
    with output.open("wb") as out, log.open("wb") as errors:
        process = operator.start("serve", *words, stdout=out, stderr=errors)
    service = Service(process, output, log)
    try:
        is_open = until(lambda: "Ctrl-C ends it" in service.said or process.poll() is not None, seconds)
        assert is_open, service.said + log.read_text()
        assert process.poll() is None, service.said + log.read_text()
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
