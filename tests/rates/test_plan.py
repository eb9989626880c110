"""What is said before every benchmark runs."""

import pytest
from benchmarks.plan import MAKEFILE, Step, missing_packages, steps


def test_a_step_takes_what_its_line_of_help_says() -> None:
    makefile = "bench: x ## Rates (8 minutes, 2.5 GB).\n\t@run\nbench-one: x ## One (about 1 minute).\n"

    assert steps(makefile, ["bench-one", "bench"]) == [
        Step("bench-one", "One (about 1 minute).", 1, 0),
        Step("bench", "Rates (8 minutes, 2.5 GB).", 8, 2.5),
    ]


def test_a_target_that_does_not_say_how_long_it_takes_ends_the_plan() -> None:
    with pytest.raises(SystemExit, match="does not say how long bench-other takes"):
        steps("bench-other: x ## Something.\n", ["bench-other"])


def test_every_benchmark_of_the_makefile_says_how_long_it_takes() -> None:
    makefile = MAKEFILE.read_text()
    listed = [word for line in makefile.splitlines() if line.startswith("BENCHES ") for word in line.split()[2:]]

    assert {"bench", "bench-hot"} <= {step.target for step in steps(makefile, listed)}


def test_a_program_that_is_not_here_is_missing() -> None:
    assert missing_packages(["sh", "no-such-program"]) == ["no-such-program"]
