"""A CONNECT proxy on asyncio's streams, as most that are written in Python are.

Run as ``python -m benchmarks.peers.streams PORT``.
"""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter

PIECE_BYTES = 256 * 1024


async def _pass_on(source: StreamReader, sink: StreamWriter) -> None:
    try:
        while piece := await source.read(PIECE_BYTES):
            sink.write(piece)
            await sink.drain()
        sink.write_eof()
    except OSError:
        sink.close()


async def _serve(client: StreamReader, answer: StreamWriter) -> None:
    try:
        head = await client.readuntil(b"\r\n\r\n")
        host, _, port = head.split(b" ", 2)[1].decode().rpartition(":")
        target, to_target = await asyncio.open_connection(host, int(port), limit=PIECE_BYTES)
    except (OSError, asyncio.IncompleteReadError):
        answer.close()
        return
    answer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(_pass_on(client, to_target), _pass_on(target, answer))
    to_target.close()
    answer.close()


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port, limit=PIECE_BYTES, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
