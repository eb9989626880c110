"""Whatever is sent, there is an answer below 500, and an order exactly where it says 201."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract import (
    JSON,
    MULTIPART,
    URLENCODED,
    Caller,
    Footprint,
    footprints,
    form_pairs,
    multipart_body,
    urlencoded_body,
)
from shop import Shop

PLANS = [
    "residential",
    "mobile",
    "limited",
    "free",
    "dear",
    "by-hand",
    "switched-off",
    "unlimited",
    "datacenter",
    "wide",
    "nope",
]
DURATIONS = ["1_day", "1_week", "30_days", "20_minutes", "1_days", "soon"]
CODES = ["TEN", "all", "FIVE", "ONCE", "TRIO", "SOON", "GONE", "MOBILE", "FIRST", "BIG", "NOPE"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number}")
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["", "2", "02", "1e5", "\0", "\ud800", "[]", "{}", '{"speed": 10, "country": "us"}'])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
options = st.dictionaries(
    st.sampled_from(["speed", "country", "threads", "size", "ghost"]) | st.text(max_size=5),
    st.sampled_from([1, 10, "us", 7, "010", 0.5, 100]) | values,
    max_size=3,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "plan": st.sampled_from(PLANS) | values,
        "bandwidth": st.integers(-1, 120) | values,
        "duration": st.sampled_from(DURATIONS) | values,
        "config": options | values,
        "discount_code": st.sampled_from(CODES) | values,
        "payment_gateway_id": values,
        "weather": values,
    },
)
sound = st.one_of(
    st.fixed_dictionaries(
        {
            "plan": st.sampled_from(["residential", "mobile", "limited", "free", "by-hand"]),
            "bandwidth": st.integers(1, 200),
        },
        optional={"discount_code": st.sampled_from(CODES), "config": st.sampled_from([None, "", {}, []])},
    ),
    st.fixed_dictionaries(
        {
            "plan": st.just("datacenter"),
            "duration": st.just("1_week"),
            "config": st.fixed_dictionaries(
                {
                    "speed": st.sampled_from([1, "10", 100, "abc", 0.5]),
                    "country": st.sampled_from(["us", 7, "7", "de"]),
                },
            ),
        },
    ),
)
keys = st.none() | st.sampled_from(["a", "b", "", "k" * 256]) | st.text(st.characters(max_codepoint=126), max_size=5)


@dataclass(frozen=True, slots=True)
class Watched:
    """A caller, and how to read what his orders leave."""

    caller: Caller
    read: Callable[[], Footprint]


@pytest.fixture(scope="module")
def watched(common_shop: Shop) -> Iterator[Watched]:
    with footprints(common_shop) as read:
        yield Watched(Caller(common_shop, common_shop.buyer(balance_cents=5_000_00)), read)


def assert_answered(watched: Watched, body: bytes, content_type: str, key: str | None = None) -> None:
    """Assert that a body has an answer below 500, and leaves an order only where it says that it made one."""
    before = watched.read()
    headers = {"Idempotency_Key": key} if key is not None and key == key.strip() and key.isprintable() else {}
    response = watched.caller.send(body, content_type, **headers)
    after = watched.read()

    assert response.status_code in {201, 400, 415, 422}, (body, response.text)
    assert response.headers["X-Request-Id"]
    if response.status_code == 201 and "Idempotent-Replayed" not in response.headers:
        net_cents = round(response.json()["price"]["net"] * 100)
        assert after["orders"] == before["orders"] + 1
        assert after["balances"] == before["balances"] - net_cents
        assert after["transfers"] == before["transfers"] + (net_cents > 0)
    else:
        assert after == before
    if response.status_code != 201:
        assert set(response.json()) == {"error"}
        assert response.headers["X-Error-Code"]


@settings(max_examples=120)
@given(requests | sound, keys)
@example({"plan": "datacenter", "duration": "30_days", "config": {"threads": 0.0}}, "zero")
def test_any_json_has_an_answer(watched: Watched, fields: dict[str, Any], key: str | None) -> None:
    assert_answered(watched, json.dumps(fields).encode(), JSON, key)


@settings(max_examples=60)
@given(requests | sound, keys, st.booleans())
def test_any_form_has_an_answer(
    watched: Watched,
    fields: dict[str, Any],
    key: str | None,
    is_multipart: bool,  # noqa: FBT001 -- hypothesis passes it
) -> None:
    pairs = [(cleaned(name), cleaned(text)) for name, text in form_pairs(fields)]
    if is_multipart:
        quoted = [(name.replace('"', "%22"), text) for name, text in pairs]
        assert_answered(watched, multipart_body(quoted), MULTIPART, key)
    else:
        assert_answered(watched, urlencoded_body(pairs), URLENCODED, key)


def cleaned(text: str) -> str:
    """Return *text* without the surrogates that no form can write."""
    return text.encode("utf-8", "ignore").decode()


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from([JSON, URLENCODED, MULTIPART, "text/plain"]))
def test_any_bytes_have_an_answer(watched: Watched, body: bytes, content_type: str) -> None:
    assert_answered(watched, body, content_type)
