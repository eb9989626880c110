"""Counter files whose processes ended without settling: killed, crashed, or cut off from the database.

Each is settled from its counts, to the byte, and removed. Where the machine itself has been started anew since, or the
counts cannot be, nobody knows what passed: then what was reserved is charged.
"""

from pathlib import Path
from uuid import UUID

import structlog

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.usage.counters import SUFFIX, CounterFile, CounterFileHeld, CounterFileNotValid, boot_id
from novaproxy.usage.meter import Told
from novaproxy.usage.rounds import Refusals, Standing, settle_round

_SQL = "novaproxy.usage"

log = structlog.get_logger("novaproxy.usage")


async def settle_orphans(connection: SoleConnection, counters_dir: Path) -> None:
    """Settle every file in *counters_dir* whose process has ended, and remove it.

    A damaged file, and one of a gateway that this database does not know, is told of and stays; the others are settled
    all the same.

    Raises:
        OUTAGES: the database is away; what was not settled stays.
    """
    for path in _files(counters_dir):
        try:
            counters = CounterFile.adopted(path)
        except (CounterFileHeld, FileNotFoundError):
            continue
        except (CounterFileNotValid, OSError) as error:
            await _tell_of_damaged(connection, path, error)
            continue
        try:
            is_settled = await _settle_orphan(connection, counters)
        except BaseException:
            counters.close()
            raise
        if is_settled:
            counters.removed()
        else:
            counters.close()


async def _settle_orphan(connection: SoleConnection, counters: CounterFile) -> bool:
    """Settle one file, and return whether it has done its duty."""
    gateway = await connection.fetchrow(statement(_SQL, "find_gateway"), counters.gateway_uuid)
    facts = {"file": str(counters.path)}
    if gateway is None and not any(counters.counts()):
        # Ended between its file and its being written down: nothing was lent to it.
        return True
    if gateway is None:
        log.error("a counter file of a gateway that this database does not know", **facts)
        return False
    if gateway["has_ended"]:
        log.warning("a gateway had ended: its counter file is removed", was_charged=gateway["is_lost"], **facts)
        return True
    standing = Standing.WRONG
    if counters.boot == boot_id():
        told = [
            Told(one.order_id, one.up_bytes, one.down_bytes, one.connections, closes=True) for one in counters.counts()
        ]
        standing, _ = await settle_round(connection, gateway["id"], gateway["round"] + 1, told, Refusals(), ends=True)
    if standing is Standing.LATE:
        # A last round of the dead process came through just now.
        return await _settle_orphan(connection, counters)
    if standing is Standing.WRONG:
        await connection.fetchval(statement(_SQL, "lose_gateway"), gateway["id"])
        log.critical("what a gateway counted cannot be known: its leases are charged", **facts)
    else:
        log.info("a gateway that had not ended in order is settled", **facts)
    return True


async def _tell_of_damaged(connection: SoleConnection, path: Path, error: Exception) -> None:
    """Tell of a file that cannot be read; once its gateway has ended, with its leases charged, it is removed."""
    try:
        gateway = await connection.fetchrow(statement(_SQL, "find_gateway"), UUID(path.name.removesuffix(SUFFIX)))
    except ValueError:
        gateway = None
    if gateway is not None and gateway["has_ended"]:
        _remove(path)
        log.warning("a damaged counter file of a gateway that has ended is removed", file=str(path))
    else:
        log.error("a counter file cannot be read", file=str(path), why=str(error))


def _files(counters_dir: Path) -> list[Path]:
    return sorted(counters_dir.glob(f"*{SUFFIX}"))


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
