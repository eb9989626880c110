"""The process of the duties: started by the supervisor as its workers are, and ended with it."""

import asyncio
from importlib.metadata import version

import uvloop

from novaproxy.duties.loop import keep_duties
from novaproxy.duties.table import duties
from novaproxy.metrics.figures import Metrics
from novaproxy.serving.handover import DutyOrders
from novaproxy.serving.lifeline import ended_with_supervisor, read_orders, shared_figures
from novaproxy.serving.logs import configure_logs, log_crashes


async def _keep(orders: DutyOrders) -> None:
    metrics = Metrics(version("novaproxy"), shared_figures(orders))
    end = asyncio.Event()
    with ended_with_supervisor(orders, end.set):
        await keep_duties(duties(metrics), orders.database, metrics, end)


def main() -> None:
    """Keep the duties until told to end."""
    orders = read_orders(DutyOrders)
    if orders is None:
        return
    configure_logs(orders.log_format)
    log_crashes()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_keep(orders))


if __name__ == "__main__":
    main()
