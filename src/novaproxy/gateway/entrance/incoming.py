"""The bytes of a client during its handshake, in bounded time."""

import asyncio
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from novaproxy.gateway.refusals import HandshakeTooSlow

Read = TypeVar("Read")

HANDSHAKE_SECONDS = 10.0
_SEND_SECONDS = 5.0
_LINGER_SECONDS = 2.0
_MOST_LINGER_BYTES = 1024 * 1024
_RECEIVE_BYTES = 16 * 1024


class ClientLeft(Exception):  # noqa: N818 -- it is how clients are, and no fault of the program
    """The client went away before its handshake was whole, or never said a word: nothing can be answered."""


class Incoming:
    """What arrived of a client and was not read yet.

    All waiting for the client together takes *seconds* at most, however it trickles; what others take between (the
    database, the exit) does not count.
    """

    def __init__(self, client: socket.socket, loop: AbstractEventLoop, seconds: float) -> None:
        self._client = client
        self._loop = loop
        self._limit_seconds = seconds
        self._left_seconds = seconds
        self._arrived = bytearray()
        self._is_silent = True

    async def read(self, reader: Callable[[bytearray], tuple[Read, int] | None]) -> Read:
        """Return what *reader* makes of the first bytes, and drop these; wait for more while it returns None.

        Raises:
            ProxyRefusal: of the reader's.
            HandshakeTooSlow: the time is over.
            ClientLeft: nothing more comes.
        """
        begun_at = self._loop.time()
        try:
            async with asyncio.timeout(self._left_seconds):
                while (found := reader(self._arrived)) is None:
                    await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        finally:
            self._left_seconds -= self._loop.time() - begun_at
        value, length = found
        del self._arrived[:length]
        return value

    def rest(self, most: int | None) -> bytes:
        """Return what has arrived behind the handshake, at most *most* bytes of it; None: all."""
        return bytes(self._arrived[:most])

    async def send(self, answer: bytes) -> None:
        """Send *answer*.

        Raises:
            ClientLeft: it does not take it.
        """
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._loop.sock_sendall(self._client, answer)
        except (OSError, TimeoutError):
            raise ClientLeft from None

    async def close(self) -> None:
        """End the client's connection so that what was sent last arrives.

        A socket that is closed with unread bytes sends a reset, which overtakes the answer (RFC 9112, 9.6).
        """
        try:
            with suppress(OSError, TimeoutError):
                self._client.shutdown(socket.SHUT_WR)
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self._drain()
        finally:
            self._client.close()

    async def _receive(self) -> None:
        try:
            chunk = await self._loop.sock_recv(self._client, _RECEIVE_BYTES)
        except OSError:
            raise ClientLeft from None
        if not chunk:
            raise ClientLeft
        self._is_silent = False
        self._arrived += chunk

    async def _drain(self) -> None:
        drained_bytes = 0
        while drained_bytes < _MOST_LINGER_BYTES:
            chunk = await self._loop.sock_recv(self._client, _RECEIVE_BYTES)
            if not chunk:
                return
            drained_bytes += len(chunk)

    def _too_slow(self) -> Exception:
        return ClientLeft() if self._is_silent else HandshakeTooSlow(self._limit_seconds)
