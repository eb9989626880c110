"""``GET /plans`` and ``GET /plans/{slug}`` (contract, section 2)."""

import json
from decimal import Decimal
from typing import Any

import pytest

from contract import assert_refusal, catalog_with
from shop import CATALOG, Shop

COMMON = {"id", "name", "slug", "type", "has_geo_targeting", "has_ip_whitelist", "rotations", "protocols"}
ACTIVE = ["residential", "mobile", "limited", "free", "dear", "by-hand", "unlimited", "datacenter", "wide"]


def exact(text: str) -> Any:  # noqa: ANN401 -- any JSON
    """Return what JSON says, every number to the digit."""
    return json.loads(text, parse_float=Decimal)


def without_ids(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    if isinstance(value, dict):
        return {name: without_ids(inner) for name, inner in value.items() if name != "id"}
    return [without_ids(inner) for inner in value] if isinstance(value, list) else value


def ids_in(value: Any) -> list[Any]:  # noqa: ANN401 -- any JSON
    if isinstance(value, dict):
        return [*([value["id"]] if "id" in value else []), *(i for inner in value.values() for i in ids_in(inner))]
    return [i for inner in value for i in ids_in(inner)] if isinstance(value, list) else []


def test_every_active_plan_is_listed_in_catalog_order(common_shop: Shop) -> None:
    response = common_shop.http.get("/plans")

    assert response.status_code == 200
    assert [plan["slug"] for plan in response.json()] == ACTIVE


@pytest.mark.parametrize("slug", ACTIVE)
def test_a_plan_is_shown_as_it_is_listed(common_shop: Shop, slug: str) -> None:
    listed = {plan["slug"]: plan for plan in common_shop.http.get("/plans").json()}
    response = common_shop.http.get(f"/plans/{slug}")

    assert response.status_code == 200
    assert response.json() == listed[slug]
    assert set(response.json()) == COMMON | {"durations" if listed[slug]["type"] == "duration" else "bandwidths"}


def test_a_bandwidth_plan_tells_its_tiers(common_shop: Shop) -> None:
    plan = exact(common_shop.http.get("/plans/residential").text)

    def tier(bandwidth: int, price: str) -> dict[str, Any]:
        return {
            "bandwidth": bandwidth,
            "bandwidth_unit": "GB",
            "bandwidth_in_bytes": bandwidth * 2**30,
            "price_per_gb": Decimal(price),
        }

    assert without_ids(plan) == {
        "name": "Residential",
        "slug": "residential",
        "type": "bandwidth",
        "has_geo_targeting": True,
        "has_ip_whitelist": False,
        "rotations": [{"code": "rotating", "name": "Rotating"}, {"code": "sticky", "name": "Sticky"}],
        "protocols": [
            {"code": "http", "port": 12321, "host": "proxy.example.com"},
            {"code": "socks5", "port": 32325, "host": "proxy.example.com"},
        ],
        "bandwidths": [tier(2, "5"), tier(10, "4.5075"), tier(100, "3")],
    }


def test_a_duration_plan_tells_its_durations_and_options(common_shop: Shop) -> None:
    plan = exact(common_shop.http.get("/plans/datacenter").text)

    speed = {"name": "speed", "label": "Speed", "type": "range", "min": 1, "max": 100, "step": 1}
    country = {
        "name": "country",
        "label": "Country",
        "type": "select",
        "options": [
            {"value": "us", "label": "United States", "price": 1},
            {"value": 7, "label": "Germany", "price": 0},
            {"value": "010", "label": "Ten", "price": 0},
        ],
    }
    threads = {"name": "threads", "label": "Threads", "type": "number", "min": None, "max": None}
    assert without_ids(plan["durations"]) == [
        {
            "slug": "1_week",
            "name": "1 week",
            "price": 9,
            "options": [{**speed, "price_per_unit": Decimal("0.1")}, country],
        },
        {
            "slug": "30_days",
            "name": "30 days",
            "price": 30,
            "options": [{**threads, "step": Decimal("0.5"), "price_per_unit": Decimal("0.0333")}],
        },
    ]


def test_a_duration_without_options_has_an_empty_list_of_them(common_shop: Shop) -> None:
    durations = exact(common_shop.http.get("/plans/unlimited").text)["durations"]

    assert [(duration["slug"], duration["price"], duration["options"]) for duration in durations] == [
        ("20_minutes", Decimal("0.5"), []),
        ("1_day", 3, []),
        ("1_month", 60, []),
        ("1_year", 600, []),
    ]


def test_prices_and_bounds_are_exact_numbers(common_shop: Shop) -> None:
    text = common_shop.http.get("/plans").text

    for written in ('"price_per_gb":4.5075', '"price_per_gb":9999999.99', '"price_per_unit":0.0333', '"max":20.25'):
        assert f"{written}," in text or f"{written}}}" in text


def test_every_id_is_an_integer(common_shop: Shop) -> None:
    plans = common_shop.http.get("/plans").json()

    assert all(type(one) is int and one > 0 for one in ids_in(plans))
    assert len({plan["id"] for plan in plans}) == len(plans)
    assert all("id" in option for plan in plans for one in plan.get("durations", []) for option in one["options"])


@pytest.mark.parametrize(
    "slug",
    ["switched-off", "old-datacenter", "nope", "Residential", "1", "%00", "%FF", "%F0%9F%98%80", "residential%20"],
)
def test_an_unknown_or_inactive_plan_is_not_found(common_shop: Shop, slug: str) -> None:
    assert_refusal(common_shop.http.get(f"/plans/{slug}"), 404, "Plan not found.", "plan_not_found")


@pytest.mark.parametrize("authorization", [None, "Bearer unknown", "Basic eA==", "\xff"])
@pytest.mark.parametrize("path", ["/plans", "/plans/residential", "/health", "/ready"])
def test_open_paths_need_no_token_and_mind_none(common_shop: Shop, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}

    assert common_shop.http.get(path, headers=headers).status_code == 200


def test_a_changed_catalog_shows_at_once_and_keeps_its_ids(shop: Shop) -> None:
    before = shop.http.get("/plans").json()
    shop.apply_catalog(catalog_with().replace("price_per_gb: 8.00", "price_per_gb: 8.50"))
    dearer = shop.http.get("/plans/mobile").json()
    assert dearer["bandwidths"][0]["price_per_gb"] == 8.5
    shop.apply_catalog("currency: USD\nplans: []\n")
    assert shop.http.get("/plans").json() == []
    assert shop.http.get("/plans/mobile").status_code == 404
    shop.apply_catalog(CATALOG.read_text())

    assert shop.http.get("/plans").json() == before


def test_tiers_are_shown_ascending(shop: Shop) -> None:
    tiers = "[{bandwidth: 5, price_per_gb: 1}, {bandwidth: 1, price_per_gb: 3}, {bandwidth: 3, price_per_gb: 2}]"
    shop.apply_catalog(catalog_with(plans=f"  - {{slug: mixed, name: M, type: bandwidth, bandwidths: {tiers}}}\n"))

    shown = shop.http.get("/plans/mixed").json()["bandwidths"]

    assert [tier["bandwidth"] for tier in shown] == [1, 3, 5]
