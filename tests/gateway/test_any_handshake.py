import asyncio
from collections import Counter
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_handshake import SOUND, check_opening, check_readers, drawn_opening
from coverage_fuzz import main
from services import EFFORT, seeded

_OPENINGS = 120


def test_whatever_a_stranger_sends_is_served_refused_or_left_and_nothing_stays_open() -> None:
    random = seeded("any handshake")
    seen: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        for _ in range(_OPENINGS * EFFORT):
            opening = drawn_opening(random)
            try:
                seen[type(runner.run(check_opening(opening))).__name__] += 1
            except BaseException as error:
                error.add_note(repr(opening))
                raise
    # A draw that only ever meets one end would prove nothing.
    assert {"Asked", "NoneType", "RequestNotValid", "CredentialsNotValid"} <= set(seen), seen


@given(st.binary(max_size=300) | st.sampled_from(SOUND).flatmap(lambda said: st.binary(max_size=8).map(said.__add__)))
def test_any_bytes_are_read_refused_or_waited_for(arrived: bytes) -> None:
    check_readers(arrived)


@pytest.mark.skipif(find_spec("atheris") is not None, reason="atheris is there")
def test_the_coverage_guided_fuzzing_says_what_it_misses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(1) == 2
    assert "needs atheris" in capsys.readouterr().err
