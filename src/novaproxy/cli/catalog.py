"""``novaproxy catalog``: what is sold, kept in a YAML file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from novaproxy.catalog.export import exported
from novaproxy.catalog.store import Applied, read_listing
from novaproxy.catalog.update import apply_file
from novaproxy.cli.accounts import ACTOR
from novaproxy.cli.database import run
from novaproxy.cli.output import say, visible, write
from novaproxy.cli.usage import group
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError

app = group("What is sold, kept in a YAML file.")

_LARGEST_FILE_BYTES = 16 * 2**20


@app.command("apply")
def apply(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The catalog, YAML; - is standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Make FILE the catalog and say what changed, line by line; nothing is applied of a file with a fault."""
    text = _read(file)

    async def applied(connection: SoleConnection) -> Applied:
        return await apply_file(connection, text, ACTOR, dry_run=dry_run)

    result = run(applied)
    for line in result.changes:
        say(visible(line))
    if not result.changes:
        say("Nothing changes." if dry_run else "Nothing changed.")
    elif dry_run:
        say("Nothing was applied: this was a dry run.")
    else:
        say(f"Applied as revision {result.revision}.")


@app.command("export")
def export() -> None:
    """Write the catalog as YAML to standard output; it can be applied again."""

    async def read(connection: SoleConnection) -> str:
        return exported((await read_listing(connection)).catalog)

    write(run(read))


def _read(file: str) -> bytes:
    """Return what *file* holds, or standard input.

    Raises:
        OperatorError: it cannot be read, or is too long for a catalog.
    """
    try:
        text = _standard_input() if file == "-" else _file(file)
    except OSError as error:
        raise OperatorError(f"{file or 'FILE'}: {error.strerror}.") from error
    if len(text) > _LARGEST_FILE_BYTES:
        raise OperatorError(f"{file}: a catalog has at most {_LARGEST_FILE_BYTES} bytes.")
    return text


def _standard_input() -> bytes:
    return sys.stdin.buffer.read(_LARGEST_FILE_BYTES + 1) if sys.stdin is not None else b""


def _file(file: str) -> bytes:
    if not file:
        raise OperatorError("The name of the catalog's file must not be empty.")
    with Path(file).open("rb") as stream:
        return stream.read(_LARGEST_FILE_BYTES + 1)
