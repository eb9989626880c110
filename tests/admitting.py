"""An admission on a shop's database as the service's role, with its pool, its clock and what it asks counted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from contract import catalog_with
from novaproxy.catalog.store import Shelf
from novaproxy.credentials.seal import Sealer, Sealers
from novaproxy.database.pool import SoleConnection, Target, opened_pool
from novaproxy.gateway.admission.admission import Admission
from novaproxy.gateway.admission.clock import DatabaseClock
from novaproxy.gateway.admission.line import Visit
from novaproxy.gateway.model import Entrance, Login, Wish
from novaproxy.gateway.refusals import ProxyRefusal
from roles import as_service
from shop import SEALING_KEY, Shop, on_connection

Result = TypeVar("Result")

HTTP_PORT, SOCKS_PORT, OTHER_PORT = 20_001, 20_002, 20_003
HOME = ip_address("192.0.2.7")

PLANS = f"""
  - slug: proxy
    name: Proxy
    type: bandwidth
    validity: 90_days
    has_geo_targeting: true
    has_ip_whitelist: true
    rotations: [{{code: rotating, name: Rotating}}, {{code: sticky, name: Sticky}}]
    protocols:
      - {{code: http, host: p.example.com, port: {HTTP_PORT}}}
      - {{code: socks5, host: p.example.com, port: {SOCKS_PORT}}}
    bandwidths: [{{bandwidth: 1, price_per_gb: 0}}]
  - slug: other
    name: Other
    type: bandwidth
    has_ip_whitelist: true
    protocols: [{{code: http, host: p.example.com, port: {OTHER_PORT}}}]
    bandwidths: [{{bandwidth: 1, price_per_gb: 0}}]
  - slug: plain
    name: Plain
    type: bandwidth
    protocols: [{{code: http, host: p.example.com, port: {HTTP_PORT}}}]
    bandwidths: [{{bandwidth: 1, price_per_gb: 0}}]
  - slug: timed
    name: Timed
    type: duration
    protocols: [{{code: http, host: p.example.com, port: {HTTP_PORT}}}]
    durations:
      - slug: 20_minutes
        name: 20 minutes
        price: 0
        options:
          - {{name: speed, label: Speed, type: number, min: 0.5, max: 100, step: 0.5, price_per_unit: 0}}
          - {{name: threads, label: Threads, type: number, min: 1, max: 100, step: 1, price_per_unit: 0}}
          - name: country
            label: Country
            type: select
            options: [{{value: DE, label: Germany}}, {{value: us, label: USA}}]
  - slug: not-ours
    name: Not ours
    type: bandwidth
    delivery: manual
    has_ip_whitelist: true
    protocols: [{{code: http, host: q.example.com, port: {HTTP_PORT}}}]
    bandwidths: [{{bandwidth: 1, price_per_gb: 0}}]
"""
CATALOG = catalog_with(plans=PLANS)
TIMED: dict[str, Any] = {
    "plan": "timed",
    "duration": "20_minutes",
    "config": {"speed": 2.5, "threads": 3, "country": "DE"},
}


@dataclass(frozen=True, slots=True)
class Bought:
    """An order with its credentials, as its buyer has them."""

    uuid: UUID
    username: str
    password: str

    def login(self, **wish: Any) -> Login:  # noqa: ANN401 -- the members of a Wish
        return Login(self.username, self.password, Wish(**wish))


def bought(shop: Shop, plan: str = "proxy", **fields: Any) -> Bought:  # noqa: ANN401 -- any JSON
    """Return a new order of a new buyer."""
    more: dict[str, Any] = {} if "duration" in fields else {"bandwidth": 1}
    placed = shop.order(shop.buyer(), plan=plan, **more, **fields)
    assert placed.status_code == 201, placed.text
    order = placed.json()
    return Bought(UUID(order["uuid"]), order["username"], order["password"])


class CountingSealers(Sealers):
    """Sealers whose seals that were opened are counted."""

    def __init__(self) -> None:
        super().__init__((SEALING_KEY,))
        self.opened = 0

    async def opening(self, connection: Any, key_ids: Iterable[int | None]) -> Sealer:  # noqa: ANN401 -- as the class has it
        return _counted(await super().opening(connection, key_ids), self)


def _counted(sealer: Sealer, count: CountingSealers) -> Sealer:
    class Counting(Sealer):
        def opened(self, sealed: bytes, order: UUID, key_id: int) -> str:
            count.opened += 1
            return sealer.opened(sealed, order, key_id)

    return Counting(SEALING_KEY, sealer.key_id)


@dataclass(slots=True)
class Tunnel:
    """What a visit keeps open in a test: it notes why it was closed, and when, and ends its visit."""

    visit: Visit
    reason: str | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self, reason: type[ProxyRefusal]) -> None:
        self.reason = reason.code
        self.visit.end()
        self.closed.set()

    async def cut_within(self, seconds: float) -> str | None:
        """Return why it was closed, once it is; fail after *seconds*."""
        await asyncio.wait_for(self.closed.wait(), seconds)
        return self.reason


@dataclass(slots=True)
class Door:
    """An admission as a gateway runs it. *asked* are the statements that were sent."""

    target: Target
    admission: Admission
    sealers: CountingSealers
    asked: list[str]

    async def admit(
        self,
        login: Login | None,
        port: int = HTTP_PORT,
        entrance: Entrance = Entrance.HTTP,
        client: Any = HOME,  # noqa: ANN401 -- an address
    ) -> Visit:
        return await self.admission.admit(login, client, port, entrance)

    async def opens(self, login: Login | None, *place: Any) -> Tunnel:  # noqa: ANN401 -- as admit takes them
        """Return an open tunnel."""
        visit = await self.admit(login, *place)
        tunnel = Tunnel(visit)
        visit.serve(tunnel.close)
        return tunnel

    async def refusal(self, login: Login | None, *place: Any) -> str:  # noqa: ANN401 -- as admit takes them
        """Return the code with which a connection is refused."""
        try:
            visit = await self.admit(login, *place)
        except ProxyRefusal as refusal:
            return refusal.code
        visit.end()
        return "admitted"

    async def sql(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:  # noqa: ANN401 -- whatever it takes
        """Do *statement* as the owner of the database."""

        async def done(connection: SoleConnection) -> list[asyncpg.Record]:
            return await connection.fetch(statement, *arguments)

        return await on_connection(self.target, done)

    async def does(self, work: Callable[[SoleConnection], Awaitable[Result]]) -> Result:
        """Do *work* as the service."""
        return await on_connection(as_service(self.target), work)

    def looked_up(self) -> int:
        """Return how many statements looked orders up since the last time, and forget them."""
        count = sum(" AS asked (" in statement for statement in self.asked)
        self.asked.clear()
        return count

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch for the length of the block."""
        end = asyncio.Event()
        watching = asyncio.create_task(self.admission.keep_watching(end))
        try:
            yield
        finally:
            end.set()
            await watching


@asynccontextmanager
async def opened_door(
    target: Target,
    line: Target | None = None,
    most_tunnels: int = 10_000,
    **more: Any,  # noqa: ANN401 -- as Admission has them
) -> AsyncIterator[Door]:
    """Give an admission on *target*, through *line* where another way to it is given."""
    # One connection: an admission that needed more at once would hang here.
    pool = await opened_pool(line or as_service(target), max_size=1)
    sealers, asked = CountingSealers(), list[str]()
    clock = DatabaseClock(asyncio.get_running_loop().time)
    admission = Admission(pool, Shelf(), sealers, clock, most_tunnels=most_tunnels, **more)
    try:
        async with pool.acquire() as connection:
            connection.add_query_logger(lambda query: asked.append(query.query))
        yield Door(target, admission, sealers, asked)
    finally:
        await admission.close()
        pool.terminate()


async def listed(door: Door, order: Bought, *addresses: str) -> None:
    """Put *addresses* on the whitelist of *order*."""
    for address in addresses:
        await door.sql(
            "INSERT INTO whitelist_address (order_id, account_id, address, created_at) "
            "SELECT id, account_id, $2, now() FROM orders WHERE uuid = $1",
            order.uuid,
            ip_address(address),
        )
