"""A connection to a target, by this machine or through an upstream.

What remains where an upstream resolves the name anew: it may hear another answer than we did (DNS rebinding), and then
leads into its own network. That is its operator's to guard; ours is reached from outside, as by anybody.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, assert_never

from novaproxy.catalog.model import Upstream, UpstreamType
from novaproxy.gateway.exits.connecting import NOTHING_LEFT, SourceError, connected
from novaproxy.gateway.exits.guard import CLOSED_PORTS, Guard, is_inner_name, read_host
from novaproxy.gateway.exits.names import GATEWAY, Addresses, Names
from novaproxy.gateway.exits.upstreams import (
    Credentials,
    ExitFailed,
    asked_over_http,
    authority_of,
    credentials_of,
    greeted_over_socks5,
    through_http,
    through_socks5,
)
from novaproxy.gateway.model import Target
from novaproxy.gateway.refusals import (
    GatewayUnavailable,
    TargetNotAllowed,
    TargetNotFound,
    TargetRefused,
    TargetTimedOut,
)

DIAL_SECONDS: Final = 10.0
"""Everything together: looking up, the exits that are tried, the target's answer."""

LOOK_UP_SECONDS: Final = 5.0
REACH_SECONDS: Final = 3.0
"""For an upstream to take a connection, and a SOCKS5 one to let us in."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A target that may be dialled.

    Attributes:
        host: an address, or a name in lower case.
        addresses: all of that name, each of them good; none where it has none that is known here.
        port: its port.
        is_slow: whether the name was not answered in time.
    """

    host: str
    port: int
    addresses: Addresses
    is_slow: bool = False


class Dialler:
    """Dials. *environment* holds the passwords that the catalog only names."""

    def __init__(self, guard: Guard, names: Names, environment: Mapping[str, str]) -> None:
        self._guard = guard
        self._names = names
        self._environment = environment

    async def judged(self, target: Target, asker: int) -> Judged:
        """Return *target* as it may be dialled, its name looked up; *asker* is whose bound on that counts.

        Raises:
            TargetNotAllowed: the port is closed, or one of the addresses is not to be reached.
            TargetNotFound: the host is neither a name nor an address.
        """
        place = read_host(target.host)
        if place is None:
            raise TargetNotFound
        if not isinstance(place, str):
            self._check((place,), target.port)
            return Judged(str(place), target.port, (place,))
        addresses, is_slow = await self._looked_up(place, asker)
        self._check(addresses, target.port)
        if not addresses and target.port in CLOSED_PORTS:
            raise TargetNotAllowed
        if not addresses and is_inner_name(place):
            # An upstream might know it: as one of its own network.
            raise TargetNotFound
        return Judged(place, target.port, addresses, is_slow)

    async def _looked_up(self, name: str, asker: int) -> tuple[Addresses, bool]:
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self._names.addresses(name, asker), False
        except TimeoutError:
            return (), True

    def _check(self, addresses: Addresses, port: int) -> None:
        """Raise TargetNotAllowed if one of *addresses* is closed; no name has both kinds in good faith."""
        try:
            is_open = all(self._guard.permits(address, port) for address in addresses)
        except OSError as error:
            # Whether an address is this machine's takes a socket to tell.
            _refuse_where_nothing_is_left(error)
            raise
        if not is_open:
            raise TargetNotAllowed

    async def dial(self, target: Judged, upstream: Upstream) -> socket.socket:
        """Return a non-blocking socket that leads to *target* by *upstream*.

        Raises:
            ExitFailed: the upstream does not do its part.
            GatewayUnavailable: this process has no socket left.
            ProxyRefusal: it does, and the target is not to be had.
            TimeoutError: never of its own; the caller bounds it.
        """
        match upstream.type:
            case UpstreamType.DIRECT:
                return await _dialled(target, upstream.source)
            case UpstreamType.HTTP | UpstreamType.SOCKS5:
                return await self._through(target, upstream)
            case _:
                assert_never(upstream.type)

    async def _through(self, target: Judged, upstream: Upstream) -> socket.socket:
        credentials = credentials_of(upstream, self._environment)
        line = await self._reached(upstream)
        try:
            if upstream.type is UpstreamType.HTTP:
                await through_http(line, target.host, target.port, credentials)
            else:
                await _greeted(line, credentials)
                await through_socks5(line, target.host, target.port)
        except OSError as error:
            line.close()
            raise ExitFailed(f"the connection to it broke: {_told(error)}", is_counted=False) from None
        except BaseException:
            line.close()
            raise
        return line

    async def _reached(self, upstream: Upstream) -> socket.socket:
        """Return a connection to *upstream* itself, wherever its operator says it is."""
        place = read_host(upstream.host or "")
        try:
            async with asyncio.timeout(REACH_SECONDS):
                addresses = await self._names.addresses(place, GATEWAY) if isinstance(place, str) else (place,)
                known = tuple(address for address in addresses if address is not None)
                if not known:
                    raise ExitFailed("its name has no address", is_counted=True)
                return await connected(known, upstream.port or 0)
        except TimeoutError:
            raise ExitFailed("it took no connection in time", is_counted=True) from None
        except OSError as error:
            _refuse_where_nothing_is_left(error)
            # Without an address of our own (no IPv6, no port left) nothing was asked of it.
            is_its = error.errno != errno.EADDRNOTAVAIL
            raise ExitFailed(f"it took no connection: {_told(error)}", is_counted=is_its) from None

    async def check(self, upstream: Upstream) -> None:
        """Connect to *upstream* and greet it, without any target.

        An HTTP proxy that closes such a connection without a word is left to what the tunnels find.

        Raises:
            ExitFailed: it does not do its part.
        """
        if upstream.type is UpstreamType.DIRECT:
            _check_source(upstream.source)
            return
        credentials = credentials_of(upstream, self._environment)
        with await self._reached(upstream) as line:
            try:
                async with asyncio.timeout(REACH_SECONDS):
                    if upstream.type is UpstreamType.HTTP:
                        await _greeted_over_http(line, upstream, credentials)
                    else:
                        await greeted_over_socks5(line, credentials)
            except TimeoutError:
                raise ExitFailed("it takes connections and does not answer", is_counted=True) from None
            except OSError as error:
                raise ExitFailed(f"the connection to it broke: {_told(error)}", is_counted=False) from None


def _told(error: OSError) -> str:
    # The event loop's own words repeat the address.
    return os.strerror(error.errno) if error.errno else "no way to it"


async def _dialled(target: Judged, source: str | None) -> socket.socket:
    if not target.addresses:
        raise TargetTimedOut if target.is_slow else TargetNotFound
    leaves_from = None if source is None else ip_address(source)
    addresses = [a for a in target.addresses if leaves_from is None or a.version == leaves_from.version]
    if not addresses:
        raise TargetRefused
    try:
        return await connected(addresses, target.port, leaves_from)
    except SourceError as error:
        raise _source_failed(error) from None
    except TimeoutError:
        # The kernel's own, ETIMEDOUT.
        raise TargetTimedOut from None
    except OSError as error:
        _refuse_where_nothing_is_left(error)
        raise TargetRefused from None


def _refuse_where_nothing_is_left(error: OSError) -> None:
    if error.errno in NOTHING_LEFT:
        raise GatewayUnavailable from None


def _source_failed(error: OSError) -> ExitFailed:
    is_its = error.errno == errno.EADDRNOTAVAIL
    what = "is not an address of this machine" if is_its else f"cannot be used: {_told(error)}"
    return ExitFailed(f"its source {what}", is_counted=is_its)


async def _greeted(line: socket.socket, credentials: Credentials | None) -> None:
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await greeted_over_socks5(line, credentials)
    except TimeoutError:
        raise ExitFailed("it takes connections and does not answer", is_counted=True) from None


async def _greeted_over_http(line: socket.socket, upstream: Upstream, credentials: Credentials | None) -> None:
    authority = authority_of(upstream.host or "", upstream.port or 0)
    await asked_over_http(line, "OPTIONS", "*", authority, credentials)


def _check_source(source: str | None) -> None:
    if source is None:
        return
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as line:
            line.bind((source, 0))
    except OSError as error:
        raise _source_failed(error) from None
