"""The table of duties."""

from novaproxy.database.pool import BY_KEY, SoleConnection
from novaproxy.duties.books import AUDIT_TIMEOUT_SECONDS, audit_books, audit_new_books
from novaproxy.duties.figures import read_figures
from novaproxy.duties.loop import Duty
from novaproxy.metrics.figures import Metrics
from novaproxy.orders.moving import EXPIRED_AT_ONCE, expire_orders
from novaproxy.usage.lost import charge_lost_gateways

_MODEST = {"max_parallel_workers_per_gather": "0"}
"""For duties that read much: the other cores are for those who buy."""

_AUDITING = _MODEST | {"statement_timeout": f"{AUDIT_TIMEOUT_SECONDS}s", "plan_cache_mode": "force_custom_plan"}


def duties(metrics: Metrics) -> list[Duty]:
    """Return all duties; what they learn is told to *metrics*."""

    async def expire(connection: SoleConnection) -> None:
        await expire_all(connection, metrics)

    async def figures(connection: SoleConnection) -> None:
        await read_figures(connection, metrics)

    async def lost(connection: SoleConnection) -> None:
        await charge_lost_gateways(connection)

    return [
        Duty("expire orders", every_seconds=1, work=expire, lock=1, session=BY_KEY),
        Duty(
            "audit the books",
            # How often it looks whether a whole audit is due, which is once a day.
            every_seconds=15 * 60,
            work=audit_books,
            lock=2,
            # A service that starts, and those who wait for it, have better things to do.
            first_after_seconds=60,
            timeout_seconds=AUDIT_TIMEOUT_SECONDS + 10,
            session=_AUDITING,
        ),
        Duty(
            "audit what is new",
            every_seconds=60,
            work=audit_new_books,
            lock=3,
            first_after_seconds=90,
            # After a long rest much is new, and others want the machine too.
            rests=9,
            timeout_seconds=AUDIT_TIMEOUT_SECONDS + 10,
            session=_AUDITING,
        ),
        Duty(
            "charge lost gateways",
            every_seconds=30,
            work=lost,
            lock=4,
            # Gateways that start on this machine settle what they find there, to the byte.
            first_after_seconds=120,
            session=BY_KEY,
        ),
        # A million accounts are summed in 0.1 seconds.
        Duty("read the figures", every_seconds=10, work=figures, rests=100, session=_MODEST),
    ]


async def expire_all(connection: SoleConnection, metrics: Metrics) -> None:
    """Move all orders whose time has passed, in transactions that hold few of them and not for long."""
    expired = EXPIRED_AT_ONCE
    while expired == EXPIRED_AT_ONCE:
        expired = await expire_orders(connection)
        metrics.orders_expired(expired)
