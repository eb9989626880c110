"""The duty that reads what the metrics tell of the whole shop."""

import msgspec

from novaproxy.database.pool import SoleConnection, statement
from novaproxy.metrics.figures import Metrics

_SQL = "novaproxy.duties"


async def read_figures(connection: SoleConnection, metrics: Metrics) -> None:
    """Tell *metrics* what is owed, what waits for delivery, and what the newest audits found."""
    shop = await connection.fetchrow(statement(_SQL, "read_figures"))
    if shop is None:
        raise AssertionError("sums give a row")
    metrics.set_pending(shop["pending"])
    # Before the first catalog there is no currency, and no account could be credited.
    if shop["currency"] is not None:
        metrics.set_owed(shop["currency"], shop["owed_cents"])
    for newest in await connection.fetch(statement(_SQL, "find_newest_audit")):
        breaches, covered = (msgspec.json.decode(newest[name], type=dict[str, int]) for name in ("findings", "covered"))
        metrics.set_audited(newest["form"], newest["finished_at"], breaches, covered)
