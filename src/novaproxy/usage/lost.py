"""Gateways that are lost for good: a machine that burnt, a disk that is gone."""

from datetime import timedelta

import structlog

from novaproxy.database.pool import SoleConnection, statement

LOST_AFTER = timedelta(minutes=15)
"""How long nothing is seen of a gateway until it counts as lost. One at rest shows itself every few seconds."""

_SQL = "novaproxy.usage"

log = structlog.get_logger("novaproxy.usage")


async def charge_lost_gateways(connection: SoleConnection, lost_after: timedelta = LOST_AFTER) -> int:
    """Charge what lost gateways had reserved, and return how many there were.

    None is lost while the database's server itself has not run for *lost_after*.
    """
    charged = 0
    for gateway in await connection.fetch(statement(_SQL, "find_lost_gateways"), lost_after):
        if await connection.fetchval(statement(_SQL, "lose_gateway"), gateway["id"]):
            charged += 1
            log.critical(
                "a gateway is lost: what it had reserved is charged",
                gateway=str(gateway["uuid"]),
                host=gateway["host"],
                seen_at=gateway["seen_at"].isoformat(),
            )
    return charged
