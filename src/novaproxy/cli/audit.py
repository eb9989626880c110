"""``novaproxy audit``: do the books hold?"""

from dataclasses import asdict
from typing import Annotated

import typer

from novaproxy.cli.database import run
from novaproxy.cli.output import print_json, say, visible
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.ledger.audit import Finding
from novaproxy.ledger.audit import audit as audited


def audit(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check every invariant of the books, one line each; exit non-zero if any is broken."""

    async def read(connection: SoleConnection) -> list[Finding]:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await audited(connection)

    findings = run(read)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(visible(_line(finding)))
    broken = [finding for finding in findings if finding.breaches]
    if broken:
        raise OperatorError(*(f"{finding.invariant} is broken: {finding.breaches}." for finding in broken))


def _line(finding: Finding) -> str:
    told = f"{finding.invariant}  {finding.breaches:>6}  {finding.says}"
    return f"{told}: {'; '.join(finding.examples)}" if finding.examples else told
