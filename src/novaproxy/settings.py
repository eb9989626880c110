"""Settings: read once from the environment, passed on as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from novaproxy.errors import OperatorError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEFAULT_DATA_DIR = "novaproxy-data"
_LARGEST_PORT = 65_535
_SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    Attributes:
        data_dir: ``NOVAPROXY_DATA_DIR``; everything that the embedded default writes, the key file among it.
        database_url: ``NOVAPROXY_DATABASE_URL``; None is the embedded PostgreSQL.
        host: ``NOVAPROXY_HOST``, the address that ``serve`` listens on.
        port: ``NOVAPROXY_PORT``; 0 takes a free one.
        sealing_key: ``NOVAPROXY_SEALING_KEY``, 32 bytes in base64; None is the file ``sealing.key`` in *data_dir*.
        postgres_binaries: ``NOVAPROXY_PG_BIN``, where initdb and postgres are; None is the wheel, then PATH.
    """

    data_dir: Path
    database_url: str | None = field(repr=False)
    host: str
    port: int
    sealing_key: str | None = field(repr=False)
    postgres_binaries: Path | None

    @property
    def key_file(self) -> Path:
        """Where the key of the sealed passwords is kept where the environment gives none."""
        return self.data_dir / "sealing.key"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of *environment*; an empty variable counts as unset.

    Raises:
        OperatorError: one line for each setting that cannot be used.
    """
    given = {name: value for name, value in environment.items() if value}
    faults: list[str] = []
    port = _port(given.get("NOVAPROXY_PORT", str(DEFAULT_PORT)), faults)
    database_url = given.get("NOVAPROXY_DATABASE_URL")
    if database_url is not None and not _is_address(database_url):
        faults.append(
            "NOVAPROXY_DATABASE_URL must be an address such as postgresql://user:password@host:5432/database."
        )
    if faults:
        raise OperatorError(*faults)
    binaries = given.get("NOVAPROXY_PG_BIN")
    return Settings(
        data_dir=Path(given.get("NOVAPROXY_DATA_DIR", DEFAULT_DATA_DIR)).absolute(),
        database_url=database_url,
        host=given.get("NOVAPROXY_HOST", DEFAULT_HOST),
        port=port,
        sealing_key=given.get("NOVAPROXY_SEALING_KEY"),
        postgres_binaries=Path(binaries) if binaries else None,
    )


def _is_address(written: str) -> bool:
    try:
        return urlsplit(written).scheme in _SCHEMES
    except ValueError:
        return False


def _port(written: str, faults: list[str]) -> int:
    # int() refuses texts of thousands of digits in words of its own.
    if written.isascii() and written.isdigit() and len(written) <= len(str(_LARGEST_PORT)):
        port = int(written)
        if port <= _LARGEST_PORT:
            return port
    faults.append(f"NOVAPROXY_PORT must be a number from 0 to {_LARGEST_PORT}.")
    return DEFAULT_PORT
