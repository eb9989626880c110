"""Buyers who order without a pause while the test breaks things, and who settle what they do not know by their keys."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from shop import Buyer, Shop

CLIENT_SECONDS = 25.0
_PAUSE_SECONDS = 0.02
_PATIENCE_SECONDS = 0.2
"""Impatient: the service asks for a whole second."""

PRICE_CENTS = 8_00
FIELDS = {"plan": "mobile", "bandwidth": 1}


@dataclass(slots=True)
class Outcome:
    """What a buyer was told of one key: the last status, None where the line broke; and the uuid that he ever saw."""

    buyer: Buyer
    key: str
    status: int | None = None
    uuid: str | None = None


@dataclass(slots=True)
class Load:
    """Each of *buyers* has a thread that orders, one order after the other, each under a key of its own."""

    address: Callable[[], str]
    buyers: Sequence[Buyer]
    outcomes: list[Outcome] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        for buyer in self.buyers:
            thread = threading.Thread(target=self._order, args=(buyer,))
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End, once everybody has an answer or a broken line."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(CLIENT_SECONDS + 5)
            assert not thread.is_alive(), "an order was never answered"

    def placed(self) -> int:
        """Return how many orders were confirmed so far."""
        return sum(outcome.status == 201 for outcome in list(self.outcomes))

    def _order(self, buyer: Buyer) -> None:
        line: http.client.HTTPConnection | None = None
        while not self._is_over.is_set():
            outcome = Outcome(buyer, str(uuid4()))
            try:
                line = line or _opened(self.address())
                answer = _post(line, outcome)
            except (OSError, http.client.HTTPException):
                if line is not None:
                    line.close()
                line = None
                time.sleep(_PATIENCE_SECONDS)
            else:
                if answer == 503:
                    time.sleep(_PATIENCE_SECONDS)
                elif answer != 201:
                    self.faults.append(f"{answer} for {outcome}")
            self.outcomes.append(outcome)
        if line is not None:
            line.close()

    def unknown(self) -> list[Outcome]:
        """Return those that nobody told the end of."""
        return [outcome for outcome in self.outcomes if outcome.status is None]


def _opened(address: str) -> http.client.HTTPConnection:
    place = urlsplit(address)
    assert place.hostname is not None
    return http.client.HTTPConnection(place.hostname, place.port, timeout=CLIENT_SECONDS)


def _post(line: http.client.HTTPConnection, outcome: Outcome) -> int:
    headers = {**outcome.buyer.headers, "Content-Type": "application/json", "Idempotency-Key": outcome.key}
    line.request("POST", "/orders", json.dumps(FIELDS), headers)
    response = line.getresponse()
    body: Mapping[str, str] = json.loads(response.read())
    outcome.status = response.status
    if response.status == 201:
        outcome.uuid = body["uuid"]
    if response.status == 503:
        assert response.headers["Retry-After"], body
    return response.status


@contextmanager
def under_load(address: Callable[[], str], buyers: Sequence[Buyer]) -> Iterator[Load]:
    """Give a load that runs for the length of the block."""
    load = Load(address, buyers)
    load.start()
    try:
        yield load
    finally:
        load.stop()


def assert_settled(shop: Shop, load: Load, seconds: float = 10) -> None:
    """Retry every key until it settles, and assert one order and one debit each, the confirmed ones among them."""
    assert not load.faults, load.faults[:3]
    deadline = time.monotonic() + seconds
    seen = [outcome for outcome in load.outcomes if outcome.uuid is not None]
    with httpx.Client(base_url=shop.address, timeout=CLIENT_SECONDS) as client:
        for outcome in load.outcomes:
            if outcome.status == 201:
                continue
            while (uuid := _retried(client, outcome)) is None:
                assert time.monotonic() < deadline, f"not settled within {seconds} seconds: {outcome}"
                time.sleep(_PAUSE_SECONDS)
            outcome.uuid = uuid
    rows = shop.sql(
        "SELECT account_id, idempotency_key, uuid::text FROM orders WHERE account_id = ANY ($1)", _ids(load)
    )
    stored = {(row["account_id"], row["idempotency_key"]): row["uuid"] for row in rows}
    assert stored == {(outcome.buyer.account_id, outcome.key): outcome.uuid for outcome in load.outcomes}
    assert len(rows) == len(load.outcomes)
    assert seen, "no order was confirmed under load"
    for buyer in load.buyers:
        orders = sum(outcome.buyer is buyer for outcome in load.outcomes)
        charged = shop.value(
            "SELECT coalesce(sum(amount_cents), 0) FROM transfer WHERE debit_account_id = $1", buyer.account_id
        )
        assert charged == orders * PRICE_CENTS
    shop.assert_books_hold()


def _ids(load: Load) -> list[int]:
    return [buyer.account_id for buyer in load.buyers]


def _retried(client: httpx.Client, outcome: Outcome) -> str | None:
    """Return the order's uuid, None where the service asks for patience."""
    answer = client.post("/orders", json=FIELDS, headers={**outcome.buyer.headers, "Idempotency-Key": outcome.key})
    assert answer.status_code in {201, 503}, answer.text
    return str(answer.json()["uuid"]) if answer.status_code == 201 else None
