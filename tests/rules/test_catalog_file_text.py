"""The catalog file as text: what is read as what, whatever YAML would make of it, and hostile files."""

import time
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog_files import (
    DOCUMENTED,
    PLAN,
    TIERS,
    code_faults,
    faults,
    one_choice,
    one_code,
)
from novaproxy.catalog.file import exported, parsed
from novaproxy.catalog.model import (
    Rotation,
    Tier,
)
from novaproxy.catalog.yaml_nodes import composed
from novaproxy.errors import OperatorError


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "1_000", "2026-01-01", "1e3", "0x1F", "12:30:45", "1.50", "007", "y", "+1", ".5"]
)
def test_text_is_text_as_written(text: str) -> None:
    rotations = f"rotations: [{{code: {text}, name: {text}}}]"
    catalog = parsed(f"plans: [{{slug: {text}, name: {text}, type: bandwidth, {rotations}, {TIERS}}}]".encode())
    plan = catalog.plans[0]
    assert (plan.slug, plan.name, plan.rotations) == (text, text, (Rotation(text, text),))
    assert one_choice(text).value == text
    assert parsed(exported(catalog).encode()) == catalog
    assert yaml.safe_load(exported(catalog))["plans"][0]["slug"] == text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("7", 7),
        ("0", 0),
        (str(2**53), 2**53),
        (str(2**53 + 1), str(2**53 + 1)),
        ("9" * 99, "9" * 99),
        ('"7"', "7"),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("07", "07"),
        ("-7", "-7"),
        ("7.0", "7.0"),
        ("0x7", "0x7"),
        ("true", "true"),
        ('"null"', "null"),
    ],
)
def test_a_select_value_is_an_integer_only_if_written_as_one(written: str, value: str | int) -> None:
    choice = one_choice(written)
    assert (choice.value, type(choice.value)) == (value, type(value))


def test_truth_values_in_every_spelling() -> None:
    for word in ("true", "True", "TRUE", "yes", "Yes", "on", "ON", "y", "Y"):
        assert one_code(f"first_order_only: {word}").first_order_only
    for word in ("false", "False", "FALSE", "no", "NO", "off", "n"):
        assert not one_code(f"first_order_only: {word}").first_order_only
        assert not parsed(PLAN.replace("name: R", f"name: R, active: {word}").encode()).plans[0].active
    for word in ("tRUE", "1", "'yes'"):
        assert code_faults(f"percent: 1, first_order_only: {word}") != []


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01T00:00:00Z",
        "'2026-01-01T00:00:00Z'",
        "2026-01-01t02:00:00.000000000+02:00",
        "2026-01-01 00:00:00 Z",
        "2026-1-1 1:00:00 +1",
        "2025-12-31T23:30:00-0030",
    ],
)
def test_a_time_may_be_written_in_every_way_that_names_its_zone(written: str) -> None:
    assert one_code(f"starts_at: {written}").starts_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_integers_may_be_quoted() -> None:
    text = "plans: [{slug: r, name: R, type: bandwidth, bandwidths: [{bandwidth: '10', price_per_gb: 1}]}]"
    assert parsed(text.encode()).plans[0].tiers == (Tier(10, 10_000),)


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = b"""
plans:
  - &base
    slug: a
    name: A
    type: bandwidth
    protocols: &gateway [{code: http, host: h, port: 1}]
    bandwidths: [&tier {bandwidth: 1, price_per_gb: 2}]
  - <<: *base
    slug: b
    bandwidths: [{<<: [*tier, {price_per_gb: 9}], bandwidth: 5}]
"""
    first, second = parsed(text).plans
    assert (second.slug, second.name, second.protocols) == ("b", "A", first.protocols)
    assert second.tiers == (Tier(5, 20_000),)
    assert faults("plans: [{<<: 5}]")[0] == "plans[0].<<: must name a mapping, or a list of mappings"


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read() -> None:
    assert parsed(b"\xef\xbb\xbf" + DOCUMENTED.replace(b"\n", b"\r\n")) == parsed(DOCUMENTED)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdefghijklmnopqrstuvwxyz"
)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
@pytest.mark.parametrize(
    ("text", "start"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"~", "the file is empty"),
        (b"plans: []\n---\nplans: []", "line 2: a second YAML document"),
        (b"plans: []\n...\n---\n", "line 3: a second YAML document"),
        (b"plans:\n  \xff", "line 2: not UTF-8: the byte 0xff"),
        ("plans: []".encode("utf-16"), "line 1: not UTF-8"),
        (b"plans: []\n\x00", "line 2: the control character U+0000 is not allowed"),
        (b"plans: []\n# \x1b[31m", "line 2: the control character U+001B is not allowed"),
        (b"plans: [", "line "),
        (b"plans:\n\t- a", "line 2, column 1: not YAML"),
        (b"a: b: c", "line 1, column 5: not YAML"),
        (b"a: *nowhere", "line 1: an alias ('*' and a name) has no anchor"),
        (b"plans: &p\n  - [*p]", "line 2: an alias ('*' and a name) stands inside what it repeats"),
        (b"plans: !!python/object/apply:os.system [x]", "line 1: a YAML tag"),
        (b"plans: !!int '5'", "line 1: a YAML tag"),
        (LAUGHS.encode(), "line 6: more than 200000 entries"),
        (b"plans: " + b"[" * 100_000, "line 1: nested more than 40 levels"),
        (b"{a: " * 100_000, "line 1: nested more than 40 levels"),
        (b"a: " + b"&x " * 2, "line 1"),
        (b'"\\UFFFFFFFF": 1', ""),
        (b"#" * (4 * 2**20 + 1), "the file is too long"),
    ],
)
def test_a_hostile_file_is_one_clear_fault_at_once(
    text: bytes, start: str, loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader]
) -> None:
    began = time.monotonic()
    with pytest.raises(OperatorError) as refused:
        composed(text, loader=loader)
    (line,) = refused.value.lines
    assert line.startswith(start)
    assert line.isprintable()
    assert time.monotonic() - began < 5


def test_a_chain_of_merge_keys_ends_at_the_depth_limit() -> None:
    chain = "plans:\n  - &p0 {slug: a}\n" + "".join(f"  - &p{n} {{<<: *p{n - 1}}}\n" for n in range(1, 5000))
    (line,) = faults(chain)
    assert line.endswith("nested more than 40 levels deep")


def test_very_many_wrong_keys_are_told_quickly() -> None:
    began = time.monotonic()
    assert len(faults("plans: [{" + ", ".join(f"slog{n}: 1" for n in range(90_000)) + "}]")) == 101
    assert time.monotonic() - began < 10


YAML_PIECES = st.sampled_from(
    [
        *(
            "- ",
            "  ",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "&a ",
            "*a",
            "<<",
            "null",
            "'",
            '"',
            "!!str ",
            "|",
            ">",
            "#",
        ),
        *("---", "...", "? ", "\t", "\\", "%", "@", "5", "-1", "1_day", "\x85", "\u2028", "\ufeff", "\U0001f600"),
        *("plans:", "slug: r", "type: duration", "durations:", "options:", "discount_codes:", "starts_at: 2026-01-01"),
    ]
)


@given(st.binary(max_size=200) | st.lists(YAML_PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode()))
@example(b"? ? ?\n:")
@settings(deadline=None)
def test_arbitrary_bytes_are_a_catalog_or_operator_errors(text: bytes) -> None:
    faults(text)


@given(st.integers(0, len(DOCUMENTED) - 1), st.binary(max_size=3), st.integers(0, 12))
@settings(deadline=None)
def test_a_damaged_catalog_is_a_catalog_or_operator_errors(at: int, inserted: bytes, removed: int) -> None:
    faults(DOCUMENTED[:at] + inserted + DOCUMENTED[at + removed :])
