"""PostgreSQL's client programs, and how they reach the database without a password on a command line."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from novaproxy.database.binaries import find_binaries
from novaproxy.database.cluster import fault_in
from novaproxy.database.pool import Target
from novaproxy.errors import OperatorError

_VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+)")
_PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_PARAMETERS = {
    *("host", "port", "dbname", "user", "passfile", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl"),
    *("sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "krbsrvname"),
}
"""What an address may say that the programs understand; a password among it goes another way."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Client programs of one *directory*, and PostgreSQL's major version of them."""

    directory: Path
    major: int

    def path(self, name: str) -> Path:
        """Return where the program *name* is."""
        return self.directory / name


def find_programs(given: Path | None, *needed: str) -> Programs:
    """Return the programs *needed*: of *given* (NOVAPROXY_PG_BIN), else where the server's are looked for.

    Raises:
        OperatorError: they are nowhere, or do not run.
    """
    directory = find_binaries(given, needed)
    try:
        ended = run(directory / needed[0], ["--version"], bare_environment())
    except OSError as error:
        raise OperatorError(f"The program {directory / needed[0]} does not run: {error.strerror}.") from error
    said = _VERSION.search(ended.stdout.decode(errors="replace"))
    if ended.returncode != 0 or said is None:
        fault = fault_in(ended.stderr) or "it says no version"
        raise OperatorError(f"The program {directory / needed[0]} does not run: {fault}")
    return Programs(directory, int(said[1]))


def run(
    program: Path, words: Sequence[str | Path], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[bytes]":
    """Run *program* to its end, which is soon."""
    return subprocess.run(  # noqa: S603 -- PostgreSQL's own program, the arguments a list
        [program, *words], check=False, capture_output=True, stdin=subprocess.DEVNULL, env=environment
    )


def bare_environment() -> dict[str, str]:
    """Return what the programs need of this process's environment: no secret of ours; their messages are English."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath} | kept | {"LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Line:
    """How a program reaches the database: *words* that everybody may see, and an *environment* that nobody does."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)


def line_to(target: Target) -> Line:
    """Return how the programs reach *target*."""
    environment = bare_environment() | {"PGAPPNAME": "novaproxy", "PGCONNECT_TIMEOUT": "10"}
    url = target.get("dsn")
    if url is None:
        names = {
            "PGHOST": "host",
            "PGPORT": "port",
            "PGUSER": "user",
            "PGPASSWORD": "password",
            "PGDATABASE": "database",
        }
        return Line((), environment | {name: str(target[part]) for name, part in names.items()})
    # What the driver reads of the environment (a password file, for instance) the programs read too.
    environment = {name: word for name, word in os.environ.items() if name.startswith("PG")} | environment
    address, password = without_password(str(url))
    secret = {} if password is None else {"PGPASSWORD": password}
    return Line((f"--dbname={address}",), environment | secret)


def without_password(url: str) -> tuple[str, str | None]:
    """Return the address *url* as the programs understand it, without its password, and the password."""
    parts = urlsplit(url)
    said, at, place = parts.netloc.rpartition("@")
    user, has_password, written = said.partition(":")
    password = unquote(written) if has_password else None
    kept = []
    for name, word in parse_qsl(parts.query, keep_blank_values=True):
        if name == "password":
            password = word
        elif (known := "dbname" if name == "database" else name) in _PARAMETERS:
            kept.append((known, word))
    query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
    return f"postgresql://{user}{at}{place}{parts.path}{query}", password
