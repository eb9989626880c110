"""A database whose clock the test sets: it stands still at a moment, and goes forward and back as it is told (T14).

Unqualified functions are looked up along the search path, and there a schema of the test's stands before PostgreSQL's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from meetings import Work, activating, at_once, deactivating, delivering, failing, refused
from novaproxy.database.pool import SoleConnection
from novaproxy.orders import moving
from shop import Shop

TICK = timedelta(microseconds=1)
MOMENTS: Sequence[datetime] = tuple(
    datetime.fromisoformat(f"{moment}+00:00")
    for moment in (
        "2027-12-31T23:59:59.999999",  # a year's end
        "2028-01-31T12:00:00",  # a month whose day the next one lacks
        "2028-02-28T23:59:59.999999",  # the day before a leap day
        "2028-02-29T00:00:00",  # a leap day
        "2027-03-28T00:59:59.999999",  # Europe's clocks go forward
        "2027-10-31T00:59:59.999999",  # and back
        "2027-03-14T06:59:59.5",  # America's
        "2027-11-07T05:59:59.5",
        "2027-06-30T00:00:00",
        "2100-02-28T23:59:59",  # no leap year
    )
)
TIMED = ("20_minutes", "1_day", "1_month", "1_year")

_SCHEMA = """
    CREATE SCHEMA set_clock;
    CREATE TABLE set_clock.clock (moment timestamptz NOT NULL);
    GRANT USAGE ON SCHEMA set_clock TO PUBLIC;
    GRANT SELECT ON set_clock.clock TO PUBLIC;
    INSERT INTO set_clock.clock VALUES (pg_catalog.now());
    CREATE FUNCTION set_clock.now() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT moment FROM set_clock.clock';
    CREATE FUNCTION set_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT moment FROM set_clock.clock';
    CREATE FUNCTION set_clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT moment FROM set_clock.clock';
"""


async def hand_over_the_clock(connection: SoleConnection) -> None:
    """Let sessions that begin from now on read the clock that ``set_clock`` sets."""
    await connection.execute(_SCHEMA)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET search_path = set_clock, pg_catalog, public")


def set_clock(shop: Shop, moment: datetime) -> None:
    """Make it *moment* for the database."""
    shop.sql("UPDATE set_clock.clock SET moment = $1", moment)


def live_an_order(shop: Shop, random: Random, begun_at: datetime) -> int:
    """Order at *begun_at*, see it end to the microsecond, step back behind that; return the number of moments seen.

    No order is active and expired at once, and none ends twice.
    """
    set_clock(shop, begun_at)
    buyer = shop.buyer(balance_cents=1_000_00)
    answer = shop.order(buyer, None, plan="unlimited", duration=random.choice(TIMED)).json()
    uuid = answer["uuid"]
    assert datetime.fromisoformat(answer["created_at"]) == begun_at
    ends_at: datetime = shop.value("SELECT expires_at FROM orders WHERE uuid = $1", UUID(uuid))
    assert ends_at > begun_at
    assert answer["status"] == "active"

    for moment in (ends_at - TICK, begun_at - timedelta(hours=1), ends_at - TICK):
        set_clock(shop, moment)
        shop.run(moving.expire_orders)
        _assert_told(shop, buyer.headers, uuid, "active")
    set_clock(shop, ends_at)
    _assert_told(shop, buyer.headers, uuid, "expired")
    works: list[Work] = [moving.expire_orders, moving.expire_orders, deactivating(uuid), activating(uuid)]
    (outcomes,) = at_once(shop.target, [works])
    assert len(refused(outcomes)) == 2
    shop.run(moving.expire_orders)
    for moment in (ends_at, ends_at - timedelta(hours=1), ends_at + timedelta(days=400)):
        set_clock(shop, moment)
        shop.run(moving.expire_orders)
        _assert_told(shop, buyer.headers, uuid, "expired")
    assert _moves(shop, uuid) == ["active expired"]
    return 7


def refund_an_order(shop: Shop, begun_at: datetime) -> int:
    """Order by hand and fail it, before and after the clock went back: the money goes back once."""
    set_clock(shop, begun_at)
    buyer = shop.buyer(balance_cents=10_00)
    uuid = shop.order(buyer, None, plan="by-hand", bandwidth=1).json()["uuid"]
    outcomes = []
    for moment in (begun_at - timedelta(days=1), begun_at + TICK, begun_at - timedelta(microseconds=5)):
        set_clock(shop, moment)
        (told,) = at_once(shop.target, [[failing(uuid), failing(uuid), delivering(uuid)]])
        outcomes += told
    failed = _moves(shop, uuid) == ["pending failed"]
    assert len(refused(outcomes)) == len(outcomes) - 1
    assert shop.balance_cents(buyer) == (10_00 if failed else 8_00)
    return 3


def _assert_told(shop: Shop, headers: dict[str, str], uuid: str, status: str) -> None:
    """The order and the list say the same of it at this moment."""
    assert shop.http.get(f"/orders/{uuid}", headers=headers).json()["status"] == status
    listed = shop.http.get("/orders", headers=headers).json()
    assert [order["status"] for order in listed if order["uuid"] == uuid] == [status]


def _moves(shop: Shop, uuid: str) -> list[str]:
    rows = shop.sql(
        "SELECT from_status || ' ' || to_status AS move FROM order_move JOIN orders ON orders.id = order_id "
        "WHERE uuid = $1 ORDER BY order_move.id",
        UUID(uuid),
    )
    return [row["move"] for row in rows]


def any_moment(random: Random) -> datetime:
    """Return a moment that is telling, or any other."""
    if random.random() < 0.7:
        return random.choice(MOMENTS) + TICK * random.choice([0, 0, 1, -1, 1_000_000])
    return datetime(2027, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(3_000_000_00) / 3, microseconds=1)
