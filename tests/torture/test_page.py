"""The page of the reliability figures says what the records say, and that something is missing where it is."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from torture import records
from torture.page import PAGE, page
from torture.running import Outcome
from torture.scenario import Figures, Round, Scenario

AT = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def nothing(_round: Round) -> Figures:
    return {}


HELD = Outcome(Scenario("kills", "Each order is there.", 1, nothing), 61.0, {"kills": 12, "orders placed": 5310})


def test_without_records_the_page_says_not_measured_yet(tmp_path: Path) -> None:
    assert page(tmp_path).count("Not measured yet.") == 4


def test_the_last_three_runs_are_kept_and_told(tmp_path: Path) -> None:
    for seed in (1, 2, 3, 4):
        records.write(records.record(seed, 10, AT, [HELD]), tmp_path)

    said = page(tmp_path)
    assert "`make torture MINUTES=10 SEED=2`" in said
    assert "SEED=1`" not in said
    assert "| 2026-11-24 15:00 UTC |" in said
    assert "| kills | orders placed | 5,310 | 5,310 | 5,310 |" in said
    assert "| kills | Each order is there. |" in said
    assert said.count("| clean |") == 3


def test_a_run_that_failed_is_told_as_failed(tmp_path: Path) -> None:
    records.write(records.record(1, 10, AT, [replace(HELD, error="AssertionError: two")]), tmp_path)

    assert "| **failed**: kills |" in page(tmp_path)


def test_guards_mutants_and_the_audit_are_told_with_their_commands(tmp_path: Path) -> None:
    written = {
        "guards": {"guards": 80, "caught": 79, "command": "make guards", "seconds": 300},
        "mutants": {
            "mutants": 200,
            "killed": 190,
            "survived": 10,
            "by_module": {"novaproxy.money": {"mutants": 200, "killed": 190}},
            "survivors": [],
            "command": "make mutants",
            "seconds": 600,
        },
        "audit": {"orders": 1_000_000, "seconds": 8.5, "command": "make bench"},
    }
    for name, record in written.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record))

    said = page(tmp_path)
    assert "`make guards`: of **80** guards **79**" in said
    assert "`make mutants`: of **200** mutants **190** were killed (95.0 %), 10 survived" in said
    assert "| `novaproxy.money` | 200 | 190 |" in said
    assert "`make bench`: orders 1,000,000, seconds 8.5." in said
    assert said.count("Not measured yet.") == 1


def test_the_page_is_as_its_command_writes_it() -> None:
    assert PAGE.read_text() == page(records.RECORDS), "run make reliability"
