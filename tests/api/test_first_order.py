"""The shortest way through the whole service."""

from shop import Shop


def test_an_order_is_placed_charged_and_shown(shop: Shop) -> None:
    buyer = shop.buyer(balance_cents=20_00)

    placed = shop.order(buyer, plan="residential", bandwidth=2)

    assert placed.status_code == 201
    order = placed.json()
    assert order["status"] == "active"
    assert order["price"] == {"gross": 10, "discount": 0, "net": 10}
    assert shop.balance_cents(buyer) == 10_00
    shown = shop.http.get(f"/orders/{order['uuid']}", headers=buyer.headers).json()
    assert shown.pop("user")["email"] == buyer.email
    assert shown == order
