"""Connections to each worker of one service, as many to one as to another: left alone, the kernel gives most to one."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from market import Market, Order
from services import Service, within
from volleys import Answer, Asked, opened, read_answer, volley_on

_STOP_SECONDS = 5.0


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@contextmanager
def only_running(pid: int, workers: Sequence[int]) -> Iterator[None]:
    """Let of *workers* (process ids) *pid* alone run: whoever connects meanwhile is taken by it."""
    others = [other for other in workers if other != pid]
    try:
        for other in others:
            os.kill(other, signal.SIGSTOP)
        within(_STOP_SECONDS, lambda: all(map(_is_stopped, others)), "workers that stand still")
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


def lines_to(service: Service, pid: int, number: int, stack: ExitStack) -> list[socket.socket]:
    """Return open connections to the worker *pid*, each of which it has answered on; *stack* closes them."""
    with only_running(pid, service.worker_pids()):
        lines = [stack.enter_context(opened(service.address)) for _ in range(number)]
        for line in lines:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n")
        for line in lines:
            assert read_answer(line, time.monotonic()).status == 200
    return lines


@dataclass(slots=True)
class WorkersMarket(Market):
    """One service; orders that arrive together reach each of its workers."""

    _opening: threading.Lock = field(default_factory=threading.Lock)

    def at_once(self, asked: Sequence[Order], spread: int = 0) -> list[Answer]:  # noqa: ARG002 -- every worker gets its part
        """Return the answers to orders that arrive together, as many at one worker as at another, in any order."""
        (service,) = self.services
        places = list(range(len(asked)))
        self.random.shuffle(places)
        workers = service.worker_pids()
        with ExitStack() as stack:
            with self._opening:
                lines = [
                    line
                    for turn, pid in enumerate(workers)
                    for line in lines_to(service, pid, len(range(turn, len(asked), len(workers))), stack)
                ]
            answers = volley_on(lines, [Asked(service.address, *asked[place]) for place in places])
        found = dict(zip(places, answers, strict=True))
        return [found[place] for place in range(len(asked))]
