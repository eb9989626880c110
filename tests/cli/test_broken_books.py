"""``novaproxy audit`` on books that were tampered with."""

from commands import Operator, database_url
from novaproxy.database.pool import Target
from roles import as_service
from shop import Shop


def test_an_audit_of_broken_books_says_so_and_fails(database: Target, operator: Operator) -> None:
    assert operator.settings["NOVAPROXY_DATABASE_URL"] == database_url(as_service(database))
    operator("account", "create", "broken@example.com")
    Shop(database, "http://127.0.0.1").sql("UPDATE account SET balance_cents = 500 WHERE kind = 'customer'")
    told, shown = operator("audit"), operator("audit", "--json")
    assert told.status == shown.status == 1
    assert told.errors == shown.errors
    assert told.errors.splitlines()[0] == "novaproxy: M1 is broken: 2."
    assert told.out.splitlines()[0].split()[:2] == ["M1", "2"]
    assert told.out.splitlines()[-1] == "The books do not hold: 15 invariants, 2 breaches of M1."
    assert shown.json[0]["breaches"] == 2
