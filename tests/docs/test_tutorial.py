"""The tutorial tells the truth: its commands, typed in its order in an empty directory, print what it shows."""

from pathlib import Path

from commands import SCRIPT, environment
from consoles import SERVE, console, file_shown, free_port, steps

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    document = TUTORIAL.read_text()
    port = free_port()
    settings = environment(NOVAPROXY_PORT=port)
    settings["PATH"] = f"{SCRIPT.parent}:{settings['PATH']}"

    with console(tmp_path, settings, port) as typed:
        for step in steps(document):
            typed.follow(step)
            if step.command.startswith("cd "):
                # What the text asks the reader to write.
                Path(typed.type("pwd")[1].strip(), "catalog.yaml").write_text(file_shown(document, "yaml"))


def test_the_tutorial_shows_what_a_reader_of_the_first_day_needs() -> None:
    commands = [step.command for step in steps(TUTORIAL.read_text())]
    for needed in (
        "novaproxy catalog apply catalog.yaml --dry-run",
        SERVE,
        "novaproxy account credit",
        "novaproxy token create",
        "curl -s $SHOP/orders",
        "novaproxy order deliver",
        "novaproxy order fail",
        "novaproxy account ledger",
        "novaproxy token revoke",
        "novaproxy audit",
    ):
        assert any(needed in command for command in commands), needed
