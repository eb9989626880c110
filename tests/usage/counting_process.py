"""A gateway process that passes bytes of orders until it is killed; it prints what passed, order by order."""

import asyncio
import json
import sys
from pathlib import Path

from novaproxy.usage.meter import OrderMeter
from novaproxy.usage.teller import opened_meters


async def pump(meter: OrderMeter) -> None:
    """Pass bytes without end."""
    while True:
        taken = meter.take(7_001)
        if taken:
            meter.passed_up(taken // 3)
            meter.passed_down(taken - taken // 3)
            await asyncio.sleep(0)
        else:
            more = asyncio.Event()
            meter.when_more(more.set)
            await more.wait()


async def main(target: str, directory: str, *orders: str) -> None:
    """Open the meters, say so, and pass bytes."""
    async with opened_meters(json.loads(target), Path(directory), "test") as meters:
        held = [await meters.opened(int(order_id)) for order_id in orders]
        for meter in held:
            meter.tunnel_opened()
        pumps = [asyncio.create_task(pump(meter)) for meter in held]
        print("counting", flush=True)  # noqa: T201 -- the test reads it
        await asyncio.gather(*pumps)


asyncio.run(main(*sys.argv[1:]))
