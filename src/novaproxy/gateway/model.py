"""What a client asks of the gateway, once his handshake is read."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
"""A client's or a target's; an IPv4 address that came mapped into IPv6 is an IPv4Address."""


class Entrance(StrEnum):
    """How a client asks: the codes of the catalog's ``protocols``."""

    HTTP = "http"
    SOCKS5 = "socks5"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client wants to go. *host* is a name in lower case (ASCII, IDNs in their A-form) or a literal address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What the parameters behind a username or a password ask of the exit; None: anything will do.

    *country* and the others are lower case. *session* keeps an exit for *ttl_seconds*.
    """

    country: str | None = None
    state: str | None = None
    city: str | None = None
    session: str | None = None
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """The credentials of a handshake without their parameters, and what those parameters wish."""

    username: str
    password: str = field(repr=False)
    wish: Wish = Wish()


@dataclass(frozen=True, slots=True)
class Asked:
    """A whole handshake.

    Attributes:
        entrance: the protocol it was made in.
        target: where to go.
        login: None where the client gave no credentials: then his address must be on a whitelist.
        head: of a plain HTTP request the head as the exit gets it (origin-form, no Proxy-* fields); empty for a tunnel.
        head_bytes: how long that head was as the client sent it; it is counted. 0 for a tunnel.
        early: payload that came along with the handshake and is still to be passed on (and counted).
        body_bytes: of a plain HTTP request how many bytes of body follow the head, 0 for a request without one; None:
            unknown. None for a tunnel.
        is_chunked: whether the body of a plain HTTP request comes in chunks, the last of which ends it.
    """

    entrance: Entrance
    target: Target
    login: Login | None
    head: bytes = b""
    head_bytes: int = 0
    early: bytes = b""
    body_bytes: int | None = None
    is_chunked: bool = False

    @property
    def is_tunnel(self) -> bool:
        """Whether bytes pass unread both ways from here on: CONNECT and SOCKS5."""
        return not self.head
