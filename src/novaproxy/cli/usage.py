"""How the commands are asked: what they teach where nothing is asked, and what they say of a wrong question."""

import re
from typing import Any

import typer
from typer.core import TyperCommand

_NEGATIVE = re.compile(r"-[0-9.].*", re.DOTALL)


def group(teaches: str) -> typer.Typer:
    """Return a group of commands that prints its help, to standard output, where no command is named."""
    commands = typer.Typer(help=teaches, rich_markup_mode=None)
    commands.callback(invoke_without_command=True)(teach)
    return commands


def teach(context: typer.Context) -> None:
    """Print the help where no command is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


class AmountCommand(TyperCommand):
    """A command that takes an amount: ``-5`` is a wrong amount, not an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 -- typer's own context
        """Read the arguments."""
        ctx.ignore_unknown_options = any(_NEGATIVE.fullmatch(word) for word in args)
        return super().parse_args(ctx, args)


def told(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments and where to read more, in one line."""
    context = getattr(error, "ctx", None)
    hint = f" See '{context.command_path} --help'." if context is not None else ""
    sentence = " ".join(error.format_message().split())
    return f"{sentence.rstrip('.')}.{hint}" if not sentence.endswith("?") else f"{sentence}{hint}"
