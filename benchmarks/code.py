"""Which state of the code was measured.

    .venv/bin/python -m benchmarks.code

It prints the digest that stands beside the figures of docs/benchmarks.md.
"""

import hashlib
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "novaproxy"


def code_digest(source: Path = SOURCE) -> str:
    """Return what tells one state of the Python and SQL files under *source* from another."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:8]


if __name__ == "__main__":
    print(code_digest())
