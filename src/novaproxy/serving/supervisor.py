"""The supervisor: database, migrations, workers, gateways, duties; at work in this order, ended in reverse, drained.

Workers and gateways are launched before the database is opened, and import meanwhile what they are made of. What dies
is started again; what dies again and again ends the service with a clear word.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.errors import OperatorError
from novaproxy.metrics.sharing import SharedDirectory
from novaproxy.serving.children import (
    KILL_SECONDS,
    Access,
    Child,
    Service,
    duty_orders,
    gateway_orders,
    launched_duties,
    launched_gateway,
    launched_worker,
    worker_orders,
)

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
    workers: int
    gateways: int
    _running: dict[str, Child] = field(default_factory=dict)
    _figures: SharedDirectory | None = None
    _deaths: deque[float] = field(default_factory=deque)

    @contextmanager
    def launched(self) -> Iterator[None]:
        """Launch workers and gateways, which wait for what ``run`` hands over; those that get nothing are ended."""
        try:
            for place in self._served_places():
                self._running[place] = self._launched(place)
            yield
        finally:
            for child in self._running.values():
                child.discard()

    def run(self, access: Access, server: EmbeddedPostgres | None, announce: Callable[[], None]) -> None:
        """Put the processes to work, *announce*, and keep all alive until a signal raises KeyboardInterrupt.

        *server* is the embedded database, which is kept alive too. Whatever ends it, the processes are ended first,
        drained.

        Raises:
            OperatorError: something died again and again, or could not be started again.
        """
        places = self._served_places()
        try:
            self._share_figures([*places, *self._duties()])
            for place in places:
                self._hand_over(place, access)
            for place in places:
                self._running[place].wait_until_ready()
            for place in self._duties():
                self._start(place, access)
            announce()
            while True:
                time.sleep(_TICK_SECONDS)
                self._mend(access, server)
        finally:
            self._end()

    def _served_places(self) -> Sequence[str]:
        return [*map(str, range(self.workers)), *(f"{_GATEWAY}{number}" for number in range(self.gateways))]

    def _duties(self) -> Sequence[str]:
        return [_DUTIES] if self.workers else []

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

    def _launched(self, place: str) -> Child:
        if place == _DUTIES:
            return launched_duties()
        return launched_gateway(self.service) if place.startswith(_GATEWAY) else launched_worker(self.service)

    def _hand_over(self, place: str, access: Access) -> None:
        child, directory = self._running[place], str(self._figures.path) if self._figures else None
        if place == _DUTIES:
            child.hand_over(duty_orders(self.service, access, place, directory))
        elif place.startswith(_GATEWAY):
            child.hand_over(gateway_orders(child, self.service, access, place, directory))
        else:
            child.hand_over(worker_orders(child, self.service, access, place, directory))

    def _start(self, place: str, access: Access) -> None:
        child = self._running[place] = self._launched(place)
        try:
            self._hand_over(place, access)
            child.wait_until_ready()
        except BaseException:
            child.discard()
            raise

    def _start_again(self, place: str, access: Access) -> None:
        if self._figures is not None:
            try:
                self._figures.make_room(place)
            except OSError as error:
                self._share_no_figures(error)
        self._start(place, access)

    def _mend(self, access: Access, server: EmbeddedPostgres | None) -> None:
        if server is not None and not server.alive():
            log.error("the database died; starting it again")
            self._count_death("The database")
            server.revive()
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
                self._start_again(place, access)
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
