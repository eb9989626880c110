"""``novaproxy audit``: do the books hold?"""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from novaproxy.cli.database import run_beside
from novaproxy.cli.lists import AsJson
from novaproxy.cli.output import print_json, say, visible
from novaproxy.cli.terminal import Paint, Progress, painted, width
from novaproxy.cli.usage import examples
from novaproxy.database.pool import SoleConnection
from novaproxy.errors import OperatorError
from novaproxy.ledger.audit import Finding
from novaproxy.ledger.audit import audit as audited

EXAMPLES = examples("novaproxy audit", "novaproxy audit --json")


def audit(as_json: AsJson = False) -> None:
    """Check that the books hold, invariant by invariant.

    It fails if any is broken. Each line has the invariant, the number of rows that break it, and what must always be
    true; docs/data-model.md explains them. The shop may be open meanwhile: all is seen as of one moment, and nothing
    waits for the audit.
    """
    progress = Progress("Checking the books ...")

    async def read(connection: SoleConnection, beside: SoleConnection) -> list[Finding]:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await audited(connection, progress.tell, beside=beside)

    findings = run_beside(read, progress)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    broken = [finding for finding in findings if finding.breaches]
    if broken:
        raise OperatorError(*(f"{finding.invariant} is broken: {finding.breaches}." for finding in broken))


def _print(findings: Sequence[Finding]) -> None:
    wide = max(len(str(finding.breaches)) for finding in findings)
    for finding in findings:
        for line in _lines(finding, wide):
            say(line)
    breaches = sum(finding.breaches for finding in findings)
    broken = [finding.invariant for finding in findings if finding.breaches]
    if broken:
        counted = f"{breaches} breach{'' if breaches == 1 else 'es'} of {', '.join(broken)}"
        say(painted(f"The books do not hold: {len(findings)} invariants, {counted}.", Paint.RED))
    else:
        say(painted(f"The books hold: {len(findings)} invariants, 0 breaches.", Paint.GREEN))


def _lines(finding: Finding, wide: int) -> list[str]:
    """Return a finding in one line; on a terminal what does not fit goes on below itself."""
    paint = Paint.RED if finding.breaches else Paint.GREEN
    head = f"{finding.invariant:<3}  {finding.breaches:>{wide}}  "
    says = f"{finding.says}: {'; '.join(finding.examples)}" if finding.examples else finding.says
    columns_wide = width()
    if columns_wide is None:
        return [head + visible(says)]
    room = max(columns_wide - len(head), 20)
    first, *more = textwrap.wrap(visible(says), room, break_long_words=False, break_on_hyphens=False)
    return [painted(head, paint) + first, *(" " * len(head) + line for line in more)]
