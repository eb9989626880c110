"""How an order's status moves: the table of legal moves, and the operator's four (contract, section 5)."""

from dataclasses import dataclass
from datetime import datetime

from novaproxy.errors import OperatorError
from novaproxy.orders.model import OrderStatus

LEGAL: frozenset[tuple[OrderStatus, OrderStatus]] = frozenset(
    {
        (OrderStatus.AWAITING_PAYMENT, OrderStatus.PENDING),
        (OrderStatus.AWAITING_PAYMENT, OrderStatus.ACTIVE),
        (OrderStatus.AWAITING_PAYMENT, OrderStatus.INVOICE_EXPIRED),
        (OrderStatus.PENDING, OrderStatus.ACTIVE),
        (OrderStatus.PENDING, OrderStatus.FAILED),
        (OrderStatus.ACTIVE, OrderStatus.INACTIVE),
        (OrderStatus.ACTIVE, OrderStatus.EXPIRED),
        (OrderStatus.ACTIVE, OrderStatus.EXHAUSTED),
        (OrderStatus.INACTIVE, OrderStatus.ACTIVE),
        (OrderStatus.INACTIVE, OrderStatus.EXPIRED),
        (OrderStatus.EXPIRED, OrderStatus.ACTIVE),
        (OrderStatus.EXHAUSTED, OrderStatus.ACTIVE),
        (OrderStatus.EXHAUSTED, OrderStatus.EXPIRED),
    },
)

RUNNING = (OrderStatus.ACTIVE, OrderStatus.INACTIVE)
"""The statuses that end when ``expires_at`` has come."""

EXPIRY_CAUSE = "expires_at has passed"


@dataclass(frozen=True, slots=True)
class OperatorMove:
    """A move that the operator commands; *done* is what has then been done to the order, as sentences say it."""

    before: OrderStatus
    after: OrderStatus
    done: str


DELIVERY = OperatorMove(OrderStatus.PENDING, OrderStatus.ACTIVE, "delivered")
FAILURE = OperatorMove(OrderStatus.PENDING, OrderStatus.FAILED, "failed")
SWITCHING_OFF = OperatorMove(OrderStatus.ACTIVE, OrderStatus.INACTIVE, "deactivated")
SWITCHING_ON = OperatorMove(OrderStatus.INACTIVE, OrderStatus.ACTIVE, "activated")


def status_at(status: OrderStatus, expires_at: datetime | None, now: datetime) -> OrderStatus:
    """Return the status as a read shows it: past ``expires_at`` nothing is active or inactive (section 5)."""
    if status in RUNNING and expires_at is not None and expires_at <= now:
        return OrderStatus.EXPIRED
    return status


def shown_by(status: OrderStatus) -> list[OrderStatus]:
    """Return the statuses, as stored, of orders that a read may show as *status*."""
    return [OrderStatus.EXPIRED, *RUNNING] if status is OrderStatus.EXPIRED else [status]


def check_move(move: OperatorMove, status: OrderStatus) -> None:
    """Check that an order that is shown as *status* may make *move*.

    Raises:
        OperatorError: it may not.
    """
    if status is not move.before:
        article = "an" if move.before[0] in "aei" else "a"
        raise OperatorError(f"The order is {status}: only {article} {move.before} order can be {move.done}.")
