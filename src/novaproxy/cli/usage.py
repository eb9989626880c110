"""How the commands are asked: what they teach where nothing is asked, and what they say of a wrong question."""

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_NEGATIVE = re.compile(r"-[0-9.].*", re.DOTALL)
_PLAINLY = {
    r" \(Possible options?: (.*)\)$": r". Did you mean \1?",
    r": Value error, ": ": ",
    r"Input should be a valid integer, .*": "it must be a whole number",
    r"Input should be greater than or equal to": "it must be at least",
    r"Input should be less than or equal to": "it must be at most",
    r"unexpected extra argument\(s\) \((.*)\)": r"more words than it takes: \1",
}
"""What typer says, and how it is said here."""

_REQUIRED = "[required]"


class TaughtCommand(TyperCommand):
    """A command whose help names its arguments as the examples do, without types and braces around them."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 -- typer's own context
        """Return the words of the usage line; what may be left out stands in brackets."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- typer's own context and formatter
        """Write the arguments, which are always needed, and the options."""
        told = [(param.param_type_name, param.get_help_record(ctx)) for param in self.get_params(ctx)]
        arguments = [_plain(record) for kind, record in told if kind == "argument" and record is not None]
        options = [record for kind, record in told if kind == "option" and record is not None]
        for heading, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


class Commands(TyperGroup):
    """All commands, in the order in which a shop is opened and run."""

    ORDER = (
        "serve",
        "gateway",
        "catalog",
        "upstream",
        "account",
        "token",
        "order",
        "audit",
        "backup",
        "restore",
        "key",
        "migrate",
        "seed",
        "settings",
        "completion",
    )

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 -- typer's own context
        """Return the names of the commands."""
        return sorted(super().list_commands(ctx), key=lambda name: (*self.ORDER, name).index(name))


def _plain(record: tuple[str, str]) -> tuple[str, str]:
    name, teaches = record
    return name.partition(" ")[0], teaches.removesuffix(_REQUIRED).rstrip()


class AmountCommand(TaughtCommand):
    """A command that takes an amount: ``-5`` is a wrong amount, not an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 -- typer's own context
        """Read the arguments."""
        ctx.ignore_unknown_options = any(_NEGATIVE.fullmatch(word) for word in args)
        return super().parse_args(ctx, args)


def examples(*lines: str) -> str:
    """Return the end of a help page: *lines* as they are typed."""
    # \b keeps the lines as they stand.
    return "\n".join(("\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)))


def group(teaches: str, *lines: str) -> typer.Typer:
    """Return a group of commands that prints its help, to standard output, where no command is named.

    *lines* are examples.
    """
    commands = typer.Typer(help=teaches, epilog=examples(*lines) if lines else None, rich_markup_mode=None)
    commands.callback(invoke_without_command=True)(teach)
    return commands


def teach(context: typer.Context) -> None:
    """Print the help where no command is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def told(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments and where to read more, in one line."""
    context = getattr(error, "ctx", None)
    hint = f" See '{context.command_path} --help'." if context is not None else ""
    sentence = " ".join(error.format_message().split())
    for typers, ours in _PLAINLY.items():
        sentence = re.sub(typers, ours, sentence)
    return f"{sentence.rstrip('.')}.{hint}" if not sentence.endswith("?") else f"{sentence}{hint}"
