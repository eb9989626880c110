"""The handshake of a fresh connection, in whatever protocol it comes."""

import socket
from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from string import ascii_letters
from typing import ClassVar

from novaproxy.gateway.entrance import answers, http_head, socks5
from novaproxy.gateway.entrance.incoming import HANDSHAKE_SECONDS, ClientLeft, Incoming
from novaproxy.gateway.entrance.proxy_header import ClientPlace, Networks, is_front, place_of, read_header
from novaproxy.gateway.entrance.socks5 import Method
from novaproxy.gateway.model import Asked, Entrance, Login, Target
from novaproxy.gateway.refusals import ProxyRefusal, RequestNotValid

_SOCKS4 = 4


class Handshake:
    """A client's handshake: who it is, then where it goes, then the answer.

    The calls come in this order, since SOCKS5 tells a client whether its password holds before it hears the target::

        handshake = Handshake(client, loop, entrances, fronts)
        try:
            login = await handshake.login()
            ...  # may this login, from handshake.place, use this port?
            asked = await handshake.asked()
            ...  # connect an exit
            await handshake.accept()
        except ProxyRefusal as refusal:
            await handshake.refuse(refusal)
        except ClientLeft:
            client.close()

    The client's socket must not block. Whatever comes over it, nothing else is raised.
    """

    def __init__(
        self,
        client: socket.socket,
        loop: AbstractEventLoop,
        entrances: AbstractSet[Entrance],
        fronts: Networks = (),
        seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        """Begin with *client* on a port for *entrances*; *fronts* are the load balancers' networks."""
        self._client = client
        self._incoming = Incoming(client, loop, seconds)
        self._entrances = entrances
        self._fronts = fronts
        self._place: ClientPlace | None = None
        self._speech: _Speech = _Unknown(self._incoming)
        self._served: _Served | None = None
        self._is_established = False

    @property
    def place(self) -> ClientPlace:
        """Where the client connects from, once its login is read; behind a load balancer what that says."""
        if self._place is None:
            raise RuntimeError("a client's place is known after its login")
        return self._place

    @property
    def entrance(self) -> Entrance:
        """The client's protocol, once its login is read."""
        return self._after_login().entrance

    async def met(self) -> ClientPlace:
        """Return where the client connects from, before anything of its own is read.

        Raises:
            ProxyRefusal: a load balancer does not say it.
            ClientLeft: the client went away.
        """
        if self._place is None:
            self._place = await self._read_place()
        return self._place

    async def login(self) -> Login | None:
        """Return the client's credentials, None where it gives none.

        Raises:
            ProxyRefusal: they or the request can be none.
            ClientLeft: the client went away.
        """
        await self.met()
        speech = _speech(await self._incoming.read(_first_byte), self._incoming)
        self._speech = speech
        if not isinstance(speech, _Served) or speech.entrance not in self._entrances:
            raise RequestNotValid(f"This port is for {_names(self._entrances)} alone, and without TLS.")
        self._served = speech
        return await speech.login()

    async def asked(self) -> Asked:
        """Say that the login may pass, where the protocol has words for it, and return what the client asks.

        Raises:
            ProxyRefusal: it asks for what is not served.
            ClientLeft: the client went away.
        """
        return await self._after_login().asked()

    async def accept(self) -> None:
        """Say that the tunnel stands; nothing to a plain request, which the exit answers.

        Raises:
            ClientLeft: the client went away.
        """
        established = self._after_login().established()
        self._is_established = bool(established)
        await self._incoming.send(established)

    async def refuse(self, refusal: ProxyRefusal) -> None:
        """Tell the client why not, and close its socket once it had the time to read that: at most some seconds.

        A client that heard that its tunnel stands is told nothing: it would take the words for its target's. Whoever
        cancels this gets the socket closed at once.
        """
        try:
            with suppress(ClientLeft):
                if not self._is_established:
                    await self._speech.refuse(refusal)
            await self._incoming.close()
        finally:
            self._client.close()

    def _after_login(self) -> "_Served":
        if self._served is None:
            raise RuntimeError("a handshake begins with the login")
        return self._served

    async def _read_place(self) -> ClientPlace:
        try:
            host, port, *_ = self._client.getpeername()
            peer = place_of(host, port)
        except (OSError, ValueError):
            raise ClientLeft from None
        if not is_front(peer, self._fronts):
            return peer
        return await self._incoming.read(read_header) or peer


class _Speech(ABC):
    """How a client speaks, and how far it is."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    @abstractmethod
    async def refuse(self, refusal: ProxyRefusal) -> None:
        """Send *refusal* as this protocol says it at this stage."""


class _Unknown(_Speech):
    """Neither HTTP nor SOCKS; whoever can read at all reads HTTP."""

    async def refuse(self, refusal: ProxyRefusal) -> None:
        await self._incoming.send(answers.http_refusal(refusal))


class _Socks4(_Speech):
    async def refuse(self, refusal: ProxyRefusal) -> None:  # noqa: ARG002 -- SOCKS4 has one answer for all
        await self._incoming.send(answers.SOCKS4_REFUSED)


class _Served(_Speech):
    """A protocol of which an entrance is made."""

    entrance: ClassVar[Entrance]

    @abstractmethod
    async def login(self) -> Login | None:
        """Read as far as the credentials."""

    @abstractmethod
    async def asked(self) -> Asked:
        """Read the rest."""

    @abstractmethod
    def established(self) -> bytes:
        """Return what is said of an exit that is connected."""


class _Http(_Served):
    entrance = Entrance.HTTP

    def __init__(self, incoming: Incoming) -> None:
        super().__init__(incoming)
        self._with_body = True
        self._asked: Asked | None = None

    async def login(self) -> Login | None:
        head = await self._incoming.read(http_head.whole_head)
        self._with_body = not http_head.is_head_request(head)
        self._asked = http_head.read_head(head)
        return self._asked.login

    async def asked(self) -> Asked:
        asked = self._read()
        return replace(asked, early=self._incoming.rest(asked.body_bytes))

    def established(self) -> bytes:
        return answers.HTTP_ESTABLISHED if self._read().is_tunnel else b""

    async def refuse(self, refusal: ProxyRefusal) -> None:
        await self._incoming.send(answers.http_refusal(refusal, with_body=self._with_body))

    def _read(self) -> Asked:
        if self._asked is None:
            raise RuntimeError("a handshake begins with the login")
        return self._asked


class _Socks5(_Served):
    """Opened to a request only by the answer to the login.

    Attributes:
        _yes: that answer where the login may pass; empty while nothing was asked that it could answer.
        _no: that answer where it may not.
    """

    entrance = Entrance.SOCKS5

    def __init__(self, incoming: Incoming) -> None:
        super().__init__(incoming)
        self._login: Login | None = None
        self._is_open = False
        self._yes = b""
        self._no = answers.SOCKS5_NO_METHOD

    async def login(self) -> Login | None:
        method = await self._incoming.read(socks5.read_method)
        if method is Method.NONE:
            # Chosen only when it is known that the client's address needs no password.
            self._yes = answers.socks5_method(method)
            return None
        await self._incoming.send(answers.socks5_method(method))
        self._no = answers.SOCKS5_LOGIN_NOT_VALID
        message = await self._incoming.read(socks5.read_credentials)
        self._yes = answers.SOCKS5_LOGIN_VALID
        self._login = socks5.login_of(message)
        return self._login

    async def asked(self) -> Asked:
        target = await self._request()
        return Asked(Entrance.SOCKS5, target, self._login, early=self._incoming.rest(None))

    def established(self) -> bytes:
        return answers.socks5_established()

    async def refuse(self, refusal: ProxyRefusal) -> None:
        if not self._is_open:
            if refusal.reply is None or not self._yes:
                await self._incoming.send(self._no)
                return
            # Only the reply to a request can say more than that a login is not valid.
            with suppress(ProxyRefusal):
                await self._request()
        await self._incoming.send(answers.socks5_refusal(refusal))

    async def _request(self) -> Target:
        self._is_open = True
        await self._incoming.send(self._yes)
        return await self._incoming.read(socks5.read_request)


def _first_byte(arrived: bytearray) -> tuple[int, int] | None:
    return (arrived[0], 0) if arrived else None


def _speech(first_byte: int, incoming: Incoming) -> _Speech:
    if first_byte == socks5.VERSION:
        return _Socks5(incoming)
    if first_byte == _SOCKS4:
        return _Socks4(incoming)
    return _Http(incoming) if chr(first_byte) in ascii_letters else _Unknown(incoming)


def _names(entrances: AbstractSet[Entrance]) -> str:
    return " and ".join(sorted(entrance.upper() for entrance in entrances))
