"""Fuzz the gateway's readers, guided by which branches the bytes reach: ``make fuzz SECONDS=60``.

It needs atheris, which is in no lock of this project: it brings a compiler's runtime along and serves this alone. What
it finds becomes a line in a table of tests/gateway.
"""

import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def main(seconds: int) -> int:
    """Fuzz for *seconds*, and return 2 where atheris is missing; a law that does not hold ends the process with 77."""
    if find_spec("atheris") is None:
        sys.stderr.write("Coverage-guided fuzzing needs atheris: .venv/bin/pip install atheris\n")
        return 2
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["novaproxy.gateway", "h11", "idna"]):
        laws = import_module("any_handshake")
    corpus = Path(tempfile.mkdtemp(prefix="novaproxy-fuzz-"))
    for number, said in enumerate((*laws.SOUND, *laws.HEADERS)):
        (corpus / f"sound{number}").write_bytes(said)
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", "-max_len=1024", f"-artifact_prefix={corpus}/", str(corpus)],
        laws.check_readers,
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
