"""The consoles of a document: what a text says is typed and printed, typed for real, and compared.

A fenced block ``console`` holds commands behind ``$ ``, each with what it prints. In what is printed

- ``…`` stands for anything in its line, and alone in a line for any lines;
- a uuid stands for one of the reader's own, the same everywhere in the document, in commands too;
- a time stands for any time of the same form.

``$ novaproxy serve`` goes on beside the rest of the document, as in a terminal of its own; a block that begins with
``^C`` ends it.
"""
# ruff: noqa: S603 -- the commands are those of our own documents

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from novaproxy.serving.listening import listening_socket
from served import until

BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "8000"
SERVE = "novaproxy serve"
CTRL_C = "^C"
_START_SECONDS = 30
_END = "novaproxy-tests-end-of-command"

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIMES = (
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
)
_LOOSE = re.compile(
    "|".join([rf"(?P<uuid>{_UUID})", *(f"(?P<time{place}>{form})" for place, form in enumerate(_TIMES))])
)
_ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a document, and what the document says it prints."""

    command: str
    prints: list[str]

    @property
    def is_refused(self) -> bool:
        """Whether the text shows the command's complaint."""
        return any(line.startswith("novaproxy: ") for line in self.prints)


def steps(document: str) -> list[Step]:
    """Return the commands of *document* in their order."""
    found: list[Step] = []
    for language, block in BLOCK.findall(document):
        if language != "console":
            continue
        for line in block.splitlines():
            if line.startswith("$ ") or line == CTRL_C:
                found.append(Step(line.removeprefix("$ "), []))
            else:
                found[-1].prints.append(line)
    return found


def file_shown(document: str, language: str) -> str:
    """Return the only block of *document* in *language*."""
    (text,) = [block for found, block in BLOCK.findall(document) if found == language]
    return str(text)


@dataclass(slots=True)
class Console:
    """A shell in *directory*, and the service that it was told to serve; *port* stands for the document's 8000."""

    shell: "subprocess.Popen[str]"
    directory: Path
    port: str
    uuids: dict[str, str] = field(default_factory=dict)
    served: "subprocess.Popen[bytes] | None" = None
    _served_count: int = 0

    def follow(self, step: Step) -> None:
        """Type the command of *step* and assert that it prints what the document says."""
        if step.command == CTRL_C:
            self._assert_prints(step, self._ended())
        elif step.command == SERVE:
            self._serve(step)
        else:
            status, printed = self.type(step.command)
            self._assert_prints(step, printed)
            assert (status != 0) == step.is_refused, f"$ {step.command}\nended with {status}:\n{printed}"

    def type(self, command: str) -> tuple[int, str]:
        """Type *command* and return its exit status and what it printed, to both of its streams."""
        command = self._own(command)
        # The input that goes on is the shell's; a command must not read it.
        line = f'{{ {command}\n}} </dev/null\nprintf "\\n%s %s\\n" {_END} $?\n'
        assert self.shell.stdin is not None
        self.shell.stdin.write(line)
        self.shell.stdin.flush()
        printed: list[str] = []
        for told in _lines(self.shell.stdout):
            if told.startswith(_END):
                return int(told.split()[1]), "".join(printed).removesuffix("\n")
            printed.append(told)
        raise AssertionError(f"$ {command}\nended the shell:\n{''.join(printed)}")

    def _own(self, text: str) -> str:
        """Return *text* with what is the reader's own in place of the document's uuids and port."""
        for shown, own in self.uuids.items():
            text = text.replace(shown, own)
        return text.replace(f":{PORT}", f":{self.port}")

    def _serve(self, step: Step) -> None:
        """Start the service and wait until it says all that the document shows."""
        self._served_count += 1
        output = self.directory / f"served-{self._served_count}.txt"
        # Where the shell is, and with what it exported.
        here = self.type("pwd")[1].strip()
        exported = dict(line.split("=", 1) for line in self.type("env")[1].splitlines() if "=" in line)
        with output.open("wb") as out:
            self.served = subprocess.Popen(
                SERVE.split(),
                cwd=here,
                env=exported,
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        served = self.served
        until(lambda: "Ctrl-C ends it" in output.read_text() or served.poll() is not None, _START_SECONDS)
        self._assert_prints(step, output.read_text())

    def _ended(self) -> str:
        """End the service as Ctrl-C does, and return what it then printed."""
        output = self.directory / f"served-{self._served_count}.txt"
        before = output.stat().st_size
        assert self.served is not None
        os.killpg(self.served.pid, signal.SIGINT)
        assert self.served.wait(_START_SECONDS) == 0
        return output.read_bytes()[before:].decode()

    def _assert_prints(self, step: Step, printed: str) -> None:
        shown = "\n".join(step.prints)
        found = re.fullmatch(self._pattern(step.prints), printed.rstrip("\n"))
        assert found, f"$ {step.command}\nThe document shows:\n{shown}\nIt printed:\n{printed}"
        for name, own in found.groupdict().items():
            self.uuids[name.removeprefix("uuid_").replace("_", "-")] = own

    def _pattern(self, lines: list[str]) -> str:
        """Return the expression for *lines*; uuids that are new in it are groups of it."""
        new: set[str] = set()
        patterns = [r"[\s\S]*" if line == _ANYTHING else self._line_pattern(line, new) for line in lines]
        return r"\n".join(patterns)

    def _line_pattern(self, line: str, new: set[str]) -> str:
        pattern, end = "", 0
        for loose in _LOOSE.finditer(line):
            pattern += self._fixed(line[end : loose.start()])
            uuid = loose["uuid"]
            if uuid is None:
                pattern += next(form for place, form in enumerate(_TIMES) if loose[f"time{place}"])
            elif uuid in self.uuids:
                pattern += self.uuids[uuid]
            elif uuid in new:
                pattern += f"(?P={_group(uuid)})"
            else:
                new.add(uuid)
                pattern += f"(?P<{_group(uuid)}>{_UUID})"
            end = loose.end()
        return pattern + self._fixed(line[end:])

    def _fixed(self, text: str) -> str:
        return ".*".join(re.escape(part) for part in self._own(text).split(_ANYTHING))


def _group(uuid: str) -> str:
    return f"uuid_{uuid.replace('-', '_')}"


def _lines(stream: IO[str] | None) -> Iterator[str]:
    assert stream is not None
    yield from iter(stream.readline, "")


def free_port() -> str:
    """Return a port on which nobody listens now."""
    with listening_socket("127.0.0.1", 0) as listener:
        return str(listener.getsockname()[1])


@contextmanager
def console(directory: Path, settings: Mapping[str, str], port: str) -> Iterator[Console]:
    """Give a shell in *directory*; at the end of the block nothing that it started is left."""
    shell = subprocess.Popen(
        ["/bin/sh"],
        cwd=directory,
        env=settings,
        process_group=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    opened = Console(shell, directory, port)
    try:
        yield opened
    finally:
        shell.communicate()
        if opened.served is not None and opened.served.poll() is None:
            opened.served.terminate()
            opened.served.wait(_START_SECONDS)
