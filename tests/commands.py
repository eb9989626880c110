"""The command ``novaproxy`` as an operator runs it: the installed script, its streams and its exit status."""
# ruff: noqa: S603 -- the program is ours, the arguments the tests' own

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from novaproxy.database.pool import Target

SCRIPT = Path(sys.executable).with_name("novaproxy")


def database_url(target: Target) -> str:
    """Return *target* as NOVAPROXY_DATABASE_URL has it."""
    where = urlencode({"host": target["host"], "port": target["port"]})
    return f"postgresql://{target['user']}:{quote(target['password'], safe='')}@/{target['database']}?{where}"


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with no setting of NovaProxy's but *settings*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOVAPROXY_")}
    # Many services run beside each other, and the ports of the demo catalog are there once.
    return kept | {"LC_ALL": "C.UTF-8", "TERM": "dumb", "NOVAPROXY_GATEWAY": "off"} | settings


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    errors: str

    @property
    def json(self) -> Any:  # noqa: ANN401 -- any JSON
        """What standard output holds, which must be JSON alone."""
        return json.loads(self.out)

    @property
    def fault(self) -> str:
        """The one line with which the command was refused."""
        (line,) = self.faults
        return line

    @property
    def faults(self) -> list[str]:
        """The lines with which the command was refused: not 0, no traceback, nothing on standard output."""
        assert self.status != 0
        assert self.out == ""
        assert "Traceback" not in self.errors
        assert self.errors.endswith("\n")
        lines = self.errors.splitlines()
        assert all(line.startswith("novaproxy: ") and line.isprintable() for line in lines), lines
        return [line.removeprefix("novaproxy: ") for line in lines]

    @property
    def said(self) -> str:
        """What a command that worked printed; it complained of nothing."""
        assert (self.status, self.errors) == (0, "")
        return self.out


@dataclass(frozen=True, slots=True)
class Operator:
    """Runs commands in *directory* with *settings* in the environment."""

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str | bytes, stdin: bytes = b"", script: Sequence[str | Path] = (SCRIPT,)) -> Ran:
        """Run one command to its end."""
        ran = subprocess.run(
            [*script, *words],
            check=False,
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env=environment(**self.settings),
            timeout=60,
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def all(self, *commands: Sequence[str | bytes]) -> list[Ran]:
        """Run several commands, two at a time, for their answers alone; returns them in order."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda words: self(*words), commands))

    def start(self, *words: str, **streams: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401 -- as Popen takes them
        """Start one command in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [SCRIPT, *words],
            cwd=self.directory,
            env=environment(**self.settings),
            process_group=0,
            stdin=subprocess.DEVNULL,
            **streams,
        )
