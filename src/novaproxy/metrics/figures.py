"""The figures themselves: their names, what they mean, and how a process notes them.

Counting must not slow an order down. A process notes what happens in plain numbers of its own and writes them out a
quarter of a second later, many at once; one that is killed takes that quarter of a second with it.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from novaproxy.metrics.sharing import Shared, share

WRITE_SECONDS = 0.25
"""How long what was noted may wait for its writing."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
_CENTS = 100


class NotedHistogram(Histogram):
    """A histogram whose observations are noted first, by bucket, and written out together."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._noted = [0] * len(self._upper_bounds)
        self._noted_sum = 0.0

    def note(self, amount: float) -> None:
        """Note one observation."""
        self._noted[bisect_left(self._upper_bounds, amount)] += 1
        self._noted_sum += amount

    def write(self) -> None:
        """Write out what was noted."""
        if not any(self._noted):
            return
        for bucket, times in enumerate(self._noted):
            if times:
                self._buckets[bucket].inc(times)
                self._noted[bucket] = 0
        self._sum.inc(self._noted_sum)
        self._noted_sum = 0.0


class Metrics:
    """All figures of one process; with *shared* they are added to those of the other processes of the service.

    Labels are bounded: routes are those of the router, codes those of the refusals, plans those of the catalog.
    """

    def __init__(self, version: str, shared: Shared | None = None) -> None:
        self._shared = shared
        self._registry = CollectorRegistry()
        share(shared)
        self._make_request_figures()
        self._make_order_figures()
        self._make_shop_figures()
        self._gauge("build_info", "Always 1; the label tells NovaProxy's version.", "version").labels(version).set(1)
        self._noted_requests: Tally[tuple[str, int]] = Tally()
        self._noted_refusals: Tally[str] = Tally()
        self._noted_orders: Tally[str] = Tally()
        self._durations: dict[str, NotedHistogram] = {}
        self._waiting_count: Callable[[], int] = int
        self._writing: asyncio.TimerHandle | None = None

    def _make_request_figures(self) -> None:
        self._requests = self._counter(
            "http_requests",
            "Requests that were answered, by route and status; 'other' is every path that does not exist.",
            "route",
            "status",
        )
        self._refusals = self._counter(
            "refusals",
            "Answers of status 400 and above by X-Error-Code; a sudden rise of one code shows what went wrong.",
            "code",
        )
        self._duration = self._histogram(
            "http_request_duration_seconds",
            "From a request's head to the last byte of its answer, waiting for the body included.",
            _SECONDS,
            "route",
        )

    def _make_order_figures(self) -> None:
        self._placed = self._counter("orders_placed", "Orders committed, by plan.", "plan")
        self._replayed = self._counter(
            "orders_replayed", "Orders answered again for an Idempotency-Key that had its order already."
        )
        self._batch_size = self._histogram(
            "order_batch_size",
            "Orders decided in one transaction; more than one says that orders wait for each other's commit.",
            _BATCH_SIZES,
        )
        self._queue = self._histogram(
            "order_queue_seconds", "How long an order waited at the desk before its batch began.", _SECONDS
        )
        self._database = self._histogram(
            "order_database_seconds", "How long a batch's transaction took, from BEGIN to the end of COMMIT.", _SECONDS
        )
        self._waiting = Gauge(
            "novaproxy_orders_waiting",
            "Orders that wait at the desks now; a worker answers 503 at 1024, or where one would wait above a second.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def _make_shop_figures(self) -> None:
        self._balances_owed = self._gauge(
            "balances_owed", "What all customers together have on their balances: money the shop owes.", "currency"
        )
        self._pending = self._gauge("orders_pending", "Orders that wait for delivery by the operator.")
        self._expired = self._counter("orders_expired", "Orders moved to expired because their time had passed.")
        self._breaches = self._gauge(
            "audit_breaches",
            "Rows that break an invariant, as the newest audit of each form found; anything above 0 is an alarm.",
            "invariant",
            "form",
        )
        self._audited_at = self._gauge(
            "audit_timestamp_seconds",
            "When the newest audit ended: of what is new there is one a minute, of the whole books one a day.",
            "form",
        )
        self._covered = self._gauge(
            "audit_covered", "What the newest audit of what is new looked at: orders, accounts, entries.", "rows"
        )
        self._database_up = self._gauge("database_up", "1 where the last duty reached the database, else 0.")

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"novaproxy_{name}", says, labels, registry=self._registry)

    def _histogram(self, name: str, says: str, buckets: Iterable[float], *labels: str) -> NotedHistogram:
        return NotedHistogram(f"novaproxy_{name}", says, labels, registry=self._registry, buckets=tuple(buckets))

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        # Of several processes the one that wrote last is right.
        return Gauge(f"novaproxy_{name}", says, labels, registry=self._registry, multiprocess_mode="mostrecent")

    def answered(self, route: str, status: int, code: str | None, seconds: float) -> None:
        """Note a request's answer; *code* is that of a refusal."""
        self._noted_requests[route, status] += 1
        if code is not None:
            self._noted_refusals[code] += 1
        if route not in self._durations:
            self._durations[route] = self._duration.labels(route)
        self._durations[route].note(seconds)
        self.write_soon()

    def batch_begun(self, queued_seconds: list[float]) -> None:
        """Note a batch that left the queue, by how long each of its orders had waited there."""
        self._batch_size.note(len(queued_seconds))
        for seconds in queued_seconds:
            self._queue.note(seconds)
        self.write_soon()

    def batch_committed(self, seconds: float) -> None:
        """Note how long a batch's transaction took."""
        self._database.note(seconds)

    def orders_placed(self, plan_slugs: Iterable[str]) -> None:
        """Note orders, after their commit."""
        self._noted_orders.update(plan_slugs)
        self.write_soon()

    def orders_replayed(self, orders: int) -> None:
        """Count orders that were answered again."""
        if orders:
            self._replayed.inc(orders)

    def watch_waiting(self, count: Callable[[], int]) -> None:
        """Ask *count* for the orders that wait at this process's desk, each time when figures are written."""
        self._waiting_count = count

    def orders_expired(self, orders: int) -> None:
        """Count orders whose time had passed."""
        self._expired.inc(orders)

    def set_owed(self, currency: str, balance_cents: int) -> None:
        """Tell the sum of all balances."""
        self._balances_owed.labels(currency).set(balance_cents / _CENTS)

    def set_pending(self, orders: int) -> None:
        """Tell how many orders wait for delivery."""
        self._pending.set(orders)

    def set_audited(
        self, form: str, finished_at: datetime, breaches: Mapping[str, int], covered: Mapping[str, int]
    ) -> None:
        """Tell what the newest audit of a form found, by invariant, and what it looked at."""
        self._audited_at.labels(form).set(finished_at.timestamp())
        for invariant, count in breaches.items():
            self._breaches.labels(invariant, form).set(count)
        for rows, count in covered.items():
            self._covered.labels(rows).set(count)

    def set_database_up(self, *, is_up: bool) -> None:
        """Tell whether the database answers."""
        self._database_up.set(is_up)

    def write_soon(self) -> None:
        """Write out what was noted, in a moment and together with what else comes until then."""
        if self._writing is None:
            self._writing = asyncio.get_running_loop().call_later(WRITE_SECONDS, self.write)

    def write(self) -> None:
        """Write out what was noted."""
        self._stop_writing()
        for (route, status), times in self._noted_requests.items():
            self._requests.labels(route, status).inc(times)
        for code, times in self._noted_refusals.items():
            self._refusals.labels(code).inc(times)
        for plan_slug, times in self._noted_orders.items():
            self._placed.labels(plan_slug).inc(times)
        for noted in (self._noted_requests, self._noted_refusals, self._noted_orders):
            noted.clear()
        for histogram in (self._batch_size, self._queue, self._database, *self._durations.values()):
            histogram.write()
        self._write_waiting()

    def _write_waiting(self) -> None:
        waiting = self._waiting_count()
        self._waiting.set(waiting)
        if waiting:
            self.write_soon()

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def close(self) -> None:
        """Write out what was noted last."""
        self.write()
        self._stop_writing()

    def exposed(self) -> bytes:
        """Return the figures of the whole service in Prometheus' text format, version 0.0.4.

        Where the shared ones were removed they are this process's alone.
        """
        if self._shared is None or not self._shared.directory.is_dir():
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody, str(self._shared.directory))  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(everybody)
