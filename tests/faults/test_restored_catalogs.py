"""A database that was restored to an earlier day under a running service."""

from shop import CATALOG, Shop

MOBILE = "{bandwidth: 1, price_per_gb: 8.00}"


def apply_price(shop: Shop, price: str) -> None:
    text = CATALOG.read_text()
    assert MOBILE in text
    shop.apply_catalog(text.replace(MOBILE, MOBILE.replace("8.00", price)))
    assert shop.value("SELECT max(id) FROM catalog_revision") == 2


def restore(shop: Shop) -> None:
    """Bring the catalog back to before revision 2, as a restore of the day before does."""
    shop.sql("ALTER TABLE catalog_revision DISABLE TRIGGER USER")
    shop.sql("DELETE FROM catalog_revision WHERE id = 2")
    shop.sql("ALTER TABLE catalog_revision ENABLE TRIGGER USER")


def shown_price(shop: Shop) -> float:
    return float(shop.http.get("/plans/mobile").json()["bandwidths"][0]["price_per_gb"])


def test_after_a_restore_the_prices_are_those_of_the_database_at_once(shop: Shop) -> None:
    buyer = shop.buyer()
    apply_price(shop, "9.00")
    assert shown_price(shop) == 9
    restore(shop)
    assert shop.order(buyer, plan="mobile", bandwidth=1).json()["price"]["net"] == 8
    assert shown_price(shop) == 8


def test_another_catalog_with_the_same_number_is_sold_from_at_once(shop: Shop) -> None:
    buyer = shop.buyer()
    for price in ("9.00", "7.00"):
        apply_price(shop, price)
        assert shown_price(shop) == float(price)
        restore(shop)
    # What the process holds is revision 2, at 7.00.
    apply_price(shop, "6.00")
    assert shop.order(buyer, plan="mobile", bandwidth=1).json()["price"]["net"] == 6
    assert shown_price(shop) == 6
    assert shop.http.get("/orders", headers=buyer.headers).json()[0]["price"]["net"] == 6
