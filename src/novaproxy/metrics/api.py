"""``GET /metrics`` (contract, section 6): it tells revenue, so it is for the operator alone."""

import asyncio
import hmac
import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.types import Scope, Send

from novaproxy.http.answer import send_whole
from novaproxy.http.edge import WHOLE_ADDRESS
from novaproxy.http.refusals import Unauthenticated
from novaproxy.metrics.figures import Metrics

_FORWARDED = re.compile(rb"forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip")
_HOST = re.compile(rb"(localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]*)?", re.IGNORECASE)
_CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode("ascii")


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The figures, to peers on this machine, and to whoever has *token* (None: to nobody else)."""

    metrics: Metrics
    token: str | None

    async def show(self, request: Request, send: Send) -> None:
        """``GET /metrics``; nothing of it needs the database.

        Raises:
            Unauthenticated: the peer is somewhere else and has not the token.
        """
        if not (_is_near(request.scope) or self._is_known(request.scope)):
            raise Unauthenticated
        self.metrics.write()
        # Reading the files of many workers takes milliseconds, in which orders go on.
        await send_whole(send, 200, _CONTENT_TYPE, await asyncio.to_thread(self.metrics.exposed))

    def _is_known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if self.token is None or len(given) != 1:
            return False
        scheme, _, token = given[0].strip().partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self.token.encode("ascii"))


def _is_near(scope: Scope) -> bool:
    """Return whether the request comes from this machine itself.

    Not through a proxy that stands on it, and not out of a page that a browser on it shows.
    """
    if scope["client"] is None or scope.get(WHOLE_ADDRESS) or not _names_loopback(scope):
        return False
    if any(_FORWARDED.fullmatch(name) for name, _ in scope["headers"]):
        return False
    return _is_loopback(scope["client"][0])


def _names_loopback(scope: Scope) -> bool:
    """Return whether the one Host is this machine's own: any other name may be led here by whoever owns it."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    named = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if named is None:
        return False
    host = named[1].decode("ascii").strip("[]")
    return host.lower() == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
