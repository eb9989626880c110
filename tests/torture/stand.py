"""A shop to be broken: a service as its user starts it, behind a line that stops, on a PostgreSQL of its own."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

import httpx

from database_line import DatabaseLine, Place, Stop, database_line
from loads import CLIENT_SECONDS, FIELDS, PRICE_CENTS, Outcome
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.orders.desk import HOT_LOCK_TIMEOUT
from roles import migrated, through
from services import Service, on_database, within
from shop import CATALOG, Buyer, Shop

READY_SECONDS = 20.0
SETTLING_SECONDS = 5.0
DESK = f"lock_timeout\0{HOT_LOCK_TIMEOUT}\0".encode()
"""What the desk's own connection says of itself first."""

TRIPS = ("BEGIN", "the locks and the state", "the orders", "COMMIT")
"""The round trips of a batch."""


@dataclass(slots=True)
class Stand:
    """What is there to be broken. *shop* has a sound way to the database."""

    directory: Path
    server: EmbeddedPostgres
    line: DatabaseLine
    service: Service
    shop: Shop
    buyers: list[Buyer]
    asked: list[Outcome] = field(default_factory=list)
    _under_way: list["Future[Outcome]"] = field(default_factory=list)
    _clients: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))

    def ask(self, buyers: Sequence[Buyer]) -> list["Future[Outcome]"]:
        """Send an order of each of *buyers* under a new key; what comes back is noted once it is there."""
        outcomes = [Outcome(buyer, str(uuid4())) for buyer in buyers]
        self.asked += outcomes
        sent = [self._clients.submit(ordered, self.service.address, outcome) for outcome in outcomes]
        self._under_way += sent
        return sent

    def wait_for_clients(self) -> None:
        """Wait until each order that was sent has its answer, or a broken line."""
        for one in self._under_way:
            one.result(CLIENT_SECONDS + 5)
        self._under_way.clear()

    def warm(self) -> None:
        """Place an order, so that what a connection does once is done."""
        self.settle([self.ask(self.buyers[:1])[0].result()], READY_SECONDS, "warming")

    def settle(self, outcomes: Sequence[Outcome], seconds: float, what: str) -> None:
        """Retry each key that nobody told the end of until it is told, *seconds* at most for all of them."""
        deadline = time.monotonic() + seconds
        for outcome in outcomes:
            while outcome.status != 201:
                ordered(self.service.address, outcome)
                assert outcome.status in {None, 201, 503}, f"{what}: {outcome}"
                assert outcome.status == 201 or time.monotonic() < deadline, f"{what}: no end in {seconds} s: {outcome}"
                time.sleep(0.05)

    def assert_sold_once(self, what: str) -> None:
        """Assert that each key has one order and one debit, under the uuid that was told."""
        rows = self.shop.sql(
            "SELECT idempotency_key, uuid::text, (SELECT array_agg(amount_cents) FROM transfer "
            "WHERE order_id = orders.id) AS paid FROM orders WHERE account_id = ANY ($1)",
            [buyer.account_id for buyer in self.buyers],
        )
        stored = {row["idempotency_key"]: (row["uuid"], row["paid"]) for row in rows}
        assert len(stored) == len(rows), f"{what}: a key has two orders"
        told = {outcome.key: (outcome.uuid, [PRICE_CENTS]) for outcome in self.asked}
        assert stored == told, f"{what}: {set(map(str, stored.items())) ^ set(map(str, told.items()))}"
        assert not [finding for finding in self.shop.findings() if finding.breaches], (
            f"{what}: the audit finds breaches"
        )

    def stop_at(self, trip: int, place: Place) -> None:
        """Stop the next batch at round trip *trip* (from 1)."""
        if trip == 1:
            # After a batch the next transaction is begun already, until the lane is at rest.
            within(READY_SECONDS, self.is_at_rest, "lanes at rest")
        self.line.stop_at(Stop(DESK, trip, place))

    def is_at_rest(self) -> bool:
        """Return whether no session of the service is in a transaction."""
        return not self.shop.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")

    def backend_pid(self) -> int:
        """Return the process of the server that serves the stopped batch."""
        assert self.line.stopped_pid is not None, "nothing was stopped"
        return self.line.stopped_pid

    def postmaster_pid(self) -> int:
        """Return the process of the server itself."""
        return int((self.directory / "database/postgres/postmaster.pid").read_text().split("\n", 1)[0])

    def close(self) -> None:
        """End the clients."""
        self._clients.shutdown(wait=True)
        self.shop.http.close()


def ordered(address: str, outcome: Outcome) -> Outcome:
    """Order what *outcome* names, and note what is told of it; None where the line broke."""
    headers = {**outcome.buyer.headers, "Idempotency-Key": outcome.key}
    outcome.status = None
    try:
        answer = httpx.post(f"{address}/orders", json=FIELDS, headers=headers, timeout=CLIENT_SECONDS)
    except httpx.TransportError:
        return outcome
    outcome.status = answer.status_code
    if outcome.status == 201:
        uuid = answer.json()["uuid"]
        assert outcome.uuid in {None, uuid}, f"two orders under one key: {outcome} and {uuid}"
        outcome.uuid = uuid
    return outcome


@contextmanager
def open_stand(directory: Path, settings: dict[str, str] | None = None) -> Iterator[Stand]:
    """Give a shop in *directory* with buyers who can pay for whatever they ask."""
    with EmbeddedPostgres(directory / "database", settings=settings or {}) as server:
        target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        with database_line(target) as line, Service(on_database(through(line.target, target))) as service:
            shop = Shop(target, service.address)
            shop.apply_catalog(CATALOG.read_text())
            stand = Stand(directory, server, line, service, shop, [shop.buyer(1_000_000_00) for _ in range(8)])
            try:
                stand.warm()
                yield stand
            finally:
                line.released.set()
                line.cut()
                stand.close()
            assert service.end() == 0, f"the service did not end well: {service.log()[-2000:]}"


def drawn_buyers(stand: Stand, random: Random) -> list[Buyer]:
    """Return some of the buyers, some of them twice."""
    return random.choices(stand.buyers, k=random.randint(1, 8))


def ready_again(stand: Stand, what: str) -> None:
    """Wait until the service says that it is ready."""
    within(READY_SECONDS, stand.service.is_ready, f"{what}: a ready service")
