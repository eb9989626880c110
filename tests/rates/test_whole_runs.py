"""Whole runs of a benchmark side by side: the last three, and which code each one measured."""

from pathlib import Path

import pytest
from benchmarks.code import code_digest
from benchmarks.rate.whole_runs import note, told


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    source.mkdir()
    (source / "rules.py").write_text("PRICE = 1\n")
    return source


def test_the_last_three_runs_and_their_medians_are_told(tmp_path: Path, source: Path) -> None:
    runs = tmp_path / "runs.json"
    for ratio in (9.0, 1.5, 1.0):
        note("bench", {"ratio": ratio}, runs, source)
    note("other", {"ratio": 7.0}, runs, source)

    assert "| ratio | 1.50 | 1.00 | 2.00 | **1.50** |" in told("bench", {"ratio": 2.0}, runs, source)
    assert "| ratio | 7.00 | 7.00 | **7.00** |" in told("other", {"ratio": 7.0}, runs, source)


def test_a_run_says_which_code_it_measured(tmp_path: Path, source: Path) -> None:
    runs = tmp_path / "runs.json"
    note("bench", {"ratio": 9.0}, runs, source)
    before = code_digest(source)
    (source / "rules.py").write_text("PRICE = 2\n")

    assert code_digest(source) != before
    assert f"|  | run 1, code {before} | run 2, code {code_digest(source)} | median |" in told(
        "bench", {"ratio": 2.0}, runs, source
    )
