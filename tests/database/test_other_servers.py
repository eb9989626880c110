"""A server of the operator's own: PostgreSQL 15 and newer, found as NOVAPROXY_PG_BIN finds one."""

import asyncio
from pathlib import Path

import pytest

from novaproxy.database.embedded import EmbeddedPostgres
from roles import migrated
from servers import SERVERS
from shop import open_shop

ORDER = {
    "plan": "datacenter",
    "duration": "1_week",
    "config": {"speed": 10, "country": "us"},
    "discount_code": "ten",
}


@pytest.mark.parametrize("name", SERVERS)
def test_orders_are_placed_and_audited_on_an_older_server(name: str, tmp_path: Path) -> None:
    binaries = SERVERS[name]
    if not binaries.is_dir():
        pytest.skip(f"PostgreSQL {name} is not installed here")
    with EmbeddedPostgres(tmp_path / "data", binaries=binaries, settings={"fsync": "off"}) as server:
        target = server.address.arguments()
        asyncio.run(migrated(target))
        with open_shop(target) as shop:
            buyer = shop.buyer(balance_cents=100_00)
            placed, again = (shop.order(buyer, key="one", **ORDER) for _ in range(2))
            listed = shop.http.get("/orders", headers=buyer.headers)

            assert placed.status_code == 201
            assert again.json()["uuid"] == placed.json()["uuid"]
            assert [order["uuid"] for order in listed.json()] == [placed.json()["uuid"]]
            assert shop.balance_cents(buyer) == 100_00 - 9_90
            shop.assert_books_hold()
