"""The page for those who use what they bought says what the gateway says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaproxy.gateway import refusals
from novaproxy.gateway.refusals import ProxyRefusal
from novaproxy.whitelist.model import MOST_ADDRESSES

PAGE = (Path(__file__).parents[2] / "docs" / "using-proxies.md").read_text()
ROW = re.compile(r"^\| `([a-z_]+)` \| ([0-9]{3}) \| ([0-9]?) ?\| [A-Z].*\. \|$", re.MULTILINE)


def told() -> dict[str, tuple[int, int | None]]:
    """Return the status and the SOCKS5 reply of each code that the page lists."""
    return {code: (int(status), int(reply) if reply else None) for code, status, reply in ROW.findall(PAGE)}


def refusing() -> Iterator[type[ProxyRefusal]]:
    """Give each refusal of the gateway that has a code of its own."""
    for found in vars(refusals).values():
        if (
            isinstance(found, type)
            and issubclass(found, ProxyRefusal)
            and "code" in vars(found)
            and hasattr(found, "status")
        ):
            yield found


@pytest.mark.parametrize("refusal", list(refusing()), ids=lambda refusal: refusal.code)
def test_each_refusal_of_the_gateway_is_told_with_its_status_and_its_reply(refusal: type[ProxyRefusal]) -> None:
    assert told()[refusal.code] == (refusal.status, refusal.reply)


def test_every_row_of_the_refusals_is_read() -> None:
    assert len(told()) >= len(list(refusing())) > 10
    assert len(told()) == PAGE.split("## What is refused")[1].split("\n## ")[0].count("\n| `") - 1


def test_the_page_tells_the_bounds() -> None:
    assert f"{MOST_ADDRESSES} addresses for each order" in PAGE
