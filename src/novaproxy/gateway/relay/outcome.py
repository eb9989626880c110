"""How a tunnel ended, and what had passed."""

from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """Why a tunnel ended; the second group comes from outside, by ``Tunnel.close``."""

    FINISHED = "finished"
    CLIENT_LOST = "client_lost"
    EXIT_LOST = "exit_lost"
    IDLE = "idle"
    FAULT = "fault"

    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tunnel leaves behind.

    Attributes:
        end: why it ended.
        up_bytes: what was counted from the client, the head of a plain HTTP request among it.
        down_bytes: what was counted to the client.
    """

    end: End
    up_bytes: int
    down_bytes: int
