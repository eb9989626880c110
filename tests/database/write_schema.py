"""The schema as all migrations make it, as ``pg_dump`` writes it; run as a script, it rewrites the committed file."""

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from novaproxy.database.binaries import find_binaries
from novaproxy.database.embedded import EmbeddedPostgres
from novaproxy.database.migrate import migrate
from novaproxy.database.pool import Target, opened_connection

SCHEMA = Path(__file__).parents[2] / "src" / "novaproxy" / "database" / "schema.sql"

_HEADER = """\
-- The schema that all migrations together make. Written by tests/database/write_schema.py; not run by anything.

"""
_LEFT_OUT = re.compile(r"--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*")


async def migrated(target: Target) -> None:
    """Apply all migrations."""
    connection = await opened_connection(target)
    try:
        await migrate(connection)
    finally:
        await connection.close()


def dumped(target: Target) -> str:
    """Return the schema of a database without what changes with PostgreSQL's version or from dump to dump."""
    program = find_binaries(None) / "pg_dump"
    words = ["--schema-only", "--no-owner", "--no-privileges", f"--host={target['host']}", f"--port={target['port']}"]
    ran = subprocess.run(  # noqa: S603 -- PostgreSQL's own program
        [program, *words, f"--username={target['user']}", target["database"]],
        check=True,
        capture_output=True,
        text=True,
        env={"PGPASSWORD": target["password"], "LC_ALL": "C"},
    )
    # Comments inside of functions are indented; those of pg_dump itself are not.
    kept = (line for line in ran.stdout.splitlines() if not _LEFT_OUT.fullmatch(line))
    return _HEADER + re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def main() -> None:
    """Rewrite the committed file from a database of its own."""
    with (
        tempfile.TemporaryDirectory() as place,
        EmbeddedPostgres(Path(place, "data"), settings={"fsync": "off"}) as server,
    ):
        target: Target = {**server.address.arguments()}
        asyncio.run(migrated(target))
        SCHEMA.write_text(dumped(target), encoding="utf-8")
    sys.stdout.write(f"Wrote {SCHEMA}.\n")


if __name__ == "__main__":
    main()
