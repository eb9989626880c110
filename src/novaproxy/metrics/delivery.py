"""The figures of a gateway: what it carries, and whom it refuses."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest

from novaproxy.metrics.sharing import Shared, share


class GatewayFigures:
    """All figures of one gateway process; with *shared* they are added to those of the other processes.

    Labels are bounded: entrances, reasons and upstreams are those of the code and the catalog.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        share(shared)
        self._registry = registry = CollectorRegistry()
        self._tunnels = Gauge(
            "novaproxy_gateway_tunnels",
            "Connections of customers that are open through the gateways now.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._opened = Counter(
            "novaproxy_gateway_connections",
            "Connections of customers that reached their target, by entrance.",
            ("entrance",),
            registry=registry,
        )
        self._refused = Counter(
            "novaproxy_gateway_refusals",
            "Connections that were refused, by the reason that X-Error-Code tells.",
            ("reason",),
            registry=registry,
        )
        self._bytes = Counter(
            "novaproxy_gateway_bytes",
            "Payload between customers and gateways, as it is charged, by direction.",
            ("direction",),
            registry=registry,
        )
        self._upstream_up = Gauge(
            "novaproxy_upstream_up",
            "1 where the newest check reached the upstream, else 0.",
            ("upstream",),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._port_open = Gauge(
            "novaproxy_gateway_port_open",
            "1 where the gateway listens on a port of the catalog, 0 where it cannot: somebody else has it.",
            ("port",),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._open = 0
        self._ended_bytes = [0, 0]
        self._told_bytes = [0, 0]

    def exposed(self) -> bytes:
        """Return the figures of this process alone in Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)

    def opened(self, entrance: str) -> None:
        """Note a connection that reached its target."""
        self._opened.labels(entrance).inc()
        self._open += 1
        self._tunnels.set(self._open)

    def ended(self, up_bytes: int, down_bytes: int) -> None:
        """Note its end, and what passed."""
        self._ended_bytes[0] += up_bytes
        self._ended_bytes[1] += down_bytes
        self._open -= 1
        self._tunnels.set(self._open)

    def carried(self, up_bytes: int, down_bytes: int) -> None:
        """Tell what passed so far through the tunnels that are open now."""
        for place, (direction, count) in enumerate((("up", up_bytes), ("down", down_bytes))):
            total = self._ended_bytes[place] + count
            self._bytes.labels(direction).inc(total - self._told_bytes[place])
            self._told_bytes[place] = total

    def refused(self, reason: str) -> None:
        """Note a connection that was refused."""
        self._refused.labels(reason).inc()

    def set_upstream(self, name: str, *, is_up: bool) -> None:
        """Tell whether an upstream is reached."""
        self._upstream_up.labels(name).set(is_up)

    def set_port(self, port: int, *, is_open: bool) -> None:
        """Tell whether a port of the catalog is listened to."""
        self._port_open.labels(port).set(is_open)
