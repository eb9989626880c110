"""The supervisor: database, migrations, workers, gateways, duties; started in this order, ended in reverse, drained.

What dies is started again; what dies again and again ends the service with a clear word.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.errors import OperatorError
from novaproxy.metrics.sharing import SharedDirectory
from novaproxy.serving.children import KILL_SECONDS, Child, Service, started_duties, started_gateway, started_worker

_DUTIES = "duties"
_GATEWAY = "gateway"
_DEATHS = 5
_DEATHS_SECONDS = 30.0
_TICK_SECONDS = 0.25

log = structlog.get_logger("novaproxy.supervisor")


@dataclass(slots=True)
class Supervisor:
    """Keeps the processes of *service* and the embedded database alive.

    *workers* take orders, *gateways* serve proxies; the duties are kept where there are workers.
    """

    service: Service
    server: EmbeddedPostgres | None
    workers: int
    gateways: int
    _running: dict[str, Child] = field(default_factory=dict)
    _figures: SharedDirectory | None = None
    _deaths: deque[float] = field(default_factory=deque)

    def run(self, announce: Callable[[], None]) -> None:
        """Start the processes, *announce*, and keep all alive until a signal raises KeyboardInterrupt.

        Whatever ends it, the processes are ended first, drained.

        Raises:
            OperatorError: something died again and again, or could not be started again.
        """
        places = [*map(str, range(self.workers)), *(f"{_GATEWAY}{number}" for number in range(self.gateways))]
        if self.workers:
            places.append(_DUTIES)
        try:
            self._share_figures(places)
            for place in places:
                self._start(place)
            announce()
            while True:
                time.sleep(_TICK_SECONDS)
                self._mend()
        finally:
            self._end()

    def _share_figures(self, places: Sequence[str]) -> None:
        try:
            self._figures = SharedDirectory()
            for place in places:
                self._figures.make_room(place)
        except OSError as error:
            self._share_no_figures(error)

    def _share_no_figures(self, error: OSError) -> None:
        # A shop that sells and is badly measured is better than none.
        log.error("no room for metrics: each worker tells its own alone", error=error.strerror)
        self._stop_sharing_figures()

    def _stop_sharing_figures(self) -> None:
        if self._figures is not None:
            self._figures.remove()
            self._figures = None

    def _start(self, place: str) -> None:
        start = started_worker
        if place == _DUTIES:
            start = started_duties
        elif place.startswith(_GATEWAY):
            start = started_gateway
        self._running[place] = start(self.service, place, str(self._figures.path) if self._figures else None)

    def _start_again(self, place: str) -> None:
        if self._figures is not None:
            try:
                self._figures.make_room(place)
            except OSError as error:
                self._share_no_figures(error)
        self._start(place)

    def _mend(self) -> None:
        if self.server is not None and not self.server.alive():
            log.error("the database died; starting it again")
            self._count_death("The database")
            self.server.revive()
        dead = [place for place, child in self._running.items() if child.process.poll() is not None]
        # All of them first: who starts settles what the dead have counted, to the last byte only after this.
        for place in dead:
            child = self._running[place]
            status = child.process.returncode
            log.error("a process died; starting another", process=child.name, pid=child.process.pid, status=status)
            self._count_death(child.name)
            child.wait(0)
        for place in dead:
            try:
                self._start_again(place)
            except OperatorError as error:
                # Whoever is killed at his start is started again: looked at, and counted, at the next tick.
                log.error("a process could not be started", process=self._running[place].name, error=str(error))

    def _count_death(self, what: str) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths and self._deaths[0] < now - _DEATHS_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) > _DEATHS:
            raise OperatorError(f"{what} died again and again; the service ends. The log above says why.")

    def _end(self) -> None:
        if self.service.listener is not None:
            self.service.listener.close()
        deadline = time.monotonic() + KILL_SECONDS
        for child in self._running.values():
            child.end()
        for child in self._running.values():
            child.wait(deadline)
        self._stop_sharing_figures()
