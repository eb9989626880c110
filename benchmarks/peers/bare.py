"""The gateway's own entrance and engine without admission, exits and meter: the difference is what those cost.

Run as ``python -m benchmarks.peers.bare PORT``.
"""

import asyncio
import socket
import sys

from benchmarks.relay import IDLE_SECONDS, Unlimited
from novaproxy.gateway.entrance.handshake import Handshake
from novaproxy.gateway.entrance.incoming import ClientLeft
from novaproxy.gateway.listening import Listeners
from novaproxy.gateway.model import Entrance
from novaproxy.gateway.relay.engine import Relay

ENTRANCES = frozenset({Entrance.HTTP})


class _Bare:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._relay = Relay(self._loop, IDLE_SECONDS)
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, client: socket.socket, port: int, entrances: frozenset[Entrance]) -> None:
        del port
        task = self._loop.create_task(self._serve(client, entrances))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket, entrances: frozenset[Entrance]) -> None:
        handshake = Handshake(client, self._loop, entrances)
        try:
            await handshake.login()
            asked = await handshake.asked()
            line = socket.socket()
            line.setblocking(False)  # noqa: FBT003 -- the library names it not
            await self._loop.sock_connect(line, (asked.target.host, asked.target.port))
            await handshake.accept()
        except (ClientLeft, OSError):
            client.close()
            return
        self._relay.open(client, line, asked, Unlimited(), lambda _: None)


async def _main(port: int) -> None:
    Listeners("127.0.0.1", _Bare().take, lambda _port, _is_open: None, is_shared=False).serve({port: ENTRANCES})
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
