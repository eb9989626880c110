"""What is asked of every carrier: a web server that hardly works, and clients that hardly work either."""

import contextlib
import os
import selectors
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Thread

_FORK = get_context("fork")
_BLOCK_BYTES = 64 * 1024 * 1024
_DISCARDED_BYTES = 1024 * 1024


def serve(listener: socket.socket) -> None:
    """Answer each connection's one line, a number, with as many bytes and the end; the kernel sends them."""
    block = os.memfd_create("block")
    os.ftruncate(block, _BLOCK_BYTES)
    for offset in range(0, _BLOCK_BYTES, 4096):
        os.pwrite(block, b"x", offset)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket):
                    selector.unregister(key.fileobj)
                    _answer(key.fileobj, block)


def _answer(client: socket.socket, block: int) -> None:
    try:
        line = client.recv(64)
    except OSError:
        line = b""
    count = int(line) if line else 0
    if count > _DISCARDED_BYTES:
        Thread(target=_send, args=(client, block, count), daemon=True).start()
    else:
        _send(client, block, count)


def _send(client: socket.socket, block: int, count: int) -> None:
    with client, contextlib.suppress(OSError):
        while count:
            count -= os.sendfile(client.fileno(), block, 0, min(count, _BLOCK_BYTES))


@contextmanager
def origin() -> Iterator[int]:
    """Give the port of an origin, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=4_096) as listener:
        process = _FORK.Process(target=serve, args=(listener,), daemon=True)
        process.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            process.kill()
            process.join()


@dataclass(frozen=True, slots=True)
class Way:
    """How a client comes to the origin: the port to connect to, and what to say first, each in turn; or nothing."""

    port: int
    hellos: tuple[bytes, ...] = ()

    def opened(self, number: int = 0) -> socket.socket:
        """Return a connection on which the origin is heard."""
        line = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        if self.hellos:
            line.sendall(self.hellos[number % len(self.hellos)])
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                more = line.recv(4_096)
                if not more:
                    raise SystemExit(f"no tunnel: {answer!r}")
                answer += more
            if b" 200 " not in answer.partition(b"\r\n")[0]:
                raise SystemExit(f"no tunnel: {answer!r}")
        return line

    def fetch(self, count: int) -> None:
        """Fetch *count* bytes over a connection of their own, and throw them away unread."""
        with self.opened() as line:
            line.sendall(b"%d\n" % count)
            piece, got = bytearray(_DISCARDED_BYTES), 0
            while more := line.recv_into(piece, _DISCARDED_BYTES, socket.MSG_TRUNC):
                got += more
            if got != count:
                raise SystemExit(f"{got} bytes came of {count}")


def fetch(way: Way, times: int, count: int, at_once: int) -> None:
    """Fetch *count* bytes *times* times, *at_once* at the same time, from another process."""

    def fetched() -> None:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(way.fetch, [count] * times))

    _elsewhere(fetched)


@contextmanager
def idle(way: Way, tunnels: int) -> Iterator[None]:
    """Hold *tunnels* open on which nothing moves, in another process."""
    told, tell = os.pipe()
    ended, end = os.pipe()

    def hold() -> None:
        os.close(end)
        lines = [way.opened(number) for number in range(tunnels)]
        os.write(tell, b"1")
        os.read(ended, 1)
        for line in lines:
            line.close()

    process = _FORK.Process(target=hold)
    process.start()
    os.close(tell)
    try:
        if not os.read(told, 1):
            raise SystemExit("idle tunnels could not be opened")
        yield
    finally:
        os.close(end)
        process.join()
        for left in (told, ended):
            os.close(left)


def _elsewhere(do: Callable[[], None]) -> None:
    process = _FORK.Process(target=do)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the load failed")
