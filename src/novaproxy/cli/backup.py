"""``novaproxy backup``: the whole shop in one file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from novaproxy.backup.dump import Written, dump
from novaproxy.backup.facts import Facts
from novaproxy.backup.file import BackupFile
from novaproxy.backup.programs import find_programs
from novaproxy.cli.database import run_with_target, settings
from novaproxy.cli.output import flush, say
from novaproxy.cli.tables import text_of
from novaproxy.cli.terminal import Progress, hint
from novaproxy.cli.usage import examples
from novaproxy.errors import OperatorError
from novaproxy.settings import Settings

EXAMPLES = examples(
    "novaproxy backup /backup/shop-monday.novaproxy",
    "novaproxy backup --force /backup/shop.novaproxy",
    "novaproxy backup - > shop.novaproxy",
)

STANDARD_OUTPUT = "-"
_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_STEP = 1_000


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file; - writes to standard output.")],
    is_forced: Annotated[bool, typer.Option("--force", help="Replace FILE, once the new backup is whole.")] = False,
) -> None:
    """Write the whole shop to one compressed file.

    It is the shop of one moment; it may be open meanwhile. FILE can be read by its owner alone, and is there when it is
    whole. The sealing key is not in it. 'novaproxy restore' makes a shop of it again.
    """
    given = settings()
    programs = find_programs(given.postgres_binaries, "pg_dump")
    progress = Progress("Writing the backup ...")

    def written_to(descriptor: int) -> tuple[Facts, int]:
        written = Written(descriptor, lambda done: progress.tell(f"Writing the backup, {size_text(done)} so far ..."))
        facts = run_with_target(lambda connection, target: dump(connection, target, programs, written), progress)
        return facts, written.digest.count_bytes

    if file == STANDARD_OUTPUT:
        _check_output()
        facts, _ = written_to(sys.stdout.fileno())
        hint(f"Backed up {counted(facts)} as of {text_of(facts.at)}. {_key_told(given)}")
        return
    with BackupFile(Path(file), replaces=is_forced) as new:
        facts, size_bytes = written_to(new.descriptor)
    say(f"Backed up {counted(facts)} as of {text_of(facts.at)} into {file} ({size_text(size_bytes)}).")
    say(_key_told(given))


def _check_output() -> None:
    if sys.stdout.isatty():
        raise OperatorError("A backup is nothing for a terminal: send it to a file or a program.")
    flush()


def counted(facts: Facts) -> str:
    """Return what a shop holds, in words."""
    orders = "1 order" if facts.orders == 1 else f"{facts.orders} orders"
    accounts = "1 account" if facts.accounts == 1 else f"{facts.accounts} accounts"
    return f"{orders} and {accounts}"


def _key_told(given: Settings) -> str:
    place = "what NOVAPROXY_SEALING_KEY holds" if given.sealing_key is not None else str(given.key_file)
    return (
        f"The sealing key is not in it. Keep {place} too, and apart from it: without the key the proxy passwords "
        "in the backup open nothing, with it they do."
    )


def size_text(size_bytes: int) -> str:
    """Return a size as people read it."""
    size, place = float(size_bytes), 0
    while size >= _STEP and place < len(_UNITS) - 1:
        size, place = size / _STEP, place + 1
    return f"{size_bytes} bytes" if not place else f"{size:.1f} {_UNITS[place]}"
