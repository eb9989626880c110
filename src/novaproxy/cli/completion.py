"""``novaproxy completion``: what makes a shell complete the commands at the Tab key."""

from enum import StrEnum
from typing import Annotated

import typer

# typer has it under this name for its own --show-completion.
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it says nothing of what it exports

from novaproxy.cli.output import say
from novaproxy.cli.usage import examples

EXAMPLES = examples(
    "source <(novaproxy completion bash)   # now; in ~/.bashrc for every shell",
    "source <(novaproxy completion zsh)    # the same; in ~/.zshrc after compinit",
    "novaproxy completion fish > ~/.config/fish/completions/novaproxy.fish",
)
PROGRAM = "novaproxy"
_VARIABLE = "_NOVAPROXY_COMPLETE"


class Shell(StrEnum):
    """A shell that can be taught."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print what makes a shell complete commands at the Tab key."""
    say(get_completion_script(prog_name=PROGRAM, complete_var=_VARIABLE, shell=shell.value))
