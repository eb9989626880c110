"""How many statements an order takes: the server's log tells each, whoever sends it and however."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.shop import query
from novaproxy.database.pool import Target

SETTLE_SECONDS = 0.5
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]+): ")


def statements_an_order(target: Target, log: Path, place: Callable[[], int]) -> float:
    """Return the statements that an order takes, BEGIN and COMMIT among them, while *place* places some.

    *place* returns how many. What a stored function does inside is none; what others send meanwhile counts too.
    """
    _log_statements(target, "all")
    try:
        begin = log.stat().st_size
        orders = place()
        time.sleep(SETTLE_SECONDS)
        with log.open() as file:
            file.seek(begin)
            told = len(_STATEMENT.findall(file.read()))
    finally:
        _log_statements(target, "none")
    return told / max(1, orders)


def _log_statements(target: Target, which: str) -> None:
    query(target, f"ALTER SYSTEM SET log_statement = '{which}'")
    query(target, "SELECT pg_reload_conf()")
    time.sleep(SETTLE_SECONDS)
