"""What operators and duties do to orders and accounts at the same moment, each on a connection of his own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from novaproxy.credentials.seal import registered_sealer
from novaproxy.database.pool import SoleConnection, Target, opened_connection
from novaproxy.errors import OperatorError
from novaproxy.ledger.store import Adjustment, adjust
from novaproxy.orders import moving
from shop import SEALING_KEY, Buyer

Work = Callable[[SoleConnection], Awaitable[object]]
Outcome = object
"""What a move returned, or the OperatorError with which it was refused."""


def at_once(target: Target, rounds: Sequence[Sequence[Work]]) -> list[list[Outcome]]:
    """Return what came of each round's work; those of a round start together, each on his own connection."""

    async def done(work: Work, connection: SoleConnection, together: asyncio.Barrier) -> Outcome:
        await together.wait()
        try:
            return await work(connection)
        except OperatorError as refusal:
            return refusal

    async def all_done() -> list[list[Outcome]]:
        width = max(len(race) for race in rounds)
        connections = [await opened_connection(target) for _ in range(width)]
        try:
            outcomes = []
            for race in rounds:
                together = asyncio.Barrier(len(race))
                racing = [done(*pair, together) for pair in zip(race, connections, strict=False)]
                outcomes.append(list(await asyncio.gather(*racing)))
            return outcomes
        finally:
            for connection in connections:
                await connection.close()

    return asyncio.run(all_done())


def delivering(uuid: str) -> Work:
    async def deliver(connection: SoleConnection) -> object:
        sealer = await registered_sealer(connection, SEALING_KEY)
        return await moving.deliver(connection, UUID(uuid), sealer, None, "operator")

    return deliver


def failing(uuid: str) -> Work:
    return lambda connection: moving.fail(connection, UUID(uuid), "race", "operator")


def deactivating(uuid: str) -> Work:
    return lambda connection: moving.deactivate(connection, UUID(uuid), "operator")


def activating(uuid: str) -> Work:
    return lambda connection: moving.activate(connection, UUID(uuid), "operator")


def adjusting(buyer: Buyer, kind: Adjustment, amount_cents: int) -> Work:
    async def adjusted(connection: SoleConnection) -> object:
        async with connection.transaction():
            return await adjust(
                connection, buyer.account_id, kind, amount_cents, reason="race", reference=None, actor="test"
            )

    return adjusted


def refused(outcomes: Sequence[Outcome]) -> list[str]:
    return [str(outcome) for outcome in outcomes if isinstance(outcome, OperatorError)]
