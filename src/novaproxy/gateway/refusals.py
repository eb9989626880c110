"""Why the gateway lets somebody not through: each reason once, with what HTTP and SOCKS5 say of it.

Over HTTP the code stands in the header ``X-Error-Code``, as in the order API; SOCKS5 has one byte (RFC 1928, 6).
"""

from typing import ClassVar


class ProxyRefusal(Exception):  # noqa: N818 -- a refusal is an answer, not a fault of the program
    """A client that is not let through.

    Attributes:
        status: what HTTP answers.
        code: the stable machine code; usage and metrics count refusals by it.
        reply: what SOCKS5 replies; None: the authentication fails (RFC 1929).
        sentence: what the answer's text says.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    reply: ClassVar[int | None]

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class CredentialsNotValid(ProxyRefusal):
    """No credentials, an unknown username, or a wrong password: which of them is not told."""

    status = 407
    code = "proxy_unauthenticated"
    reply = None

    def __init__(self) -> None:
        super().__init__("The proxy's username or password is not valid.")


class AddressNotListed(ProxyRefusal):
    """No credentials came, and the client's address is on no whitelist for this port."""

    status = 407
    code = "address_not_listed"
    reply = None

    def __init__(self) -> None:
        super().__init__("Send the proxy's username and password, or put this address on the order's whitelist.")


class OrderExhausted(ProxyRefusal):
    """Nothing is left of what was bought."""

    status = 403
    code = "order_exhausted"
    reply = 0x02

    def __init__(self) -> None:
        super().__init__("The order's bandwidth is used up.")


class OrderExpired(ProxyRefusal):
    """The order's time has passed."""

    status = 403
    code = "order_expired"
    reply = 0x02

    def __init__(self) -> None:
        super().__init__("The order has expired.")


class OrderInactive(ProxyRefusal):
    """The operator switched the order off."""

    status = 403
    code = "order_inactive"
    reply = 0x02

    def __init__(self) -> None:
        super().__init__("The order is switched off.")


class AccountSuspended(ProxyRefusal):
    """The operator suspended the order's account."""

    status = 403
    code = "account_suspended"
    reply = 0x02

    def __init__(self) -> None:
        super().__init__("The order's account is suspended.")


class WrongPort(ProxyRefusal):
    """The order's plan is not served on this port, or not with this protocol."""

    status = 403
    code = "wrong_port"
    reply = 0x02

    def __init__(self) -> None:
        super().__init__("The order's plan is not served on this port: see its protocols in GET /orders.")


class ParameterNotValid(ProxyRefusal):
    """A parameter behind the username or the password is unknown, malformed, or not sold with the plan."""

    status = 400
    code = "parameter_not_valid"
    reply = 0x02


class NoExit(ProxyRefusal):
    """No exit of this plan fits what was asked, or none of those that do is well."""

    status = 502
    code = "no_exit"
    reply = 0x01

    def __init__(self) -> None:
        super().__init__("No exit of this plan is available for what was asked.")


class TargetNotAllowed(ProxyRefusal):
    """The target is an address inside the operator's own network, or a port that is closed to all."""

    status = 403
    code = "target_not_allowed"
    reply = 0x02

    def __init__(self) -> None:
        super().__init__("This target is not allowed.")


class TargetNotFound(ProxyRefusal):
    """The target's name has no address."""

    status = 502
    code = "target_not_found"
    reply = 0x04

    def __init__(self) -> None:
        super().__init__("The target's name could not be resolved.")


class TargetRefused(ProxyRefusal):
    """The target took no connection."""

    status = 502
    code = "target_refused"
    reply = 0x05

    def __init__(self) -> None:
        super().__init__("The target did not take the connection.")


class TargetTimedOut(ProxyRefusal):
    """The target did not answer in time."""

    status = 504
    code = "target_timed_out"
    reply = 0x04

    def __init__(self) -> None:
        super().__init__("The target did not answer in time.")


class TooManyTunnels(ProxyRefusal):
    """As many tunnels as the order may have are open."""

    status = 429
    code = "too_many_tunnels"
    reply = 0x01

    def __init__(self) -> None:
        super().__init__("As many connections as the order may have are open.")


class GatewayUnavailable(ProxyRefusal):
    """The database is away, or the gateway is full or ending: nothing can be said of the order."""

    status = 503
    code = "gateway_unavailable"
    reply = 0x01

    def __init__(self) -> None:
        super().__init__("The gateway cannot serve this now; try again.")


class RequestNotValid(ProxyRefusal):
    """What came is no request that a proxy serves."""

    status = 400
    code = "request_not_valid"
    reply = 0x07


class TargetNotValid(RequestNotValid):
    """The host or the port that is asked for can be none."""

    code = "target_not_valid"
    reply = 0x01


class AddressTypeNotValid(RequestNotValid):
    """A SOCKS5 request whose address is neither a name nor an IPv4 or IPv6 address."""

    reply = 0x08

    def __init__(self) -> None:
        super().__init__("The type of the target's address is not one of RFC 1928.")


class HeadTooLong(RequestNotValid):
    """The head of a request is longer than *limit_bytes*, or has more than *limit_fields* fields."""

    status = 431
    code = "head_too_long"

    def __init__(self, limit_bytes: int, limit_fields: int) -> None:
        super().__init__(f"The request head must be at most {limit_bytes} bytes and {limit_fields} fields.")


class HandshakeTooSlow(RequestNotValid):
    """The handshake was not whole in time; *limit_seconds* is what it may take, however it trickles."""

    status = 408
    code = "handshake_too_slow"
    reply = 0x01

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"The request must arrive within {limit_seconds:g} seconds.")
