"""What a supervisor hands over to its workers; apart from them, so that a command need not load the service."""

import msgspec

DRAIN_SECONDS = 8
"""How long answers under way may take once a worker is to end."""


class WorkerOrders(msgspec.Struct, frozen=True):
    """What the supervisor tells a worker.

    *database* is as ``asyncpg.connect`` takes it; *listener* and *ready* are inherited descriptors: the listening
    socket, and the pipe that learns that the worker accepts.
    """

    database: dict[str, str | int]
    sealing_key: bytes
    listener: int
    ready: int
