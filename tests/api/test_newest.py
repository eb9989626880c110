"""Which revision everybody reads: looked up for all who ask within a moment (docs/adr/0024)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from novaproxy.catalog.newest import KNOWN_SECONDS, Newest
from novaproxy.catalog.store import Shelf
from novaproxy.catalog.update import apply_file
from novaproxy.database.pool import Pool, Target, opened_connection, opened_pool, transaction
from roles import as_service

CATALOG = """
currency: USD
plans: [{{slug: one, name: One, type: bandwidth, bandwidths: [{{bandwidth: 1, price_per_gb: {price}}}]}}]
"""


@dataclass(slots=True)
class World:
    """A process that shows the newest revision, and its clock, which stands still."""

    target: Target
    pool: Pool
    now: float = 1000.0
    shelf: Shelf = field(default_factory=Shelf)
    newest: Newest = field(init=False)

    def __post_init__(self) -> None:
        self.newest = Newest(self.pool, self.shelf, lambda: self.now)

    async def apply(self, price: str) -> None:
        connection = await opened_connection(self.target)
        await apply_file(connection, CATALOG.format(price=price).encode(), "test", dry_run=False)
        await connection.close()

    async def shown(self) -> str:
        """Return the price that is shown now."""
        return (await self.newest.showcase()).plans_page.body.decode().partition('"price_per_gb":')[2].rstrip("}]")


@asynccontextmanager
async def opened_world(database: Target) -> AsyncIterator[World]:
    pool = await opened_pool(as_service(database))
    try:
        yield World(as_service(database), pool)
    finally:
        pool.terminate()


@asynccontextmanager
async def locked_catalog(database: Target) -> AsyncIterator[None]:
    """Let whoever looks wait."""
    connection = await opened_connection(database)
    async with connection.transaction():
        await connection.execute("LOCK TABLE catalog_revision")
        yield
    await connection.close()


async def test_what_was_looked_up_is_shown_for_a_moment_and_no_longer(database: Target) -> None:
    async with opened_world(database) as world:
        await world.apply("4.00")
        assert await world.shown() == "4"
        await world.apply("5.00")
        world.now += 0.9 * KNOWN_SECONDS
        assert await world.shown() == "4"
        world.now += 0.1 * KNOWN_SECONDS

        assert await world.shown() == "5"


async def test_before_any_catalog_nothing_is_shown(database: Target) -> None:
    async with opened_world(database) as world:
        assert (await world.newest.showcase()).plans_page.body == b"[]"


async def test_a_revision_that_an_order_saw_is_shown_at_once(database: Target) -> None:
    async with opened_world(database) as world:
        await world.apply("4.00")
        await world.shown()
        await world.apply("5.00")
        async with transaction(world.pool) as connection:
            await world.shelf.current(connection)

        assert await world.shown() == "5"


async def test_many_who_ask_at_once_are_served_by_one_look(database: Target) -> None:
    async with opened_world(database) as world:
        await world.apply("4.00")

        assert await asyncio.gather(*(world.shown() for _ in range(200))) == ["4"] * 200
        # Each look has a connection for itself.
        assert world.pool.get_size() == 1


async def test_who_asks_beside_a_look_that_began_too_long_ago_waits_for_another(database: Target) -> None:
    async with opened_world(database) as world:
        await world.apply("4.00")
        async with locked_catalog(database):
            early = asyncio.create_task(world.shown())
            await asyncio.sleep(0.2)
            world.now += KNOWN_SECONDS
            late = asyncio.create_task(world.shown())
            await asyncio.sleep(0)
        assert [await early, await late] == ["4", "4"]
        await world.apply("5.00")

        # At the same moment it is known already: by the second look, for the first one was too old.
        assert await world.shown() == "4"
        assert world.pool.get_size() == 1


async def test_who_leaves_ends_the_look_for_nobody_else(database: Target) -> None:
    async with opened_world(database) as world:
        await world.apply("4.00")
        leaving, staying = asyncio.create_task(world.shown()), asyncio.create_task(world.shown())
        await asyncio.sleep(0)
        leaving.cancel()

        assert await staying == "4"
        assert leaving.cancelled()
