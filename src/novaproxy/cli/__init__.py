"""The command ``novaproxy``: thin, it reads arguments and calls services."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from novaproxy.cli.output import ReaderGone, complain, flush, open_streams, say
from novaproxy.cli.usage import Commands, TaughtCommand, examples, teach, told
from novaproxy.errors import OperatorError
from novaproxy.serving.signals import ended_by_signals
from novaproxy.settings import declared_settings

HELP = f"""NovaProxy, the open proxy store.

The commands work beside a running service and without one. Lists take --json; every command has a --help with examples.

Settings come from the environment: {", ".join(setting.name for setting in declared_settings().values())}. 'novaproxy
settings' shows what each does and is now."""

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended, as shells have it."""

_TYPERS_OWN = ("install_completion", "show_completion")

_GROUPS = {
    "catalog": "catalog",
    "account": "accounts",
    "token": "tokens",
    "order": "orders",
    "key": "keys",
    "seed": "seed",
    "upstream": "upstreams",
}


def commands(asked: str | None = None) -> typer.Typer:
    """Return the commands: the one that is *asked* for alone where there is such a one, else all.

    A module is imported with its command only: the start of a command takes two thirds of the time (0.2 s, not 0.33).
    """
    app = typer.Typer(
        name="novaproxy",
        cls=Commands,
        help=HELP,
        epilog=examples(
            "novaproxy serve --demo                 # a demo shop, and an order to try",
            "novaproxy catalog apply catalog.yaml   # your own catalog",
            "novaproxy account create ada@example.com",
            "novaproxy account credit ada@example.com 25 --reason Welcome",
            "novaproxy token create ada@example.com",
        ),
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback(invoke_without_command=True)(root)
    for name in [asked] if asked in Commands.ORDER else Commands.ORDER:
        if name in _GROUPS:
            app.add_typer(import_module(f"novaproxy.cli.{_GROUPS[name]}").app, name=name)
        else:
            module = import_module(f"novaproxy.cli.{name}")
            app.command(name, cls=TaughtCommand, epilog=module.EXAMPLES)(getattr(module, name))
    return app


def _show_version(is_asked: bool) -> None:
    if is_asked:
        say(f"novaproxy {import_module('importlib.metadata').version('novaproxy')}")
        raise typer.Exit


def root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Teach where no command is named."""
    teach(context)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0, or not 0 with one line on standard error for each fault, never a traceback."""
    open_streams()
    try:
        status = _run(arguments)
        flush()
    except ReaderGone:
        # The reader of our output (head, less) has what it wants; nothing is wrong.
        status = 0
    except OperatorError as error:
        complain(*error.lines)
        status = 1
    # What is left in the buffers of a closed pipe must not be complained about at the interpreter's end.
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(commands(words[0] if words else None))
    # Typer's own options write into the user's start-up files, and take no name of a shell: see completion.
    command.params = [param for param in command.params if param.name not in _TYPERS_OWN]
    try:
        with ended_by_signals():
            status = command.main(args=words, prog_name="novaproxy", standalone_mode=False)
    except typer.TyperException as error:
        complain(told(error))
        return error.exit_code
    except (OperatorError, ReaderGone):
        raise
    except SystemExit as ended:
        # Typer ends like this, and only like this, where the reader of a help page is gone.
        raise ReaderGone from ended
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:
        if os.environ.get("NOVAPROXY_TRACEBACK"):
            raise
        raise OperatorError(
            f"An unexpected fault, please report it: {type(error).__name__}: {error} "
            "(NOVAPROXY_TRACEBACK=1 shows where).",
        ) from error
    if status == INTERRUPTED:
        complain("Interrupted.")
    return status if isinstance(status, int) else 0
