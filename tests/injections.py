"""Errors that PostgreSQL raises in the middle of a batch, by a trigger, for one buyer's orders."""

from collections.abc import Iterator
from contextlib import contextmanager

from shop import Buyer, Shop

ALWAYS = 1_000_000
MOMENTS = {
    "insert": "BEFORE INSERT ON orders",
    "charge": "BEFORE INSERT ON transfer",
    "balance": "BEFORE UPDATE ON account",
    "commit": "AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED",
}


@contextmanager
def injected(shop: Shop, buyer: Buyer, sqlstate: str, times: int, moment: str = "insert") -> Iterator[None]:
    """Raise *sqlstate* the first *times* times that an order of *buyer* is written."""
    account = "NEW.id" if moment == "balance" else "NEW.account_id"
    kind, table = ("CONSTRAINT TRIGGER" if moment == "commit" else "TRIGGER"), MOMENTS[moment].split(" ")[3]
    # A sequence counts on where the transaction that it counts is rolled back.
    shop.sql("CREATE SEQUENCE injections")
    shop.sql("GRANT USAGE ON SEQUENCE injections TO PUBLIC")
    shop.sql(
        "CREATE FUNCTION inject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {account} = {buyer.account_id} AND nextval('injections') <= {times} "
        f"THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{sqlstate}'; END IF; RETURN NEW; END $$",
    )
    shop.sql(f"CREATE {kind} injected {MOMENTS[moment]} FOR EACH ROW EXECUTE FUNCTION inject()")
    try:
        yield
    finally:
        shop.sql(f"DROP TRIGGER injected ON {table}")
        shop.sql("DROP FUNCTION inject")
        shop.sql("DROP SEQUENCE injections")
