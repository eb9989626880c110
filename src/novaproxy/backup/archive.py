"""What a file holds that is said to be a backup; it is read, and no database is needed for that."""

import re
from dataclasses import dataclass
from pathlib import Path

from novaproxy.backup.programs import Programs, bare_environment, run
from novaproxy.backup.seal import check_whole
from novaproxy.database.cluster import fault_in
from novaproxy.database.migrate import migrations
from novaproxy.errors import OperatorError

_MAGIC = b"PGDMP"
_MIGRATION = re.compile(r"^(\d+)\t(\w+)\t([0-9a-f]{64})\t", re.MULTILINE)
_UNSUPPORTED = "unsupported version"


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup of a shop whose schema this version of NovaProxy knows."""

    path: Path
    programs: Programs


def opened_archive(path: Path, programs: Programs) -> Archive:
    """Return the backup in *path*.

    Raises:
        OperatorError: it is none, or was made by a newer NovaProxy or a newer pg_dump.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise _no_backup(path)
        check_whole(path)
    except OSError as error:
        raise OperatorError(f"The backup {path} cannot be read: {error.strerror}.") from error
    _check_schema(path, _migrations_in(path, programs))
    return Archive(path, programs)


def _migrations_in(path: Path, programs: Programs) -> str:
    words = ["--data-only", "--table=schema_migration", "--file=-", str(path.absolute())]
    ended = run(programs.path("pg_restore"), words, bare_environment())
    if ended.returncode == 0:
        return ended.stdout.decode(errors="replace")
    fault = fault_in(ended.stderr)
    if _UNSUPPORTED in fault:
        raise OperatorError(
            f"The backup {path} was written by a pg_dump newer than the pg_restore in {programs.directory}, which is "
            f"{programs.major}: set NOVAPROXY_PG_BIN to the directory of a newer one."
        )
    raise OperatorError(f"The backup {path} is damaged: {fault}")


def _check_schema(path: Path, rows: str) -> None:
    known = {migration.version: migration for migration in migrations()}
    applied = [(int(version), name, checksum) for version, name, checksum in _MIGRATION.findall(rows)]
    if not applied:
        raise _no_backup(path)
    for version, name, checksum in applied:
        if version not in known:
            raise OperatorError(
                f"The backup {path} was made by a newer NovaProxy (it has migration {version:04d} {name}): restore it "
                "with that version."
            )
        if known[version].checksum != checksum:
            raise OperatorError(f"The backup {path} is of another schema: its migration {version:04d} is not ours.")


def _no_backup(path: Path) -> OperatorError:
    return OperatorError(f"{path} is no backup of a NovaProxy shop.")
