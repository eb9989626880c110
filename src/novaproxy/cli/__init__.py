"""The command ``novaproxy``: thin, it reads arguments and calls services."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from novaproxy.cli import accounts, audit, catalog, serve, tokens
from novaproxy.cli.output import ReaderGone, complain, flush, open_streams, say
from novaproxy.cli.usage import teach, told
from novaproxy.errors import OperatorError
from novaproxy.serving.signals import ended_by_signals

HELP = """NovaProxy, the open proxy store.

'novaproxy serve --demo' opens a demo shop and prints an order to try.

Settings come from the environment: NOVAPROXY_DATA_DIR (all that the built-in database writes; ./novaproxy-data),
NOVAPROXY_DATABASE_URL (a PostgreSQL of your own instead), NOVAPROXY_HOST, NOVAPROXY_PORT, NOVAPROXY_SEALING_KEY."""

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended, as shells have it."""

app = typer.Typer(
    name="novaproxy",
    help=HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        say(f"novaproxy {version('novaproxy')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Teach where no command is named."""
    teach(context)


app.command("serve")(serve.serve)
app.add_typer(catalog.app, name="catalog")
app.add_typer(accounts.app, name="account")
app.add_typer(tokens.app, name="token")
app.command("audit")(audit.audit)


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
    command = typer.main.get_command(app)
    try:
        with ended_by_signals():
            status = command.main(
                args=list(arguments) if arguments is not None else None,
                prog_name="novaproxy",
                standalone_mode=False,
            )
    except typer.TyperException as error:
        complain(told(error))
        return error.exit_code
    except (OperatorError, ReaderGone):
        raise
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
