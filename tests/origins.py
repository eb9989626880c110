"""A web server of the tests' own, behind the proxy: it counts what it got and what it sent, byte by byte."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = bytes(range(256)) * 4096
_LONGEST_HEAD_BYTES = 65_536


@dataclass(slots=True)
class Exchange:
    """One connection as the origin saw it: the bytes that came, heads included, and those that it sent."""

    got_bytes: int = 0
    sent_bytes: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)


class Origin:
    """Serves on 127.0.0.1, a thread a connection.

    ``GET /bytes/N`` answers with N bytes of body and closes; ``GET /endless`` never stops sending; ``POST`` reads its
    body to the end and tells how long it was; ``/echo`` sends back whatever comes, until the client's end.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self.port: int = self._listener.getsockname()[1]
        self.exchanges: list[Exchange] = []
        self._sockets: set[socket.socket] = set()
        self._is_closed = False
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._is_closed:
                if not selector.select(0.1):
                    continue
                with suppress(OSError):
                    client, _ = self._listener.accept()
                    self._sockets.add(client)
                    exchange = Exchange()
                    self.exchanges.append(exchange)
                    threading.Thread(target=self._serve, args=(client, exchange), daemon=True).start()

    def _serve(self, client: socket.socket, exchange: Exchange) -> None:
        with client, suppress(OSError, ValueError):
            head, rest = _head(client, exchange)
            self._answer(client, exchange, head, rest)
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            client.settimeout(5)
            while more := client.recv(65_536):
                exchange.got_bytes += len(more)
        self._sockets.discard(client)
        exchange.is_over.set()

    def _answer(self, client: socket.socket, exchange: Exchange, head: bytes, rest: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        path = path[path.find(b"/", path.find(b"://") + 3 if b"://" in path else 0) :]
        if path.startswith(b"/bytes/"):
            count = int(path.removeprefix(b"/bytes/"))
            _send(client, exchange, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % count)
            while count:
                count -= _send(client, exchange, _PIECE[:count] if count < len(_PIECE) else _PIECE)
        elif path == b"/endless":
            _send(client, exchange, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while True:
                _send(client, exchange, _PIECE)
        elif path == b"/echo":
            _send(client, exchange, rest)
            while more := client.recv(1_048_576):
                exchange.got_bytes += len(more)
                _send(client, exchange, more)
        else:
            body = _body_bytes(client, exchange, head, len(rest)) if method == b"POST" else 0
            text = b"%d" % body
            _send(
                client,
                exchange,
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text,
            )

    def close(self) -> None:
        """End it, and every connection."""
        self._is_closed = True
        self._thread.join()
        self._listener.close()
        for client in list(self._sockets):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def _head(client: socket.socket, exchange: Exchange) -> tuple[bytes, bytes]:
    arrived = b""
    while b"\r\n\r\n" not in arrived:
        more = client.recv(65_536)
        exchange.got_bytes += len(more)
        if not more or len(arrived) > _LONGEST_HEAD_BYTES:
            raise OSError("no request")
        arrived += more
    head, mark, rest = arrived.partition(b"\r\n\r\n")
    return head + mark, rest


def _body_bytes(client: socket.socket, exchange: Exchange, head: bytes, so_far: int) -> int:
    (length,) = [
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    while so_far < length:
        more = client.recv(1_048_576)
        if not more:
            break
        exchange.got_bytes += len(more)
        so_far += len(more)
    return so_far


def _send(client: socket.socket, exchange: Exchange, piece: bytes) -> int:
    sent = client.send(piece)
    exchange.sent_bytes += sent
    while sent < len(piece):
        more = client.send(piece[sent:])
        exchange.sent_bytes += more
        sent += more
    return sent


@contextmanager
def origin() -> Iterator[Origin]:
    """Give an origin, and end it."""
    opened = Origin()
    try:
        yield opened
    finally:
        opened.close()
