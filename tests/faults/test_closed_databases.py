"""A database that lets nobody in under a running service."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from novaproxy.database.pool import Target
from roles import administered
from services import within
from shop import Shop


@contextmanager
def closed(target: Target) -> Iterator[None]:
    """Let nobody into the database, and put everybody out."""
    name = target["database"]
    out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    administered(target, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", out)
    try:
        yield
    finally:
        administered(target, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_database_that_lets_nobody_in_is_a_503_and_over_when_it_does(shop: Shop) -> None:
    buyer = shop.buyer()
    assert shop.order(buyer, plan="mobile", bandwidth=1).status_code == 201

    def answers() -> list[httpx.Response]:
        paths = ("/orders", "/balance", "/plans", "/ready")
        return [shop.order(buyer, plan="mobile", bandwidth=1)] + [
            shop.http.get(path, headers=buyer.headers) for path in paths
        ]

    with closed(shop.target):
        for _ in range(2):
            refused = answers()
            assert [answer.status_code for answer in refused] == [503] * 5
            assert all(answer.headers["retry-after"].isdigit() for answer in refused)
    within(5, lambda: shop.http.get("/ready").status_code == 200, "a ready service")
    assert [answer.status_code for answer in answers()] == [201, 200, 200, 200, 200]
    assert shop.order_count(buyer) == 2
