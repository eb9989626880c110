"""``novaproxy restore``: a shop from its backup."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from novaproxy.backup.archive import Archive, opened_archive
from novaproxy.backup.facts import Facts, read_facts
from novaproxy.backup.load import load
from novaproxy.backup.programs import find_programs
from novaproxy.backup.staging import check_unused, staged_database
from novaproxy.cli.backup import counted, size_text
from novaproxy.cli.database import run_as_owner, run_on, settings
from novaproxy.cli.output import complain, say
from novaproxy.cli.tables import text_of
from novaproxy.cli.terminal import Progress
from novaproxy.cli.usage import examples
from novaproxy.credentials.keys import sealing_keys
from novaproxy.credentials.seal import fingerprint, shown
from novaproxy.database.pool import SoleConnection, Target
from novaproxy.database.preparing import Roles
from novaproxy.errors import OperatorError
from novaproxy.ledger.audit import Finding, audit
from novaproxy.orders.resealing import KeyUse, count_key_uses
from novaproxy.serving.database import embedded_roles, own_roles
from novaproxy.settings import Settings

EXAMPLES = examples(
    "NOVAPROXY_DATA_DIR=/var/lib/restored novaproxy restore shop.novaproxy",
    "NOVAPROXY_DATABASE_URL=postgresql://... novaproxy restore shop.novaproxy",
)


@dataclass(frozen=True, slots=True)
class _Restored:
    """What was found in the restored shop."""

    facts: Facts
    findings: list[Finding]
    keys: list[KeyUse]


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup that 'novaproxy backup' made.")],
) -> None:
    """Make a shop of a backup, in an empty place.

    A data directory or a database that holds anything is refused, and a restore that fails leaves nothing behind. The
    books are audited. The sealing key is not in a backup: put it there, before or after.
    """
    given = settings()
    programs = find_programs(given.postgres_binaries, "pg_restore", "psql")
    archive = opened_archive(file, programs)
    progress = Progress("Making the database ...")
    if given.database_url is not None:
        with progress:
            restored = _restored(own_roles(given), archive, progress)
        place = "the database of NOVAPROXY_DATABASE_URL"
    else:
        check_unused(given.data_dir)
        with progress, staged_database(given.data_dir, given.postgres_binaries) as server:
            restored = _restored(embedded_roles(server), archive, progress)
        place = str(given.data_dir)
    say(f"Restored {counted(restored.facts)} from {file} into {place}.")
    if restored.facts.until is not None:
        say(f"The newest order or entry of the ledger in it is of {text_of(restored.facts.until)}.")
    _tell_keys(given, restored.keys)
    _tell_books(restored.findings)


def _restored(roles: Roles, archive: Archive, progress: Progress) -> _Restored:
    async def loaded(connection: SoleConnection, target: Target) -> None:
        await load(connection, target, archive, lambda done: progress.tell(f"Restoring, {size_text(done)} so far ..."))

    async def analyzed(connection: SoleConnection, _target: Target) -> None:
        # An empty table must not be analyzed: plans for it would scan the tables as they grow.
        if (await read_facts(connection)).orders:
            progress.tell("Gathering statistics ...")
            await connection.execute("ANALYZE")

    async def looked_at(connection: SoleConnection) -> _Restored:
        facts = await read_facts(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            findings = await audit(connection, progress.tell)
        return _Restored(facts, findings, await count_key_uses(connection))

    asyncio.run(run_as_owner(roles, loaded))
    asyncio.run(run_as_owner(roles, analyzed))
    return asyncio.run(run_on(roles, looked_at))


def _tell_keys(given: Settings, uses: list[KeyUse]) -> None:
    """Say which sealing key belongs to the shop, and whether it is there."""
    in_use = [use for use in uses if use.orders] or uses
    if not in_use:
        return
    names = " and ".join(shown(use.fingerprint) for use in in_use)
    if given.sealing_key is None and not given.key_file.exists():
        say(f"Put the sealing key {names} of the shop into {given.key_file}, or set NOVAPROXY_SEALING_KEY to it.")
        return
    try:
        keys = sealing_keys(given.sealing_key, given.key_file, is_first=False)
    except OperatorError as error:
        complain(*error.lines)
        return
    place = "NOVAPROXY_SEALING_KEY" if given.sealing_key is not None else str(given.key_file)
    missing = [shown(use.fingerprint) for use in in_use if use.fingerprint not in map(fingerprint, keys)]
    if missing:
        complain(f"The passwords in it were sealed with the key {' and '.join(missing)}, which {place} does not hold.")
    else:
        say(f"The sealing key in {place} is the right one.")


def _tell_books(findings: list[Finding]) -> None:
    broken = [finding for finding in findings if finding.breaches]
    if not broken:
        say(f"The books hold: {len(findings)} invariants, 0 breaches.")
        return
    raise OperatorError(*(f"{finding.invariant} is broken: {finding.breaches}." for finding in broken))
