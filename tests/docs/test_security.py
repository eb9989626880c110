"""Each claim of SECURITY.md names a test that is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def rows(text: str) -> list[str]:
    """Return the rows of the tables of claims."""
    claims = text.partition("\n## What holds ")[2]
    return [line for line in claims.splitlines() if line.startswith("| ") and not line.startswith("| What holds")]


def test_every_claim_names_tests_that_are_there() -> None:
    claims = rows((ROOT / "SECURITY.md").read_text())
    assert len(claims) > 20
    for claim in claims:
        named = NAMED.findall(claim)
        assert named, f"without a test: {claim}"
        for file, test in named:
            assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"
