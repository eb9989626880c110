"""Programs of others that tests run: found on this machine, or a reason not to run the test."""

import os
import shutil

import pytest


def are_required() -> bool:
    """Return whether a missing program is a failure (``make test-clients``), and not a skip."""
    return os.environ.get("NOVAPROXY_CLIENTS") == "required"


def needed(*programs: str, untried: str) -> str:
    """Return where the first of *programs* is, all of which are here.

    Where one is missing, the test is skipped, or fails if it is required; *untried* says what is not tried then.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        reason = f"{' and '.join(missing)} not installed: {untried} is not tried"
        if are_required():
            pytest.fail(reason)
        pytest.skip(reason)
    found = shutil.which(programs[0])
    assert found is not None
    return found
