"""A shop for tests: the service on a real socket, and what an operator and a buyer do with it."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
import uvloop

from novaproxy.accounts.store import create_account, create_token
from novaproxy.app import opened_shop
from novaproxy.catalog.newest import KNOWN_SECONDS
from novaproxy.catalog.update import apply_file
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.http.crowd import Crowd
from novaproxy.http.protocol import BoundedHttp
from novaproxy.ledger.audit import Finding, audit
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.serving.listening import listening_socket
from roles import as_service

CATALOG = Path(__file__).with_name("catalog.yaml")
SEALING_KEY = b"0123456789abcdef0123456789abcdef"

Result = TypeVar("Result")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer with a token."""

    account_id: int
    email: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates him."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(slots=True)
class Shop:
    """A running service. *http* has its address; *target* is its database, as its owner."""

    target: Target
    address: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.address, timeout=30)

    def run(self, work: Callable[[SoleConnection], Awaitable[Result]]) -> Result:
        """Return what *work* does with a connection of its own to the shop's database, as the service's role."""
        return asyncio.run(on_connection(as_service(self.target), work))

    def sql(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:  # noqa: ANN401 -- whatever the statement takes
        """Return the rows of a statement, which the owner of the database makes: he may do what the service may not."""

        async def fetched(connection: SoleConnection) -> list[dict[str, Any]]:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

        return asyncio.run(on_connection(self.target, fetched))

    def value(self, statement: str, *arguments: Any) -> Any:  # noqa: ANN401 -- whatever the statement gives
        """Return the one value of a statement."""
        (row,) = self.sql(statement, *arguments)
        (value,) = row.values()
        return value

    def apply_catalog(self, text: str) -> list[str]:
        """Apply a catalog file as the command does, and return what changed."""
        applied = self.run(lambda connection: apply_file(connection, text.encode(), "test", dry_run=False))
        time.sleep(KNOWN_SECONDS)
        return applied.changes

    def buyer(self, balance_cents: int = 100_000_00) -> Buyer:
        """Return a new customer with this balance."""
        return self.run(lambda connection: new_buyer(connection, balance_cents))

    def order(self, buyer: Buyer, key: str | None = None, **fields: Any) -> httpx.Response:  # noqa: ANN401 -- any JSON
        """Place an order in JSON."""
        headers = buyer.headers | ({"Idempotency-Key": key} if key is not None else {})
        return self.http.post("/orders", json=fields, headers=headers)

    def order_in_form(self, buyer: Buyer, fields: Mapping[str, Any]) -> httpx.Response:
        """Place the same order as multipart/form-data, nested members in brackets."""
        return self.http.post("/orders", files=_parts(fields), headers=buyer.headers)

    def order_urlencoded(self, buyer: Buyer, fields: Mapping[str, Any]) -> httpx.Response:
        """Place the same order as application/x-www-form-urlencoded."""
        pairs = {name: value for name, (_, value) in _parts(fields)}
        return self.http.post("/orders", data=pairs, headers=buyer.headers)

    def balance_cents(self, buyer: Buyer) -> int:
        """Return a customer's balance as the database has it."""
        return int(self.value("SELECT balance_cents FROM account WHERE id = $1", buyer.account_id))

    def order_count(self, buyer: Buyer) -> int:
        """Return how many orders a customer has, in any status."""
        return int(self.value("SELECT count(*) FROM orders WHERE account_id = $1", buyer.account_id))

    def findings(self) -> list[Finding]:
        """Return what the audit finds."""

        async def audited(connection: SoleConnection) -> list[Finding]:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await audit(connection)

        return self.run(audited)

    def assert_books_hold(self) -> None:
        """Assert that the audit finds nothing."""
        breaches = [finding for finding in self.findings() if finding.breaches]
        assert breaches == [], breaches


def _parts(fields: Mapping[str, Any]) -> list[tuple[str, tuple[None, str]]]:
    parts = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            parts += [(f"{name}[{member}]", (None, _text(inner))) for member, inner in value.items()]
        else:
            parts.append((name, (None, _text(value))))
    return parts


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON
    return value if isinstance(value, str) else json.dumps(value)


async def on_connection(target: Target, work: Callable[[SoleConnection], Awaitable[Result]]) -> Result:
    """Return what *work* does with a connection of its own."""
    connection = await opened_connection(target)
    try:
        return await work(connection)
    finally:
        await connection.close()


async def new_buyer(connection: SoleConnection, balance_cents: int) -> Buyer:
    """Return a new customer with this balance, made as the command line makes one."""
    email = f"buyer{next(_numbers)}@example.com"
    async with connection.transaction():
        account = await create_account(connection, email, None, datetime.now(UTC))
        token = await create_token(connection, account.id, None)
        if balance_cents:
            await adjust(
                connection,
                account.id,
                Adjustment.CREDIT,
                balance_cents,
                reason="test",
                reference=None,
                actor="test",
            )
    return Buyer(account.id, email, token)


class _Server(uvicorn.Server):
    """A server in a thread: signals are the main thread's. *started_event* is set when it accepts."""

    def __init__(self, config: uvicorn.Config, started_event: threading.Event) -> None:
        super().__init__(config)
        self._started_event = started_event

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept, and say so."""
        await super().startup(sockets=sockets)
        self._started_event.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@contextmanager
def serving(target: Target, crowd: Crowd | None = None) -> Iterator[str]:
    """Run the service on a free port in a thread of its own, as the service's role, and give its address.

    *crowd* bounds its connections.
    """
    listener = listening_socket("127.0.0.1", 0)
    started = threading.Event()
    server: list[_Server] = []

    async def serve() -> None:
        async with opened_shop(as_service(target), (SEALING_KEY,)) as app:
            config = uvicorn.Config(
                app,
                http=partial(BoundedHttp, told=app.told, shedding=app.shedding, crowd=crowd),  # type: ignore[arg-type]  # as the worker
                lifespan="off",
                log_config=None,
                access_log=False,
                ws="none",
            )
            server.append(_Server(config, started))
            await server[0].serve(sockets=[listener])

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(20)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server[0].should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def open_shop(target: Target, crowd: Crowd | None = None, catalog: str | None = None) -> Iterator[Shop]:
    """Give a running shop with *catalog*, the test catalog where none is named."""
    with serving(target, crowd) as address:
        opened = Shop(target, address)
        try:
            opened.apply_catalog(catalog or CATALOG.read_text())
            yield opened
        finally:
            opened.http.close()
