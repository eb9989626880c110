"""Schemathesis, asking a shop for everything that its own description allows, and for what it does not."""

import os
import re
import subprocess
import sys
from pathlib import Path

from contract import catalog_with
from listings import PLANS, lister
from shop import Buyer, Shop

CONFIG = Path(__file__).parent / "api" / "schemathesis.toml"
_CASES = re.compile(r"([0-9,]+) generated")


NOT_CHECKED = "use_after_free"
"""What is deleted is an address on a list; the list itself is there for as long as its order."""


def ask_as_described(shop: Shop, seed: int, examples: int, directory: Path, seconds: float) -> tuple[Buyer, int]:
    """Run schemathesis, *examples* of each kind for each operation; return whose orders it placed, and its cases."""
    # The code of the described examples.
    shop.apply_catalog(catalog_with(plans=PLANS, codes="  - {code: WELCOME10, percent: 10}\n"))
    buyer = shop.buyer(balance_cents=1_000_000_00)
    listed = lister(shop, "listed", buyer)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)),
        *("run", f"{shop.address}/openapi.json", "--header", f"Authorization: Bearer {buyer.token}"),
        *("--checks", "all", "--exclude-checks", NOT_CHECKED, "--seed", str(seed), "--max-examples", str(examples)),
    ]
    python_path = os.pathsep.join([str(CONFIG.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(  # noqa: S603 -- schemathesis of this environment
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": python_path, "NOVAPROXY_TEST_ORDER": listed.uuid},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = _CASES.search(run.stdout)
    assert told, run.stdout
    return buyer, int(told[1].replace(",", ""))
