"""The runner of the torture: what it draws again, what it says of a failure, how it ends."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from torture.__main__ import main, told
from torture.running import OVERTIME_SECONDS, TookTooLongError, chosen, discovered, drawn, run, shared_seconds
from torture.scenario import Figures, Round, Scenario

ROOT = Path(__file__).parents[2]


def drawing(round_: Round) -> Figures:
    return {"numbers drawn": round_.random.randrange(10**9), "files there": len(list(round_.directory.iterdir()))}


def failing(round_: Round) -> Figures:
    sys.stdout.write("said by a helper\n")
    assert round_.random.random() > 2, "two orders for one key"
    return {}


def hanging(_round: Round) -> Figures:
    time.sleep(60)
    return {}


DRAWS = Scenario("draws", "Numbers are drawn.", 3, drawing)
FAILS = Scenario("fails", "Nothing holds.", 1, failing)


def told_by(capsys: pytest.CaptureFixture[str], *words: str, scenarios: tuple[Scenario, ...]) -> tuple[int, str]:
    status = main(list(words), scenarios)
    said = capsys.readouterr()
    return status, said.out + said.err


def test_what_held_is_told_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told_by(capsys, "--seed", "7", "--minutes", "0.1", scenarios=(DRAWS,))

    assert status == 0
    assert "seed 7" in said
    assert "numbers drawn · 0 files there" in said
    assert "All 1 held" in said


def test_a_failure_gives_the_command_that_repeats_it_and_the_others_run(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told_by(capsys, "--seed", "7", "--minutes", "4", scenarios=(FAILS, DRAWS))

    assert status == 1
    assert "Again: make torture SEED=7 ONLY=fails MINUTES=1.00\n" in said
    assert "AssertionError: two orders for one key" in said
    assert "said by a helper" in said
    assert "numbers drawn" in said
    assert "1 of 2 did not hold" in said


def test_the_seed_repeats_the_draw_whatever_runs_beside_it() -> None:
    first, again = run(DRAWS, 7, 1).figures, run(DRAWS, 7, 9).figures

    assert first == again
    assert run(DRAWS, 8, 1).figures != first
    assert drawn(7, "one").random() != drawn(7, "other").random()


def test_a_seed_is_drawn_and_told_where_none_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    _, first = told_by(capsys, "--minutes", "0.1", scenarios=(DRAWS,))
    _, other = told_by(capsys, "--minutes", "0.1", scenarios=(DRAWS,))

    assert first.splitlines()[0] != other.splitlines()[0]


def test_an_unknown_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told_by(capsys, "--only", "draw", scenarios=(DRAWS, FAILS))

    assert (status, said) == (2, "There is no scenario 'draw'. There are: draws, fails.\n")


def test_a_record_is_of_all_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told_by(capsys, "--only", "draws", "--write", scenarios=(DRAWS, FAILS))

    assert (status, said) == (2, "A record is of all scenarios: leave either WRITE or ONLY away.\n")


def test_a_scenario_that_does_not_end_is_ended_and_fails() -> None:
    outcome = run(Scenario("hangs", "It ends.", 1, hanging), 7, 0.1, overtime_seconds=0.1)

    assert outcome.error is not None
    assert TookTooLongError.__name__ in outcome.error
    assert outcome.seconds < 10


def test_the_minutes_are_shared_by_the_shares() -> None:
    assert shared_seconds([DRAWS, FAILS], 2) == [90, 30]
    assert OVERTIME_SECONDS > 30


def test_each_scenario_has_a_name_of_its_own_and_a_sentence() -> None:
    scenarios = discovered()

    assert len({scenario.name for scenario in scenarios}) == len(scenarios)
    assert chosen(scenarios, []) == scenarios
    for scenario in scenarios:
        assert scenario.says.endswith("."), scenario
        assert scenario.name.replace("-", "").isalnum(), scenario
        assert scenario.share > 0


def test_figures_are_told_in_one_line() -> None:
    assert told({"kills": 12, "orders placed": 5310}) == "12 kills · 5,310 orders placed"


def test_make_torture_names_what_there_is() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "torture", "--only", "nothing"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 2
    assert ran.stderr.startswith("There is no scenario 'nothing'.")
    assert isinstance(drawn(1, "one"), Random)
