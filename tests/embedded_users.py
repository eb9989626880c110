"""Users of the embedded PostgreSQL: what they ask, say and leave behind."""
# ruff: noqa: S603 -- the programs are the system's, the arguments the test's own

import asyncio
import os
import pwd
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncpg
import pytest

from novaproxy.database.embedded import Address, EmbeddedPostgres
from novaproxy.database.processes import postmaster, server_processes
from novaproxy.errors import OperatorError

FAST = {"fsync": "off"}
ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root runs the server as another account")

# A user of the database in a process of its own; it says what it saw and stays until its input ends.
USER = """
import sys
from pathlib import Path
from novaproxy.database.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}) as postgres:
    print(postgres.address.host, flush=True)
    sys.stdin.read()
"""


def ask(address: Address, statement: str) -> object:
    async def asked() -> object:
        connection = await asyncpg.connect(**address.arguments())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(asked())


def user_of(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def entered(user: subprocess.Popen[str]) -> str:
    """Wait until *user* is inside; returns the socket's directory."""
    assert user.stdout is not None
    return user.stdout.readline().strip()


def leave(user: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = user.communicate(timeout=30)
    return user.returncode, errors


def living(data_dir: Path) -> int:
    """Return the server's process id."""
    pid = postmaster(data_dir / "postgres")
    assert pid is not None
    return pid


def gone(data_dir: Path) -> bool:
    return not server_processes(data_dir / "postgres")


def sentence(data_dir: Path, **arguments: Path) -> str:
    """Return the one sentence with which entering is refused."""
    with pytest.raises(OperatorError) as refused, EmbeddedPostgres(data_dir, settings=FAST, **arguments):
        pass
    assert len(refused.value.lines) == 1
    assert "\n" not in refused.value.lines[0]
    return refused.value.lines[0]


def as_nobody(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run *script* as nobody; all is imported before, since the interpreter may lie where nobody cannot read."""
    entry = pwd.getpwnam("nobody")
    change = f"os.setgroups([]); os.setgid({entry.pw_gid}); os.setuid({entry.pw_uid})"
    imports = """
        import asyncio, os, sys, asyncpg, encodings.ascii, encodings.idna, stringprep
        import asyncpg.pgproto.pgproto, asyncpg.protocol.protocol, asyncpg.compat
        from pathlib import Path
        from novaproxy.database.embedded import EmbeddedPostgres
        from novaproxy.errors import OperatorError
    """
    code = f"{textwrap.dedent(imports)}\n{change}\n{textwrap.dedent(script)}"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=60
    )
