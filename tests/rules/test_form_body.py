"""Names with brackets, and urlencoded bodies."""

from collections.abc import Mapping
from urllib.parse import quote_plus

import pytest

from bodies import URLENCODED, form_values, json_values
from novaproxy.http.body import JsonValue, read_fields
from novaproxy.http.body_refusals import BodyNotUtf8


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("config[speed]=10", {"config": {"speed": "10"}}),
        ("config%5Bspeed%5D=10", {"config": {"speed": "10"}}),
        ("config[a]=1&plan=x&config[b]=2", {"config": {"a": "1", "b": "2"}, "plan": "x"}),
        ("config[speed][x]=1", {"config": {"speed": {"x": "1"}}}),
        ("config[]=1", {"config": ["1"]}),
        ("config[]=1&config[]=2", {"config": ["1", "2"]}),
        ("config[][x]=1&config[][x]=2", {"config": [{"x": "1"}, {"x": "2"}]}),
        ("config[][]=1", {"config": [["1"]]}),
        ("config[a][]=1&config[a][]=2", {"config": {"a": ["1", "2"]}}),
        ("config[0]=1", {"config": {"0": "1"}}),
        ("config[ a ]=1", {"config": {" a ": "1"}}),
        ("plan[x]=1", {"plan": {"x": "1"}}),
        ("plan[]=a", {"plan": ["a"]}),
        ("a[b][c][d][e]=1", {"a": {"b": {"c": {"d": {"e": "1"}}}}}),
        ("a[b][c][d][]=1", {"a": {"b": {"c": {"d": ["1"]}}}}),
        ("a[b][c][d][e][f][]=1", {"a": {"b": {"c": {"d": {"e][f][": "1"}}}}}),
    ],
)
def test_brackets_nest(body: str, values: Mapping[str, JsonValue]) -> None:
    assert form_values(body) == values


@pytest.mark.parametrize(
    "name",
    ["config[speed", "config]x[", "[x]", "[]", "config[a]b", "config[a]b[c]", "config[[a]]", "config]", "[", "a]b[c]"],
)
def test_broken_brackets_are_part_of_the_name(name: str) -> None:
    assert form_values(f"{quote_plus(name)}=1") == {name: "1"}


def test_thousands_of_brackets_are_a_few_levels() -> None:
    values = form_values("a" + "[]" * 30_000 + "=1")
    inner = values["a"]
    for _ in range(3):
        assert isinstance(inner, list)
        (inner,) = inner
    assert isinstance(inner, dict)
    assert list(inner.values()) == ["1"]
    assert list(form_values("a" + "[" * 60_000 + "=1").values()) == ["1"]


def test_brackets_mean_nothing_in_json() -> None:
    assert json_values('{"config[speed]":"1"}') == {"config[speed]": "1"}


# Urlencoded


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("", {}),
        ("&&", {}),
        ("plan=a&&bandwidth=2&", {"plan": "a", "bandwidth": "2"}),
        ("plan=", {"plan": ""}),
        ("plan", {"plan": ""}),
        ("=x", {"": "x"}),
        ("plan=a=b", {"plan": "a=b"}),
        ("plan=a;b=c", {"plan": "a;b=c"}),
        ("plan=a+b%2Bc", {"plan": "a b+c"}),
        ("a+b=1", {"a b": "1"}),
        ("plan=%zz%4%", {"plan": "%zz%4%"}),
        ("plan=%C3%A9%F0%9F%98%80", {"plan": "é😀"}),
        ("plan=é", {"plan": "é"}),
        ("plan=%26%3D", {"plan": "&="}),
    ],
)
def test_urlencoded_bodies_are_read(body: str, values: Mapping[str, JsonValue]) -> None:
    assert form_values(body) == values


@pytest.mark.parametrize("body", [b"plan=%ff", b"plan=\xff", b"%ff=a", b"plan=%ED%A0%80", b"plan=%C3&%A9=1"])
def test_urlencoded_bytes_that_are_no_utf8_are_refused(body: bytes) -> None:
    with pytest.raises(BodyNotUtf8):
        read_fields(body, URLENCODED)
