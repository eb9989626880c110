"""The line between the service and PostgreSQL, as a proxy on loopback that breaks it at the worst moment: at COMMIT.

It also stops a transaction at any of its round trips, for whoever kills somebody there.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from novaproxy.database.pool import Target

_CHUNK_BYTES = 65_536
_START_SECONDS = 10
_HEAD_BYTES = 1_024
_NEW_PLANS = b"DISCARD PLANS"
_REST = b"ROLLBACK\0"
_BACKEND_KEY = b"K\0\0\0\x0c"


class Fate(Enum):
    """What becomes of a COMMIT."""

    LOST = auto()
    """The line breaks and the COMMIT never arrives."""

    ANSWER_LOST = auto()
    """The COMMIT arrives and is done; the line breaks before its answer is through."""

    DELAYED = auto()
    """The line to the service breaks at once; the COMMIT arrives *delay_seconds* later."""

    HELD = auto()
    """Line and COMMIT are held; both go on when the test releases them."""

    SWALLOWED = auto()
    """The COMMIT is done and the line stays up, but nothing comes through it any more."""


class Place(Enum):
    """Where on its way a round trip stops."""

    UNSENT = "not sent"
    """The server does not hear of it."""

    UNANSWERED = "not answered"
    """The server has done it; nobody hears the answer."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Which round trip stops: the *trip*-th of a transaction, on the first connection whose first words held *marker*.

    Whatever comes behind it on this connection stops too.
    """

    marker: bytes
    trip: int
    place: Place
    of_all: bool = False
    """Count from the connection's beginning."""
    of_rest: bool = False
    """Stop the ROLLBACK of a transaction that was begun beforehand and nobody used; *trip* is 0."""


@dataclass(slots=True)
class _Carried:
    """One connection as its bytes go by: its first words, its round trips, how it stopped, who serves it.

    *trip* is that of the transaction, BEGIN being the first one; a chained one begins behind it. 0 is in none.
    """

    head: bytes = b""
    trips: int = 0
    trip: int = 0
    is_chained: bool = False
    is_resting: bool = False
    is_stopped: bool = False
    is_mute: bool = False
    backend_pid: int | None = None

    def count(self, message: bytes) -> None:
        """Count *message*, which goes to the server."""
        if len(self.head) < _HEAD_BYTES:
            self.head += message
        self.trips += 1
        self.is_resting = self.is_chained and _REST in message
        if self.is_resting:
            self.trip = 0
        elif _NEW_PLANS in message:
            # Between two batches; the next one is as it would be without.
            return
        elif b"BEGIN" in message or self.is_chained:
            self.trip = 2 if self.is_chained else 1
        elif self.trip:
            self.trip += 1
        self.is_chained = b"AND CHAIN" in message

    def is_at(self, stop: Stop) -> bool:
        """Return whether the message that was counted last is the one that stops."""
        if stop.marker not in self.head:
            return False
        return self.is_resting if stop.of_rest else (self.trips if stop.of_all else self.trip) == stop.trip

    def note_greeting(self, message: bytes) -> None:
        """Note which process the server says that it serves with (BackendKeyData)."""
        _, found, key = message.partition(_BACKEND_KEY)
        if self.backend_pid is None and found:
            self.backend_pid = int.from_bytes(key[:4], "big")


@dataclass(slots=True)
class DatabaseLine:
    """A proxy on 127.0.0.1. *fates* are those of the next COMMITs, in their order; *met* of them were met.

    Only connections whose first words hold *marker* meet one.
    *stop* is that of the next round trip that it names; *stopped* tells that it was met.
    """

    upstream: Target
    fates: list[Fate] = field(default_factory=list)
    met: int = 0
    marker: bytes = b""
    delay_seconds: float = 1.0
    port: int = 0
    is_down: bool = False
    stop: Stop | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    trips: int = 0
    """The highest round trip that was counted since the last stop was set."""
    stopped_pid: int | None = None
    """The process of the server that serves what stopped."""
    released: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _worn: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def target(self) -> Target:
        """The database through this line."""
        return {**self.upstream, "host": "127.0.0.1", "port": self.port}

    def cut(self) -> None:
        """Break every line that is up, with a reset."""

        def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()

        assert self._loop is not None
        self._loop.call_soon_threadsafe(abort)

    def wear_out(self) -> None:
        """Let every line that is up break when the next statement is sent through it; nobody notices before."""
        self._worn |= self._writers

    async def serve(self, opened: threading.Event, closed: threading.Event) -> None:
        """Serve until *closed*."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        opened.set()
        await asyncio.to_thread(closed.wait)
        server.close()
        self.is_down = True
        for writer in list(self._writers):
            writer.transport.abort()
        # Until each is closed: the loop ends with this.
        await asyncio.sleep(0.05)

    async def _carry(self, from_service: asyncio.StreamReader, to_service: asyncio.StreamWriter) -> None:
        if self.is_down:
            to_service.transport.abort()
            return
        # From the beginning: the line may end while its way to the server is opened.
        self._writers.add(to_service)
        path = f"{self.upstream['host']}/.s.PGSQL.{self.upstream['port']}"
        try:
            from_server, to_server = await asyncio.open_unix_connection(path)
        except OSError:
            self._writers.discard(to_service)
            to_service.transport.abort()
            return
        self._writers |= {to_service, to_server}
        carried = _Carried()
        down = asyncio.create_task(self._copy(from_server, to_service, carried))
        try:
            with suppress(ConnectionError):
                while message := await from_service.read(_CHUNK_BYTES):
                    if to_service in self._worn:
                        to_service.transport.abort()
                        return
                    if carried.is_stopped or self._stops(carried, message):
                        if carried.is_mute:
                            to_server.write(message)
                        continue
                    fate = self._fate(carried, message)
                    if fate is not None and not await self._meet(
                        fate, message, from_server, to_server, to_service, down
                    ):
                        return
                    if fate is None:
                        to_server.write(message)
                        await to_server.drain()
        finally:
            down.cancel()
            self._writers -= {to_service, to_server}
            to_service.close()
            to_server.close()

    def stop_at(self, stop: Stop) -> None:
        """Stop the next round trip that *stop* names."""
        self.stopped.clear()
        self.trips = 0
        self.stop = stop

    def _stops(self, carried: _Carried, message: bytes) -> bool:
        """Return whether *carried* stops at *message*; a stop is met once."""
        carried.count(message)
        if self.stop is None or self.stop.marker not in carried.head:
            return False
        self.trips = max(self.trips, carried.trips if self.stop.of_all else carried.trip)
        if not carried.is_at(self.stop):
            return False
        self.stopped_pid = carried.backend_pid
        carried.is_stopped = True
        carried.is_mute = self.stop.place is Place.UNANSWERED
        self.stop = None
        if not carried.is_mute:
            self.stopped.set()
        return True

    def _fate(self, carried: _Carried, message: bytes) -> Fate | None:
        if b"COMMIT" not in message or self.marker not in carried.head or self.met >= len(self.fates):
            return None
        self.met += 1
        return self.fates[self.met - 1]

    async def _copy(
        self, from_server: asyncio.StreamReader, to_service: asyncio.StreamWriter, carried: _Carried
    ) -> None:
        with suppress(ConnectionError):
            while message := await from_server.read(_CHUNK_BYTES):
                carried.note_greeting(message)
                if carried.is_stopped:
                    self.stopped.set()
                    continue
                to_service.write(message)
                await to_service.drain()
        to_service.close()

    async def _meet(
        self,
        fate: Fate,
        commit: bytes,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        to_service: asyncio.StreamWriter,
        down: asyncio.Task[None],
    ) -> bool:
        """Let *commit* meet its fate; return whether the line goes on."""
        if fate is Fate.HELD:
            release = asyncio.create_task(asyncio.to_thread(self.released.wait))
            await asyncio.wait({release, down}, return_when=asyncio.FIRST_COMPLETED)
            to_server.write(commit)
            return True
        down.cancel()
        with suppress(asyncio.CancelledError):
            await down
        if fate is Fate.LOST:
            to_service.transport.abort()
            return False
        if fate is Fate.DELAYED:
            to_service.transport.abort()
            await asyncio.sleep(self.delay_seconds)
        to_server.write(commit)
        with suppress(ConnectionError):
            await from_server.read(_CHUNK_BYTES)
        if fate is Fate.SWALLOWED:
            await asyncio.to_thread(self.released.wait)
        to_service.transport.abort()
        return False


@contextmanager
def database_line(upstream: Target) -> Iterator[DatabaseLine]:
    """Run a proxy to *upstream*, whose host is a socket's directory."""
    line = DatabaseLine(upstream)
    opened, closed = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(line.serve(opened, closed)))
    thread.start()
    try:
        assert opened.wait(_START_SECONDS)
        yield line
    finally:
        line.released.set()
        closed.set()
        thread.join(_START_SECONDS)
        assert not thread.is_alive()
