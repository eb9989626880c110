"""What the documents name exists: commands, settings, figures, and the sentences of the troubleshooting table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import typer

from consoles import BLOCK
from novaproxy import cli
from shop import Shop

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
OPERATING = ROOT / "docs" / "operating.md"

_COMMAND = re.compile(r"(?:^|[`$(|] ?|then )(?:novaproxy|shop) ([a-z][a-z -]*[a-z])", re.MULTILINE)
_SETTING = re.compile(r"NOVAPROXY_[A-Z_]*[A-Z]")
_FIGURE = re.compile(r"novaproxy_[a-z_]+")
_ROW = re.compile(r"^\|([^|]*)\|", re.MULTILINE)
_QUOTED = re.compile(r"`([^`]* [^`]*)`")

OTHER_SETTINGS = {"NOVAPROXY_TRACEBACK", "NOVAPROXY_URL", "NOVAPROXY_TOKEN"}
"""Those that are no settings of the service: of the command's own faults, of the examples."""


def named(pattern: re.Pattern[str], documents: list[Path]) -> list[tuple[str, str]]:
    return sorted({(name, document.name) for document in documents for name in pattern.findall(document.read_text())})


def is_command(words: list[str]) -> bool:
    """Return whether *words* begin with a command that is there, whatever its arguments."""
    command = typer.main.get_command(cli.commands())
    for word in words:
        if not isinstance(command, typer.core.TyperGroup):
            return True
        inner = command.commands.get(word)
        if inner is None:
            return False
        command = inner
    return True


def test_every_command_that_is_named_exists() -> None:
    found = named(_COMMAND, DOCUMENTS)
    assert len(found) > 20
    assert [name for name in found if not is_command(name[0].split())] == []
    assert not is_command(["order", "cancel"])


def test_every_setting_that_is_named_exists() -> None:
    source = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    source += "".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    known = set(_SETTING.findall(source)) | OTHER_SETTINGS
    assert [name for name in named(_SETTING, DOCUMENTS) if name[0] not in known] == []


def test_every_figure_that_is_named_is_exposed(shop: Shop) -> None:
    buyer = shop.buyer()
    shop.order(buyer, plan="residential", bandwidth=2)
    exposed = set(_FIGURE.findall(shop.http.get("/metrics").text))
    blocks = "".join(block for _, block in BLOCK.findall(OPERATING.read_text()))
    assert [name for name in _FIGURE.findall(OPERATING.read_text()) if name not in exposed] == []
    assert _FIGURE.search(blocks)


def sentences() -> Iterator[str]:
    """Give each text of the source, ``?`` for what is filled in."""
    for file in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(file.read_text())
        filled = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        parts = {id(part) for node in filled for part in node.values}
        for node in filled:
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
        for constant in ast.walk(tree):
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str) and id(constant) not in parts:
                yield constant.value


def test_every_sentence_of_the_troubleshooting_table_is_one_that_is_said() -> None:
    table = OPERATING.read_text().partition("## When something is wrong")[2]
    told = [sentence for row in _ROW.findall(table) for sentence in _QUOTED.findall(row)]
    assert len(told) > 10
    said = list(sentences())
    patterns = {sentence: re.compile(".*".join(map(re.escape, sentence.split("…")))) for sentence in told}
    assert [sentence for sentence in told if not any(map(patterns[sentence].fullmatch, said))] == []
