"""The composition root: settings, pool, desk, routes. The only place that knows everything."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from novaproxy.accounts.asking import asked_token_hash, asking_account
from novaproxy.accounts.model import Account
from novaproxy.catalog.api import PlanPages
from novaproxy.catalog.newest import Newest
from novaproxy.catalog.store import Shelf
from novaproxy.credentials.keys import Keys
from novaproxy.credentials.seal import KeyNotGiven, Sealers
from novaproxy.database.migrate import is_current
from novaproxy.database.outage import OutageWatch
from novaproxy.database.pool import Pool, Target, facts, is_outage, opened_pool, read
from novaproxy.errors import Refusal
from novaproxy.http.answer import send_json, send_refusal
from novaproxy.http.edge import EXCHANGE, REQUEST_ID, ROUTE, Edge, Exchange, Shedding, log_access
from novaproxy.http.lists import Lists
from novaproxy.http.refusals import MethodNotAllowed, PathNotFound, ServerFault, Unauthenticated, Unavailable
from novaproxy.ledger.api import BalancePages
from novaproxy.limits.door import Door
from novaproxy.metrics.api import MetricsPage
from novaproxy.metrics.figures import Metrics
from novaproxy.metrics.sharing import Shared
from novaproxy.openapi.pages import description_pages
from novaproxy.orders.api import OrderPages
from novaproxy.orders.desk import OrderDesk
from novaproxy.orders.reading import OrderReader
from novaproxy.settings import Limits
from novaproxy.usage.pages import UsagePages
from novaproxy.whitelist.api import WhitelistPages

log = structlog.get_logger("novaproxy.http")

ORDERS = "/orders"

Page = Callable[[Request, Send], Awaitable[None]]
AccountPage = Callable[[Request, Account, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Open:
    """A path that anybody may read; without *door* as often as he likes, as the operator's probes do."""

    page: Page
    door: Door | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self.door is not None:
            self.door.reads(scope)
        await self.page(Request(scope, receive), send)


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A path of the caller's account: 401 comes before anything else that is said about the request."""

    page: AccountPage
    pool: Pool
    door: Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            token = asked_token_hash(scope["headers"])
            self.door.reads(scope, token)
            account = await read(self.pool, lambda connection: asking_account(connection, token))
        except Unauthenticated:
            self.door.noted_wrong_token(scope)
            raise
        self.door.noted_valid(token)
        await self.page(Request(scope, receive), account, send)


@dataclass(frozen=True, slots=True)
class Shop:
    """The whole service as one ASGI application; orders take the short way past the router."""

    orders: OrderPages
    router: Router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == ORDERS:
            scope[ROUTE] = ORDERS
            await self.orders.create(scope, receive, send)
            return
        # Starlette's routes raise rather than write their own texts where an application is named.
        scope["app"] = self
        await self.router(scope, receive, send)


class Answered:
    """Turns every exception into an answer; the only place that does."""

    def __init__(self, app: ASGIApp, outage: OutageWatch) -> None:
        self._app = app
        self._outage = outage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            refusal = self._refusal(error, scope)
            if scope[EXCHANGE].status:
                # The status is out; only a broken connection still says that the answer is not whole.
                raise
            await send_refusal(send, refusal)

    def _refusal(self, error: Exception, scope: Scope) -> Refusal:
        match error:
            case Refusal():
                return error
            case HTTPException(status_code=404):
                return PathNotFound()
            case HTTPException(status_code=405):
                # Starlette joins a set, whose order each process has its own.
                return MethodNotAllowed(", ".join(sorted((error.headers or {}).get("Allow", "GET").split(", "))))
            case _ if is_outage(error):
                self._outage.met(error)
                return Unavailable()
            case KeyNotGiven():
                # Another service of the shop has the key, and this one will when it is started again.
                log.error("sealing key not given", request_id=scope.get(REQUEST_ID), order=str(error.order))
                return Unavailable()
            case _:
                log.error("request failed", request_id=scope.get(REQUEST_ID), **facts(error))
                return ServerFault()


@dataclass(frozen=True, slots=True)
class Probes:
    """``/health`` and ``/ready``."""

    pool: Pool

    async def health(self, _request: Request, send: Send) -> None:
        """``GET /health``: the process is there."""
        await send_json(send, 200, b'{"status":"ok"}')

    async def ready(self, _request: Request, send: Send) -> None:
        """``GET /ready``: the database answers and its schema is this version's."""
        if not await read(self.pool, is_current):
            raise Unavailable
        await send_json(send, 200, b'{"status":"ready"}')


@dataclass(frozen=True, slots=True)
class Watched:
    """How the operator watches the service.

    Attributes:
        shared: where this process's figures join those of the others; None: they are all there are.
        metrics_token: opens ``/metrics`` from elsewhere; None: only this machine reads it.
        has_access_log: whether each request is a line of the log.
    """

    shared: Shared | None = None
    metrics_token: str | None = field(default=None, repr=False)
    has_access_log: bool = False


@asynccontextmanager
async def opened_shop(
    database: Target, sealing_keys: Keys, watched: Watched | None = None, limits: Limits | None = None
) -> AsyncIterator[Edge]:
    """Give the service on *database*; when the block ends, orders under way are answered first.

    Without *limits* everybody may ask as often as he likes.
    """
    watched = watched or Watched()
    door = Door(limits)
    pool = await opened_pool(database)
    # Orders that wait for a lock have connections of their own: nobody who reads stands behind them.
    aside = await opened_pool(database)
    shelf = Shelf()
    sealers = Sealers(sealing_keys)
    metrics = Metrics(version("novaproxy"), watched.shared)
    outage = OutageWatch(pool)
    desk = OrderDesk(database, aside, shelf, sealers, metrics, outage)
    serving = asyncio.create_task(desk.run())
    serving.add_done_callback(_end_broken)
    try:
        orders = OrderPages(pool, shelf, desk, OrderReader(pool, shelf, sealers), door, Lists())
        router = _router(orders, pool, shelf, door, MetricsPage(metrics, watched.metrics_token))
        noted = _noted(metrics, has_access_log=watched.has_access_log)
        yield Edge(Answered(Shop(orders, router), outage), noted, Shedding(ORDERS, desk.is_full))
    finally:
        desk.close()
        await serving
        await outage.close()
        metrics.close()
        aside.terminate()
        pool.terminate()


def _noted(metrics: Metrics, *, has_access_log: bool) -> Callable[[Exchange], None]:
    """Return what is done about each exchange at its end."""

    def note(exchange: Exchange) -> None:
        if exchange.status:
            metrics.answered(exchange.route, exchange.status, exchange.code, exchange.seconds)
        if has_access_log:
            log_access(exchange)

    return note


def _end_broken(serving: asyncio.Task[None]) -> None:
    """End a worker whose desk broke: it would take orders and answer none; the supervisor starts another."""
    if not serving.cancelled() and (error := serving.exception()) is not None:
        log.critical("the desk broke", **facts(error))
        signal.raise_signal(signal.SIGTERM)


def _router(orders: OrderPages, pool: Pool, shelf: Shelf, door: Door, metrics: MetricsPage) -> Router:
    plans = PlanPages(Newest(pool, shelf))
    balance = BalancePages(pool, shelf, orders.lists)
    usage = UsagePages(pool)
    whitelist = WhitelistPages(pool, shelf)
    probes = Probes(pool)
    described = description_pages()
    return Router(
        [
            Route("/plans", Open(plans.index, door), methods=["GET"]),
            Route("/plans/{slug}", Open(plans.show, door), methods=["GET"]),
            # POST is served before the router; it stands here for the Allow header.
            Route(ORDERS, Authenticated(orders.index, pool, door), methods=["GET", "POST"]),
            Route("/orders/{uuid}", Authenticated(orders.show, pool, door), methods=["GET"]),
            Route("/orders/{uuid}/usage", Authenticated(usage.show, pool, door), methods=["GET"]),
            Route(
                "/orders/{uuid}/whitelist",
                Authenticated(whitelist.serve, pool, door),
                methods=["GET", "POST", "DELETE"],
            ),
            Route("/balance", Authenticated(balance.show, pool, door), methods=["GET"]),
            Route("/balance/entries", Authenticated(balance.entries, pool, door), methods=["GET"]),
            Route("/health", Open(probes.health), methods=["GET"]),
            Route("/ready", Open(probes.ready), methods=["GET"]),
            Route("/metrics", Open(metrics.show), methods=["GET"]),
            Route("/openapi.json", Open(described.openapi, door), methods=["GET"]),
            Route("/docs", Open(described.index, door), methods=["GET"]),
            Route("/docs/{file}", Open(described.file, door), methods=["GET"]),
        ],
        redirect_slashes=False,
    )
