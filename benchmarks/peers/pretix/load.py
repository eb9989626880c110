"""Orders for pretix in a closed loop; an order takes it so long that the load generator's own time does not matter."""

import asyncio
import time

import httpx

from benchmarks.peers.pretix.shop import RunningPretix
from benchmarks.wire import Run

PATIENCE_SECONDS = 120.0


def placed_tickets(pretix: RunningPretix, connections: int, seconds: float) -> Run:
    """Place orders for *seconds* on *connections* connections, and return what was seen: codes for uuids."""
    return asyncio.run(_placed(pretix, connections, seconds))


async def _placed(pretix: RunningPretix, connections: int, seconds: float) -> Run:
    run, began = Run(seconds), time.perf_counter()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{pretix.peer.port}",
        headers={"Authorization": f"Token {pretix.stock.token}"},
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=connections),
    ) as client:
        await asyncio.gather(*(_client(client, pretix, run, began + seconds) for _ in range(connections)))
    run.seconds = time.perf_counter() - began
    return run


async def _client(client: httpx.AsyncClient, pretix: RunningPretix, run: Run, end: float) -> None:
    order = {
        "email": "bench@example.com",
        "locale": "en",
        "payment_provider": "banktransfer",
        "positions": [{"item": pretix.stock.item, "price": "10.00"}],
    }
    while (sent_at := time.perf_counter()) < end:
        answer = await client.post(pretix.stock.path, json=order)
        run.times.append(time.perf_counter() - sent_at)
        if answer.status_code == 201:
            run.uuids.append(answer.json()["code"].encode())
        elif not run.uuids:
            raise SystemExit(f"pretix refuses orders: {answer.status_code} {answer.text}")
        else:
            run.refusals[answer.status_code] = run.refusals.get(answer.status_code, 0) + 1
