"""``GET /openapi.json`` (contract, section 6): valid, whole, and true of what is really served."""

import copy
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import openapi_spec_validator
import pytest
from starlette.routing import Route

import novaproxy
from contract import JSON, Caller, catalog_with, form_pairs, placed
from described import Described
from novaproxy.app import opened_shop
from novaproxy.database.pool import Target
from novaproxy.errors import Refusal
from novaproxy.http.refusals import refusal_body, refusal_headers
from novaproxy.openapi.reference import reference
from novaproxy.openapi.sentences import EVERYTHING, Said
from novaproxy.orders import moving
from novaproxy.orders.model import OrderStatus
from shop import SEALING_KEY, Shop

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "src" / "novaproxy" / "catalog" / "demo.yaml"
FREE = {"plan": "free", "bandwidth": 1}
WEEK = {"plan": "datacenter", "duration": "1_week", "config": {"speed": 10, "country": "us"}}


@pytest.fixture(scope="module")
def described(common_shop: Shop) -> Described:
    return Described(common_shop.http.get("/openapi.json").json())


@pytest.fixture(scope="module")
def caller(common_shop: Shop) -> Caller:
    return Caller(common_shop, common_shop.buyer())


def refusal_classes() -> set[type[Refusal]]:
    """Return every refusal of the package; one without a code is only the base of others."""
    for module in pkgutil.walk_packages(novaproxy.__path__, "novaproxy."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(parent: type[Refusal]) -> Iterator[type[Refusal]]:
        for child in parent.__subclasses__():
            yield child
            yield from below(child)

    return {found for found in below(Refusal) if found.__module__.startswith("novaproxy.") and hasattr(found, "code")}


def examples(media: dict[str, Any]) -> list[Any]:
    """Return the examples of one type of body."""
    single = [media["example"]] if "example" in media else []
    return single + [example["value"] for example in media.get("examples", {}).values()]


# The document ---------------------------------------------------------------------------------------------------------


def test_the_description_is_valid_openapi_3_1(described: Described) -> None:
    openapi_spec_validator.validate(dict(described.document))

    assert described.document["openapi"].startswith("3.1")
    assert described.document["info"]["version"] == version("novaproxy")


async def test_every_route_is_described_and_nothing_else(database: Target, described: Described) -> None:
    async with opened_shop(database, (SEALING_KEY,)) as edge:
        # The composition root alone knows the routes, and shows them to nobody.
        routes = edge._app._app.router.routes  # type: ignore[attr-defined]  # noqa: SLF001 -- as above
        served = {
            (method, route.path) for route in routes if isinstance(route, Route) for method in route.methods or ()
        }

    assert {(method, path) for method, path in served if method != "HEAD"} == {
        (method, path) for method, path, _ in described.operations()
    }


def test_each_described_path_is_there_with_its_methods(common_shop: Shop, described: Described) -> None:
    for path, methods in described.document["paths"].items():
        answer = common_shop.http.request("OPTIONS", path.format(slug="free", uuid="x", file="page.js"))
        allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
        assert allowed - {"HEAD"} == {method.upper() for method in methods if method != "parameters"}, path


def test_every_refusal_of_the_package_is_described() -> None:
    assert {type(said.refusal) for said in EVERYTHING} == refusal_classes()


@pytest.mark.parametrize("said", EVERYTHING, ids=lambda said: f"{said.code}: {said.sentence[:40]}")
def test_a_sentence_stands_in_the_description_with_its_status_its_code_and_its_headers(
    described: Described, said: Said
) -> None:
    told = [
        answer
        for _, status, answer in described.answers()
        if status in {"-", str(said.status)}
        and {"error": said.sentence} in examples(answer.get("content", {}).get(JSON, {}))
    ]

    assert told
    for answer in told:
        assert said.code in answer["headers"]["X-Error-Code"]["schema"]["enum"]
        sent = {name.decode().lower() for name, _ in refusal_headers(said.refusal)}
        assert sent <= {name.lower() for name in answer["headers"]}


def test_each_example_is_as_its_schema_says(described: Described) -> None:
    bodies = [answer.get("content", {}) for _, _, answer in described.answers()]
    bodies += [
        operation["requestBody"]["content"] for *_, operation in described.operations() if "requestBody" in operation
    ]
    count = 0
    for content in bodies:
        for media in content.values():
            for example in examples(media):
                described.validator(media["schema"]).validate(example)
                count += 1
    assert count > 80


def test_each_example_of_a_member_is_as_its_schema_says(described: Described) -> None:
    def schemas(part: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 -- any part of the document
        if isinstance(part, dict):
            if isinstance(part.get("examples"), list):
                yield part
            for inner in part.values():
                yield from schemas(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from schemas(inner)

    found = list(schemas(described.document))
    assert len(found) > 40
    for schema in found:
        for example in schema["examples"]:
            described.validator(schema).validate(example)


def test_each_operation_is_named_taught_and_says_who_may(described: Described) -> None:
    names = [operation["operationId"] for *_, operation in described.operations()]

    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in described.document["tags"]}
    for method, path, operation in described.operations():
        assert operation["description"].endswith("."), path
        assert set(operation["tags"]) <= tags
        needs_token = {"token": []} in operation["security"]
        assert needs_token == path.startswith(("/orders", "/balance")), (method, path)
        assert needs_token <= ("401" in operation["responses"])


def test_nothing_is_described_that_is_not_referred_to(described: Described) -> None:
    text = str(described.document)
    # No operation answers so: another method of the path does, a path that is none, or the connection.
    apart = {"PathNotFound", "MethodNotAllowed", "HeadTooLong", "NotHttp"}

    for kind, parts in described.document["components"].items():
        if kind != "securitySchemes":
            for name in parts:
                assert f"#/components/{kind}/{name}'" in text or name in apart, name


def test_the_written_reference_is_what_the_command_writes() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == reference(), "python -m novaproxy.openapi.reference > docs/api.md"


# What is served -------------------------------------------------------------------------------------------------------


def test_plans_are_as_described(common_shop: Shop, described: Described) -> None:
    described.assert_describes("GET /plans", common_shop.http.get("/plans"))
    for plan in common_shop.http.get("/plans").json():
        described.assert_describes("GET /plans/{slug}", common_shop.http.get(f"/plans/{plan['slug']}"))
    for slug in ("nope", "switched-off"):
        described.assert_describes("GET /plans/{slug}", common_shop.http.get(f"/plans/{slug}"))


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "residential", "bandwidth": 2, "discount_code": "ODD"},
        {"plan": "mobile", "bandwidth": "3", "duration": None, "config": [], "discount_code": ""},
        {"plan": "by-hand", "bandwidth": 1},
        {"plan": "unlimited", "duration": "1_day"},
        {"plan": "datacenter", "duration": "30_days", "config": {"threads": 0.5}},
        {"plan": "wide", "duration": "1_day", "config": {"size": "20.25"}},
        {"plan": "datacenter", "duration": "1_week", "config": {"speed": 1, "country": 7}},
        {"plan": "datacenter", "duration": "1_week", "config": '{"speed": "2", "country": "010"}'},
    ],
)
def test_an_order_is_as_described_and_so_was_its_request(
    caller: Caller, described: Described, fields: dict[str, Any]
) -> None:
    content = described.document["paths"]["/orders"]["post"]["requestBody"]["content"]
    described.validator(content[JSON]["schema"]).validate(fields)

    order = caller.in_json(fields, Idempotency_Key=f"described {fields}")
    assert placed(order)
    described.assert_describes("POST /orders", order)
    again = caller.in_json(fields, Idempotency_Key=f"described {fields}")
    assert again.headers["Idempotent-Replayed"] == "true"
    described.assert_describes("POST /orders", again)
    shown = caller.shop.http.get(f"/orders/{order.json()['uuid']}", headers=caller.buyer.headers)
    described.assert_describes("GET /orders/{uuid}", shown)


def wishes() -> Iterator[dict[str, Any]]:
    """Give orders that are sound but for one field, in which anything may stand."""
    anything = [None, "", " ", {}, [], True, False, 0, 1, -1, 2.0, 2.5, 8_388_608, 8_388_609, [1], {"a": 1}, "x", "\0"]
    anything += ["1", " 1\n", "01", "+1", "1.0", "-1", "0", "TEN", " ten ", "1_day", "free", "{}", "{", "[]", "null"]
    for value in anything:
        yield FREE | {"bandwidth": value}
        yield FREE | {"plan": value}
        for field in ("duration", "config", "discount_code"):
            yield FREE | {field: value}
        yield {"plan": "unlimited", "duration": "1_day", "bandwidth": value}
        yield {"plan": "unlimited", "duration": value}
        yield {"plan": "datacenter", "duration": "1_week", "config": value}
        yield {"plan": "datacenter", "duration": "1_week", "config": {"speed": value, "country": "us"}}


def test_the_schema_of_a_request_refuses_only_what_is_always_refused(caller: Caller, described: Described) -> None:
    content = described.document["paths"]["/orders"]["post"]["requestBody"]["content"]
    in_json, in_form = (described.validator(content[kind]["schema"]) for kind in (JSON, "multipart/form-data"))
    placed_count = 0
    for fields in wishes():
        answer = caller.in_json(fields)
        if answer.status_code == 201:
            placed_count += 1
            assert in_json.is_valid(fields), fields
    for fields in wishes():
        texts = {name: value for name, value in fields.items() if isinstance(value, str | int) and value is not True}
        if caller.in_urlencoded(form_pairs(texts)).status_code == 201:
            placed_count += 1
            assert in_form.is_valid(texts), texts
    assert placed_count > 60


@pytest.mark.parametrize(
    "value", [0, -1, 2.5, 8_388_609, True, [1], {"a": 1}, "0", "01", "+1", "1.0", "x", "1 0", "1\0"]
)
def test_what_is_never_a_bandwidth_is_none_in_the_schema(described: Described, value: object) -> None:
    content = described.document["paths"]["/orders"]["post"]["requestBody"]["content"]
    for media in content.values():
        assert not described.validator(media["schema"]).is_valid(FREE | {"bandwidth": value})


def test_an_order_in_a_form_is_as_described(caller: Caller, described: Described) -> None:
    for response in (caller.in_multipart(form_pairs(WEEK)), caller.in_urlencoded(form_pairs(WEEK))):
        assert placed(response)
        described.assert_describes("POST /orders", response)


def test_orders_that_moved_are_as_described(caller: Caller, described: Described) -> None:
    shop, headers = caller.shop, caller.buyer.headers
    failed = UUID(caller.places({"plan": "by-hand", "bandwidth": 1})["uuid"])
    stopped = UUID(caller.places(FREE)["uuid"])
    shop.run(lambda connection: moving.fail(connection, failed, "no exits left", "operator"))
    shop.run(lambda connection: moving.deactivate(connection, stopped, "operator"))

    for status in ("failed", "inactive"):
        answer = shop.http.get("/orders", params={"status": status, "limit": 1}, headers=headers)
        assert answer.json()[0]["status"] == status
        described.assert_describes("GET /orders", answer)
    entries = shop.http.get("/balance/entries", headers=headers)
    assert {entry["kind"] for entry in entries.json()} == {"credit", "charge", "refund"}
    described.assert_describes("GET /balance/entries", entries)


def test_each_status_may_be_asked_for_and_no_other(described: Described, caller: Caller) -> None:
    parameter = described.document["components"]["parameters"]["Status"]

    assert parameter["schema"]["enum"] == list(OrderStatus)
    for status in OrderStatus:
        answer = caller.shop.http.get("/orders", params={"status": status}, headers=caller.buyer.headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/orders", "/balance/entries"])
@pytest.mark.parametrize("query", ["", "?limit=1", "?limit=1000", "?limit=0", "?limit=1&cursor=x", "?status=none"])
def test_a_list_is_as_described(caller: Caller, described: Described, path: str, query: str) -> None:
    caller.places(FREE)
    caller.places({"plan": "mobile", "bandwidth": 1})
    caller.places({"plan": "mobile", "bandwidth": 1})

    answer = caller.shop.http.get(path + query, headers=caller.buyer.headers)

    described.assert_describes(f"GET {path}", answer)
    assert ("Link" in answer.headers) == (query == "?limit=1")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\xff", JSON, 400),
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b"broken", "multipart/form-data; boundary=x", 400),
        (b" " * 70_000, JSON, 413),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json; charset=latin-1", 415),
        (b"{}", JSON, 422),
        (b'{"plan": "dear", "bandwidth": 8000000}', JSON, 422),
        (b'{"plan": "free", "plan": "free"}', JSON, 422),
    ],
)
def test_a_refused_order_is_as_described(
    caller: Caller, described: Described, body: bytes, content_type: str, status: int
) -> None:
    response = caller.send(body, content_type)

    assert response.status_code == status
    described.assert_describes("POST /orders", response)


def test_who_has_no_token_is_answered_as_described(common_shop: Shop, described: Described) -> None:
    for method, path, operation in described.operations():
        if {"token": []} in operation["security"]:
            response = common_shop.http.request(method, path.format(uuid="x"))
            assert response.status_code == 401
            described.assert_describes(f"{method} {path}", response)


@pytest.mark.parametrize("path", ["/balance", "/health", "/ready", "/metrics", "/openapi.json", "/docs"])
def test_the_other_paths_answer_as_described(caller: Caller, described: Described, path: str) -> None:
    answer = caller.shop.http.get(path, headers=caller.buyer.headers)

    assert answer.status_code == 200
    described.assert_describes(f"GET {path}", answer)


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("GET /plans", "/plans"),
        ("GET /orders", "/orders"),
        ("GET /balance", "/balance"),
        ("GET /balance/entries", "/balance/entries"),
    ],
)
def test_a_member_more_or_less_is_not_as_described(
    common_shop: Shop, described: Described, operation: str, path: str
) -> None:
    caller = Caller(common_shop, common_shop.buyer())
    caller.places(WEEK)
    shown = caller.shop.http.get(path, headers=caller.buyer.headers).json()
    validator = described.validator(described.body_schema(operation, 200))
    assert validator.is_valid(shown)

    changed = list(with_a_member_more_or_less(shown))

    assert len(changed) > 2
    for where, odd in changed:
        assert not validator.is_valid(odd), where


def with_a_member_more_or_less(shown: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- any JSON
    """Give copies of JSON, each with a member more or less in one object of it, and say which."""
    for path in object_paths(shown):
        more = copy.deepcopy(shown)
        at(more, path)["weather"] = "fine"
        yield f"{path} weather", more
        for member in at(shown, path):
            less = copy.deepcopy(shown)
            del at(less, path)[member]
            yield f"{path} {member}", less


def object_paths(shown: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 -- as above
    inner = enumerate(shown) if isinstance(shown, list) else shown.items() if isinstance(shown, dict) else ()
    if isinstance(shown, dict):
        yield path
    for step, value in inner:
        yield from object_paths(value, (*path, step))


def at(shown: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 -- as above
    for step in path:
        shown = shown[step]
    return shown


def sent_as(content_type: str, caller: Caller, fields: dict[str, Any]) -> httpx.Response:
    match content_type:
        case "application/json":
            return caller.in_json(fields)
        case "multipart/form-data":
            return caller.in_multipart(form_pairs(fields))
        case _:
            return caller.in_urlencoded(form_pairs(fields))


def test_the_demo_shop_accepts_every_example_and_answers_as_the_example_says(shop: Shop, described: Described) -> None:
    shop.apply_catalog(DEMO.read_text())
    operation = described.document["paths"]["/orders"]["post"]
    answers = operation["responses"]["201"]["content"][JSON]["examples"]
    for content_type, media in operation["requestBody"]["content"].items():
        for name, example in media["examples"].items():
            order = placed(sent_as(content_type, Caller(shop, shop.buyer()), example["value"]))
            told = answers[name]["value"]
            for member in ("price", "duration_options", "initial_bandwidth_in_bytes", "status"):
                assert order[member] == told[member]
            assert order["plan"]["slug"] == told["plan"]["slug"]


def test_the_description_counts_no_catalog(shop: Shop) -> None:
    before = shop.http.get("/openapi.json")
    shop.apply_catalog(
        catalog_with("  - {slug: new, name: New, type: bandwidth, bandwidths: [{bandwidth: 1, price_per_gb: 1}]}\n")
    )

    assert shop.http.get("/openapi.json").content == before.content


def test_a_refusal_before_any_request_is_as_described(described: Described, common_shop: Shop) -> None:
    answer = httpx.get(f"{common_shop.address}/plans", headers={"X-Long": "x" * 40_000})
    told = described.document["components"]["responses"]["HeadTooLong"]

    assert answer.status_code == 431
    assert answer.headers["X-Error-Code"] in told["headers"]["X-Error-Code"]["schema"]["enum"]
    assert answer.json() in examples(told["content"][JSON])
    assert answer.content in [refusal_body(said.refusal) for said in EVERYTHING]
