"""The duty that audits the books and writes down what it found."""

from collections.abc import Sequence

import msgspec
import structlog

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.ledger.audit import Finding, audit

AUDIT_TIMEOUT_SECONDS = 600
"""How long one query of an audit may take: its snapshot keeps the server from cleaning up behind everybody."""

KEPT_RUNS = 1_000
"""About ten days of audits."""

_SQL = "novaproxy.duties"

log = structlog.get_logger("novaproxy.duties")


async def audit_books(connection: SoleConnection) -> None:
    """Audit the books and keep the result, unless another service did so less than 15 minutes ago."""
    if await connection.fetchval(statement(_SQL, "find_recent_audit")):
        return
    started_at = await connection.fetchval("SELECT clock_timestamp()")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        findings = await audit(connection)
    _tell(findings)
    async with connection.transaction():
        await connection.execute(
            statement(_SQL, "write_audit"),
            started_at,
            msgspec.json.encode({finding.invariant: finding.breaches for finding in findings}).decode(),
            sum(finding.breaches for finding in findings),
        )
        await connection.execute(statement(_SQL, "forget_audits"), KEPT_RUNS)


def _tell(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.breaches:
            log.critical(
                "the books are broken",
                invariant=finding.invariant,
                says=finding.says,
                breaches=finding.breaches,
                examples="; ".join(finding.examples),
            )
