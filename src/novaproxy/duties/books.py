"""The duties that audit the books and write down what they found: often what is new, now and then the whole."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
import structlog

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.ledger.audit import Finding, audit
from novaproxy.ledger.audit_new import Mark, audit_new, read_mark, settled_mark, write_mark

AUDIT_TIMEOUT_SECONDS = 600
"""How long one query of an audit may take: its snapshot keeps the server from cleaning up behind everybody."""

KEPT_RUNS = 1_000
"""Of each form: of those of what is new the last sixteen hours and more."""

WHOLE, NEW = "whole", "new"

_SQL = "novaproxy.duties"

log = structlog.get_logger("novaproxy.duties")


async def audit_books(connection: SoleConnection) -> None:
    """Audit the whole books and keep the result, unless another service did so a short while ago.

    That is a day where they held, 15 minutes where they did not.
    """
    if await connection.fetchval(statement(_SQL, "find_recent_audit")):
        return
    mark = await settled_mark(connection)
    started_at = await connection.fetchval("SELECT clock_timestamp()")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        findings = await audit(connection)
    await _keep(connection, WHOLE, started_at, findings, {}, mark)


async def audit_new_books(connection: SoleConnection) -> None:
    """Audit what is new since the last audit, and keep the result; before the first whole one nothing.

    The mark does not pass a breach: it is found again, and told again, until it is mended.
    """
    since = await read_mark(connection)
    if since is None:
        return
    mark = await settled_mark(connection)
    started_at = await connection.fetchval("SELECT clock_timestamp()")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        findings, covered = await audit_new(connection, since)
    holds = not any(finding.breaches for finding in findings)
    await _keep(connection, NEW, started_at, findings, asdict(covered), mark if holds else None)


async def _keep(
    connection: SoleConnection,
    form: str,
    started_at: datetime,
    findings: Sequence[Finding],
    covered: dict[str, Any],
    mark: Mark | None,
) -> None:
    """Tell what was found, and write it down with the *mark* that was reached."""
    _tell(form, findings)
    async with connection.transaction():
        await connection.execute(
            statement(_SQL, "write_audit"),
            started_at,
            msgspec.json.encode({finding.invariant: finding.breaches for finding in findings}).decode(),
            sum(finding.breaches for finding in findings),
            form,
            msgspec.json.encode(covered).decode(),
        )
        await connection.execute(statement(_SQL, "forget_audits"), KEPT_RUNS, form)
        if mark is not None:
            await write_mark(connection, mark)


def _tell(form: str, findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.breaches:
            log.critical(
                "the books are broken",
                form=form,
                invariant=finding.invariant,
                says=finding.says,
                breaches=finding.breaches,
                examples="; ".join(finding.examples),
            )
