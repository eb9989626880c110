"""``novaproxy catalog``: what is sold, kept in a YAML file."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from novaproxy.catalog.changes import changes
from novaproxy.catalog.export import exported
from novaproxy.catalog.file import parsed
from novaproxy.catalog.listing import EMPTY
from novaproxy.catalog.newest import KNOWN_SECONDS
from novaproxy.catalog.store import read_listing
from novaproxy.catalog.update import CheckedFile, apply_checked, apply_file, checked_file
from novaproxy.catalog.yaml_nodes import FILE_LIMIT_BYTES
from novaproxy.cli.accounts import ACTOR
from novaproxy.cli.change import Answer, change
from novaproxy.cli.database import has_database, run, settings
from novaproxy.cli.output import say, visible, write
from novaproxy.cli.terminal import Paint, Progress, painted
from novaproxy.cli.usage import TaughtCommand, examples, group
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError

app = group(
    "What is sold, kept in a YAML file.",
    "novaproxy catalog apply catalog.yaml --dry-run",
    "novaproxy catalog export > catalog.yaml",
)

_PAINT = {"+": Paint.GREEN, "-": Paint.RED, "~": Paint.YELLOW}


@app.command(
    "apply",
    cls=TaughtCommand,
    epilog=examples("novaproxy catalog apply catalog.yaml --dry-run", "novaproxy catalog apply catalog.yaml"),
)
def apply(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The catalog, YAML; - is standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Make FILE the catalog and say what changed, line by line.

    A plan that FILE leaves out is switched off, a discount code withdrawn; existing orders never change. Of a FILE with
    a fault nothing is applied: each fault is told with its place and line.
    """
    text = _read(file)
    progress = Progress(f"Applying {visible(file)} ...")
    if dry_run:
        _try(text, progress)
        return

    if not has_database(settings()):
        # Of a file with a fault nothing is applied, and no database is made for it.
        parsed(text)

    async def applied(connection: SoleConnection, checked: CheckedFile) -> Answer:
        done = await apply_checked(connection, checked, ACTOR)
        end = f"Applied as revision {done.revision}." if done.changes else "Nothing changed."
        return Answer([*_shown(done.changes), end], end)

    change(
        lambda connection: checked_file(connection, text),
        applied,
        look="apply the file again, what was applied does not change twice",
        progress=progress,
        makes_database=True,
    )
    # Now every process shows it: whoever is told that it is applied reads no older price.
    time.sleep(KNOWN_SECONDS)


def _try(text: bytes, progress: Progress) -> None:
    """Say what *text* would change."""
    if has_database(settings()):
        would = run(lambda connection: apply_file(connection, text, ACTOR, dry_run=True), progress).changes
    else:
        # It would be made for nothing.
        would = changes(EMPTY.catalog, parsed(text))
    for line in _shown(would):
        say(line)
    say("Nothing was applied: this was a dry run." if would else "Nothing changes.")


def _shown(changed: Sequence[str]) -> list[str]:
    return [painted(visible(line), _PAINT.get(line[0])) for line in changed]


@app.command("export", cls=TaughtCommand, epilog=examples("novaproxy catalog export > catalog.yaml"))
def export() -> None:
    """Write the catalog to standard output, as it can be applied again."""

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
    if len(text) > FILE_LIMIT_BYTES:
        raise OperatorError(f"{file}: a catalog has at most {FILE_LIMIT_BYTES} bytes.")
    return text


def _standard_input() -> bytes:
    return sys.stdin.buffer.read(FILE_LIMIT_BYTES + 1) if sys.stdin is not None else b""


def _file(file: str) -> bytes:
    if not file:
        raise OperatorError("The name of the catalog's file must not be empty.")
    with Path(file).open("rb") as stream:
        return stream.read(FILE_LIMIT_BYTES + 1)
