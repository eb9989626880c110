"""A copy of the project from which a guard can be taken out and put back, and pytest runs on it."""
# ruff: noqa: S603 -- the programs are this interpreter and the installed command, the arguments our own

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from guards.guard import Alteration, Guard, Stale

PROJECT = Path(__file__).parents[2]
_COPIED = ("src", "tests", "pyproject.toml")
_CONFTEST = Path("tests/conftest.py")
_MIGRATED = "    asyncio.run(migrated(target))\n"
_TIMEOUT_SECONDS = 240.0
_END_SECONDS = 60.0
_REFUSALS = ("AssertionError", "assert ", "Failed: ")
"""How the message of a test begins that saw a promise broken; whatever else it ends with is a crash."""

_LONGEST_MESSAGE = 90


@dataclass(frozen=True, slots=True)
class Case:
    """One test that ran.

    Attributes:
        name: the function's, with its parameters.
        state: passed, failed, error or skipped.
        message: the first line of why.
        guard: which one was out, where one run removes several in turn.
    """

    name: str
    state: str
    message: str
    guard: str = ""

    def caught(self, ends_with: str = "") -> bool:
        """Return whether it failed because it saw what must not be: by an assertion, or by *ends_with*."""
        shows = (*_REFUSALS, ends_with) if ends_with else _REFUSALS
        return self.state == "failed" and self.message.startswith(shows)


class Scratch:
    """A copy of the project in *directory*; what is run there imports the copy and nothing else of the project."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "p"
        self._temporary = directory / "t"
        self._written = 0
        self._root.mkdir(parents=True)
        for name in _COPIED:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, self._root / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
            else:
                shutil.copy2(source, self._root / name)

    def assert_own(self) -> None:
        """Assert that the command, a worker and tests run this copy: each says a word that stands only here.

        Raises:
            AssertionError: one of them runs something else.
        """
        word = secrets.token_hex(8)
        command = [str(Path(sys.executable).with_name("novaproxy"))]
        with self._changed(Path("src/novaproxy/__main__.py"), f"def main() -> None:\n    print('{word}')\n"):
            assert self._said(command) == word, "the installed command does not run the scratch copy"
        with self._changed(Path("src/novaproxy/serving/worker.py"), f"print('{word}')\n"):
            said = self._said([sys.executable, "-P", "-m", "novaproxy.serving.worker"])
            assert said == word, "a worker does not run the scratch copy"
        with self._changed(Path("src/novaproxy/money.py"), f"WORD = '{word}'\n"):
            canary = f"from novaproxy import money\n\n\ndef test_it() -> None:\n    assert money.WORD == '{word}'\n"
            with self._changed(Path("tests/docs/test_links.py"), canary), self._changed(_CONFTEST, ""):
                (case,) = self.run(["tests/docs/test_links.py::test_it"])
        assert case.state == "passed", "tests do not run the scratch copy"

    def _said(self, command: Sequence[str]) -> str:
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment(1), timeout=60)
        return ran.stdout.strip()

    @contextmanager
    def without(self, guard: Guard) -> Iterator[None]:
        """Take *guard* out for the length of the block.

        Raises:
            Stale: it is not there.
        """
        removal = guard.removal
        file = _CONFTEST if isinstance(removal, Alteration) else removal.file
        text = (self._root / file).read_text(encoding="utf-8")
        with self._changed(file, _altered(text, removal) if isinstance(removal, Alteration) else removal.edited(text)):
            yield

    @contextmanager
    def _changed(self, file: Path, text: str) -> Iterator[None]:
        path = self._root / file
        kept, status = path.read_bytes(), path.stat()
        self._written += 1
        path.write_text(text, encoding="utf-8")
        # Compiled files are told apart by size and whole second alone: each text has a second of its own.
        os.utime(path, (status.st_atime, int(status.st_mtime) + 2 * self._written))
        try:
            yield
        finally:
            path.write_bytes(kept)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _environment(self, effort: int) -> Mapping[str, str]:
        kept = {name: word for name, word in os.environ.items() if not name.startswith(("NOVAPROXY_", "PYTEST_"))}
        ours = {"NOVAPROXY_TEST_SEED": "1", "NOVAPROXY_TEST_EFFORT": str(effort)}
        return {**kept, **ours, "PYTHONPATH": str(self._root / "src")}

    def run(self, tests: Sequence[str], effort: int = 1, workers: int = 0, patience: int = 1) -> list[Case]:
        """Return what became of *tests*, for which *patience* times the usual time is waited."""
        report = self._root / "report.xml"
        report.unlink(missing_ok=True)
        words = ["-q", "-p", "no:cacheprovider", f"--basetemp={self._temporary}", f"--junitxml={report}"]
        words += ["-o", "addopts=--import-mode=importlib", "-n", str(workers), "--dist", "loadfile"]
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *words, *tests],
            cwd=self._root,
            env=self._environment(effort),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(_TIMEOUT_SECONDS * max(1, (patience + len(tests)) // 20))
        except subprocess.TimeoutExpired:
            # Interrupted, it ends what it started.
            process.send_signal(signal.SIGINT)
            process.wait(_END_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return self._cases(report)

    def run_each(self, guards: Sequence[Guard]) -> Mapping[str, list[Case]]:
        """Return what became of the tests of each of *guards*, alterations of the database, in one run of pytest.

        Each is removed alone, in a database of its own; its tests get that database as ``module_database``.
        """
        tests = list(dict.fromkeys(test.partition("[")[0] for guard in guards for test in guard.caught_by))
        text = (self._root / _CONFTEST).read_text(encoding="utf-8")
        with self._changed(_CONFTEST, text + _one_database_each(guards)):
            cases = self.run(tests, patience=len(guards))
        return {guard.name: [case for case in cases if case.guard == guard.name] for guard in guards}

    def _cases(self, report: Path) -> list[Case]:
        if not report.exists():
            return []
        found = ET.parse(report).getroot().iter("testcase")  # noqa: S314 -- pytest's own
        return [self._case(case) for case in found]

    def _case(self, case: ET.Element) -> Case:
        states = {"failure": "failed", "error": "error", "skipped": "skipped"}
        told = {found.get("name"): found.get("value", "") for found in case.iter("property")}
        name, guard = told.get("test", case.get("name", "")), told.get("guard", "")
        for child in case:
            if child.tag in states:
                return Case(name, states[child.tag], self._shortened(child.get("message", "")), guard)
        return Case(name, "passed", "", guard)

    def _shortened(self, message: str) -> str:
        """Return the first line of *message*, without what differs from run to run."""
        lines = [line.strip() for line in message.splitlines() if line.strip()]
        text = lines[0] if lines else ""
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|(?<=\W)/tmp/\S+|127\.0\.0\.1:\d+", "…", text)
        text = re.sub(r"Answer\(.*", "an answer", text)
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _altered(conftest: str, removal: Alteration) -> str:
    """Return the tests' conftest, whose template is altered once it is migrated.

    Raises:
        Stale: it makes its template in another way.
    """
    if conftest.count(_MIGRATED) != 1:
        raise Stale(f"{_CONFTEST} no longer makes its template as it did")
    altered = f"    from roles import executed\n\n    asyncio.run(executed(target, {removal.statement!r}))\n"
    return conftest.replace(_MIGRATED, f"{_MIGRATED}{altered}")


_ONE_DATABASE_EACH = """

_REMOVALS = {removals!r}
_CAUGHT_BY = {caught_by!r}


@pytest.fixture(scope="module", params=list(_REMOVALS))
def module_database(template, request):
    databases = _fresh_database(template)
    target = next(databases)
    from roles import executed

    asyncio.run(executed(target, _REMOVALS[request.param]))
    yield target
    next(databases, None)


def pytest_collection_modifyitems(items):
    kept = []
    for item in items:
        guard = item.callspec.params["module_database"]
        for test in (item.name.replace(f"[{{guard}}-", "[", 1), "]".join(item.name.rsplit(f"-{{guard}}]", 1))):
            if test in _CAUGHT_BY[guard] and test != item.name:
                item.user_properties += [("guard", guard), ("test", test)]
                kept.append(item)
                break
    items[:] = kept
"""


def _one_database_each(guards: Sequence[Guard]) -> str:
    """Return what makes the tests' conftest give each guard's tests a database without that guard."""
    removals = {guard.name: guard.removal.statement for guard in guards if isinstance(guard.removal, Alteration)}
    caught_by = {guard.name: [test.partition("::")[2] for test in guard.caught_by] for guard in guards}
    return _ONE_DATABASE_EACH.format(removals=removals, caught_by=caught_by)
