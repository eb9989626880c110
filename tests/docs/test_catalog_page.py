"""The page of the catalog file names every key that the file may have, and no other."""

import re
from pathlib import Path

from novaproxy.catalog import file
from novaproxy.catalog.upstream_file import UPSTREAM_KEYS

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"
VALUES = {"select", "number", "range", "bandwidth", "duration", "gateway", "manual", "true", "false", "direct", "http"}


def test_the_page_names_every_key_of_the_file() -> None:
    known = {key for name, keys in vars(file).items() if re.fullmatch("_[A-Z]+_KEYS", name) for key in keys}
    known |= set(UPSTREAM_KEYS)
    named = set(re.findall("`([a-z][a-z_]{2,})`", PAGE.read_text()))
    assert known - named == set()
    assert named - known - VALUES == set()
