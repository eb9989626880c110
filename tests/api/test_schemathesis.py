"""The description against the service: schemathesis asks for everything that is described, soundly and unsoundly."""

import os
from pathlib import Path

from schemathesis_run import ask_as_described
from services import EFFORT
from shop import Shop

EXAMPLES = 40
"""How many requests of each kind each operation gets in the phases that draw them at random."""


def test_schemathesis_finds_nothing(shop: Shop, tmp_path: Path) -> None:
    seed = int(os.environ.get("NOVAPROXY_TEST_SEED", "1"))

    buyer, _ = ask_as_described(shop, seed, EXAMPLES * EFFORT, tmp_path, seconds=120 * EFFORT)

    # It was no dry run: what was asked for was also had. The fixture audits the books.
    assert shop.order_count(buyer) >= 30
    assert shop.value("SELECT count(DISTINCT plan_id) FROM orders") >= 5
