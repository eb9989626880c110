"""The socket that the service listens on."""

import errno
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from novaproxy.errors import OperatorError

PORT_SECONDS = 2.0
"""How long a port may still be held by the workers of a service that was killed."""

_BACKLOG = 2_048


@dataclass(slots=True)
class Listener:
    """*host* and *port* (0 takes a free one): bound first, which shows whether they are to be had, opened later."""

    host: str
    port: int
    bound: socket.socket = field(init=False)

    @property
    def address(self) -> str:
        """Where clients find it, once it is bound."""
        host, port = self.bound.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def bind(self) -> None:
        """Take the port; connections are refused until ``listen``.

        Raises:
            OperatorError: the address cannot be had.
        """
        deadline = time.monotonic() + PORT_SECONDS
        while True:
            try:
                self.bound = _bound(self.host, self.port)
            except (OSError, UnicodeError) as error:
                if getattr(error, "errno", None) != errno.EADDRINUSE or time.monotonic() > deadline:
                    raise self._refusal(error) from error
                time.sleep(0.1)
            else:
                return

    def listen(self) -> None:
        """Let connections come.

        Raises:
            OperatorError: somebody else began to listen there meanwhile.
        """
        try:
            self.bound.listen(_BACKLOG)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> OperatorError:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            return OperatorError(
                f"Port {self.port} of {self.host} is in use: choose another with --port or NOVAPROXY_PORT."
            )
        reason = error.strerror if isinstance(error, OSError) else "this is no host name"
        return OperatorError(f"Cannot listen on '{self.host[:100]}' port {self.port}: {reason}.")


def check_proxy_ports(host: str, ports: Iterable[int]) -> None:
    """Check that nobody else has the ports of the catalog; one that sells proxies and serves none is no use.

    Raises:
        OperatorError: some are in use, or *host* is none of this machine's.
    """
    deadline = time.monotonic() + PORT_SECONDS
    faults = []
    for port in ports:
        while True:
            try:
                # Without SO_REUSEPORT: of two shops on one port each would get half of the other's customers.
                _bound(host, port).close()
            except (OSError, UnicodeError) as error:
                in_use = getattr(error, "errno", None) == errno.EADDRINUSE
                if in_use and time.monotonic() <= deadline:
                    time.sleep(0.1)
                    continue
                faults.append(_proxy_port_fault(host, port, error))
            break
    if faults:
        raise OperatorError(*faults)


def _proxy_port_fault(host: str, port: int, error: Exception) -> str:
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return (
            f"Port {port} of {host}, one of the catalog's protocols, is in use: end what uses it, another shop "
            "perhaps, or name another port in the catalog. (NOVAPROXY_GATEWAY=off lets 'serve' take orders alone.)"
        )
    reason = error.strerror if isinstance(error, OSError) else "this is no host name"
    return f"The gateway cannot listen on '{host[:100]}' port {port}: {reason}."


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *host* and *port*; port 0 takes a free one.

    Raises:
        OperatorError: the address cannot be had.
    """
    listener = Listener(host, port)
    listener.bind()
    listener.listen()
    return listener.bound
