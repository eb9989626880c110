"""A shop for the tests of a module, whose orders may be smaller than what is sold; its bytes are audited each time."""

from collections.abc import Iterator

import pytest

from metering import assert_bytes_hold
from novaproxy.database.pool import Target
from shop import CATALOG, Shop, open_shop


@pytest.fixture(scope="module")
def shop(module_database: Target) -> Iterator[Shop]:
    """A running shop."""
    with open_shop(module_database) as opened:
        opened.apply_catalog(CATALOG.read_text())
        yield opened
        assert_bytes_hold(opened)


@pytest.fixture
def _audited(shop: Shop) -> Iterator[None]:
    yield
    assert_bytes_hold(shop)
