"""What a supervisor hands over to its processes; apart from them, so that a command need not load the service."""

import msgspec

from novaproxy.settings import GatewaySettings, Limits, LogFormat

DRAIN_SECONDS = 8
"""How long answers under way may take once a worker is to end."""


class DutyOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor tells each process, and all it tells the one of the duties.

    *database* is as ``asyncpg.connect`` takes it. *metrics_directory* is where the processes of a service share their
    figures, None where each keeps its own; *place* is the process's place among them.
    """

    database: dict[str, str | int]
    log_format: LogFormat
    metrics_directory: str | None
    place: str


class WorkerOrders(DutyOrders, frozen=True, kw_only=True):
    """What the supervisor tells a worker.

    *listener* and *ready* are inherited descriptors: the listening socket, and the pipe that learns that the worker
    accepts; without *limits* everybody may ask as often as he likes.
    """

    sealing_keys: tuple[bytes, ...]
    metrics_token: str | None
    has_access_log: bool
    limits: Limits | None
    listener: int
    ready: int


class GatewayOrders(DutyOrders, frozen=True, kw_only=True):
    """What the supervisor tells a gateway.

    *counters_directory* is where its counter file is kept, under the number *witness*. *pipes* are inherited ends (for
    reading, for writing) that the supervisor has too. *demo* is an inherited socket that the demo page is served on, -1
    where there is none; *ready* as for a worker.
    """

    sealing_keys: tuple[bytes, ...]
    settings: GatewaySettings
    counters_directory: str
    witness: int
    pipes: tuple[tuple[int, int], ...]
    demo: int
    ready: int
