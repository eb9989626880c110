"""``GET /plans`` and ``GET /plans/{slug}`` (contract, section 2)."""

import json
import re
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


# --- who has the answer already ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/plans", "/plans/residential"])
def test_who_has_the_answer_is_told_so(common_shop: Shop, path: str) -> None:
    whole = common_shop.http.get(path)
    tag = whole.headers["ETag"]

    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for known in (tag, f"W/{tag}", f'"other", {tag}', f'W/"a,b" ,{tag},', f",\t{tag}", "*"):
        for method in ("GET", "HEAD"):
            response = common_shop.http.request(method, path, headers={"If-None-Match": known})
            assert (response.status_code, response.content) == (304, b""), known
            # All that says how the answer may be kept (RFC 9110, section 15.4.5), and nothing of a body.
            assert response.headers["ETag"] == tag
            assert response.headers["Cache-Control"] == whole.headers["Cache-Control"] == "no-cache"
            assert response.headers["Date"]
            assert response.headers["X-Request-Id"]
            assert not {"content-type", "content-length", "transfer-encoding"} & set(response.headers)


@pytest.mark.parametrize("path", ["/plans", "/plans/residential"])
def test_who_has_another_answer_gets_the_whole_one(common_shop: Shop, path: str) -> None:
    whole = common_shop.http.get(path)
    tag = whole.headers["ETag"]
    unknown = ['"other"', tag.strip('"'), f"w/{tag}", f"W/W/{tag}", tag[:-2] + '"', tag.upper(), "", ",", "**", "*,*"]

    for known in (*unknown, f'"{tag}"', f'*, "{tag}"', "\xff", '"' * 9_000, "," * 9_000):
        response = common_shop.http.get(path, headers={b"If-None-Match": known.encode("latin-1")})
        assert (response.status_code, response.content) == (200, whole.content), known
        assert response.headers["ETag"] == tag


def test_the_tags_may_stand_in_several_headers(common_shop: Shop) -> None:
    tag = common_shop.http.get("/plans").headers["ETag"]

    response = common_shop.http.get("/plans", headers=[("If-None-Match", '"other"'), ("If-None-Match", tag)])

    assert response.status_code == 304


def test_an_unknown_plan_is_not_found_whatever_the_client_has(common_shop: Shop) -> None:
    response = common_shop.http.get("/plans/nope", headers={"If-None-Match": "*"})

    assert_refusal(response, 404, "Plan not found.", "plan_not_found")
    assert "ETag" not in response.headers


def test_each_answer_has_a_tag_of_its_own(common_shop: Shop) -> None:
    tags = [common_shop.http.get(path).headers["ETag"] for path in ("/plans", *(f"/plans/{slug}" for slug in ACTIVE))]

    assert len(set(tags)) == len(tags)


def test_head_has_the_headers_of_get(common_shop: Shop) -> None:
    for path in ("/plans", "/plans/residential"):
        whole, head = common_shop.http.get(path), common_shop.http.head(path)

        assert head.content == b""
        for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
            assert head.headers[name] == whole.headers[name]


def test_another_price_is_another_tag_and_the_old_price_the_old_one(shop: Shop) -> None:
    def tags() -> list[str]:
        return [shop.http.get(path).headers["ETag"] for path in ("/plans", "/plans/mobile", "/plans/residential")]

    before = tags()
    shop.apply_catalog(catalog_with().replace("price_per_gb: 8.00", "price_per_gb: 8.50"))
    dearer = tags()
    response = shop.http.get("/plans/mobile", headers={"If-None-Match": before[1]})
    assert (response.status_code, response.json()["bandwidths"][0]["price_per_gb"]) == (200, 8.5)
    assert [was == now for was, now in zip(before, dearer, strict=True)] == [False, False, True]
    shop.apply_catalog(CATALOG.read_text())

    assert tags() == before
