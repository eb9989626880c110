"""Each mutant lives in a process of its own, forked from one that has read the libraries but nothing of ours."""

import ast
import importlib
import importlib.abc
import importlib.util
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from mutants.changes import Mutant

LONGEST_CPU_SECONDS = 90
"""A mutant that runs for longer has lost its way, and that is noticed."""

_PROFILE = "mutants"
_LIBRARIES = ("asyncpg", "cryptography", "hypothesis.strategies", "httpx", "msgspec", "starlette.routing", "yaml")
_OPTIONS = (
    # The rules ask for nothing that conftest.py makes.
    "--noconftest",
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--hypothesis-profile={_PROFILE}"),
    # It was imported before the fork, so that not every mutant imports it.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


@dataclass(frozen=True, slots=True)
class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the changed module in the place of the real one."""

    name: str
    path: Path
    tree: ast.Module

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where the module comes from: from here."""
        del path, target
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the importer."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed tree."""
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)  # noqa: S102 -- our own module, changed by us


def survived(mutants: Sequence[Mutant], tests: dict[str, list[str]], processes: int) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant and whether all of its module's *tests* passed, as they end; *processes* run at once."""
    _warm()
    waiting = list(reversed(mutants))
    running: dict[int, Mutant] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            running[_forked(mutant, tests[mutant.module])] = mutant
        pid, status = os.wait()
        yield running.pop(pid), os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK


def passes_unchanged(tests: list[str]) -> bool:
    """Return whether *tests* pass while nothing is changed."""
    _warm()
    _, status = os.waitpid(_forked(None, tests), 0)
    return os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK


def _warm() -> None:
    # The same examples each time: a figure that changes by itself is none.
    for library in _LIBRARIES:
        importlib.import_module(library)
    hypothesis.settings.register_profile(_PROFILE, derandomize=True, database=None, deadline=None, max_examples=100)


def _forked(mutant: Mutant | None, tests: list[str]) -> int:
    """Return the number of a process that runs *tests* on *mutant* and ends with pytest's code."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_CPU_SECONDS, LONGEST_CPU_SECONDS))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        if mutant is not None:
            path = Path("src", *mutant.module.split(".")).with_suffix(".py").absolute()
            sys.meta_path.insert(0, Changed(mutant.module, path, mutant.tree))
        code = int(pytest.main([*_OPTIONS, *tests]))
    finally:
        os._exit(code)
