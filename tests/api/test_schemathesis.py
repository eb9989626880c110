"""The description against the service: schemathesis asks for everything that is described, soundly and unsoundly."""

import os
import subprocess
import sys
from pathlib import Path

from contract import catalog_with
from services import EFFORT
from shop import Shop

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 40
"""How many requests of each kind each operation gets in the phases that draw them at random."""


def test_schemathesis_finds_nothing(shop: Shop, tmp_path: Path) -> None:
    # The code of the described examples.
    shop.apply_catalog(catalog_with(codes="  - {code: WELCOME10, percent: 10}\n"))
    buyer = shop.buyer(balance_cents=1_000_000_00)
    seed = os.environ.get("NOVAPROXY_TEST_SEED", "1")
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)),
        *("run", f"{shop.address}/openapi.json", "--header", f"Authorization: Bearer {buyer.token}"),
        *("--checks", "all", "--seed", seed, "--max-examples", str(EXAMPLES * EFFORT)),
    ]
    python_path = os.pathsep.join([str(CONFIG.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(  # noqa: S603 -- schemathesis of this environment
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        timeout=120 * EFFORT,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    # It was no dry run: what was asked for was also had. The fixture audits the books.
    assert shop.order_count(buyer) >= 30
    assert shop.value("SELECT count(DISTINCT plan_id) FROM orders") >= 5
