"""The help of each command: a sentence, every argument and option explained, an example that can be typed."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from novaproxy.cli import commands as registered
from novaproxy.cli import main

ROOT: Any = typer.main.get_command(registered())


def commands(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 -- typer's own commands
    """Yield the words of every command and group, with what typer made of it."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


ALL = dict(commands())


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def page(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*path, "--help"])
    assert ended.value.code == 0
    out, errors = capsys.readouterr()
    assert errors == ""
    return out


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "novaproxy")
def test_a_page_of_help_teaches(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    shown = page(path, capsys)
    assert max(map(len, shown.splitlines())) <= 80
    usage, sentence, *_ = shown.split("\n\n")
    assert usage.startswith(" ".join(["Usage: novaproxy", *path]))
    assert not set("{}<>") & set(usage)
    assert sentence.strip().endswith(".")
    assert not re.search(r"--(install|show)-completion", shown)
    unexplained = [line for line in shown.splitlines() if re.fullmatch(r"  (-\S+( \S+)?|[A-Z]+)", line)]
    assert unexplained == []
    # What a list of commands says of each is whole.
    assert re.findall(r"^  [a-z]+  .*\.\.\.$", shown, re.MULTILINE) == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "novaproxy")
def test_the_examples_of_a_page_are_commands(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    _, heading, examples = re.split(r"^  (Examples?):$", page(path, capsys), flags=re.MULTILINE)
    typed = examples.replace("\\\n", " ").strip().splitlines()
    assert (len(typed) > 1) == (heading == "Examples")
    for line in typed:
        words = shlex.split(re.sub(r".*\(?(novaproxy [^)]*)\)?", r"\1", line), comments=True)
        words = words[1 : words.index(">") if ">" in words else words.index("<") if "<" in words else None]
        named = max((known for known in ALL if tuple(words[: len(known)]) == known), key=len)
        assert named[: len(path)] == path
        command = ALL[named]
        assert not hasattr(command, "commands"), f"{line} names no command"
        # Typer reads the words as it would, and calls nothing.
        command.make_context(" ".join(named), words[len(named) :]).close()
