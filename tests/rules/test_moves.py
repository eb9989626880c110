"""The table of legal moves: the code's, the database's and the contract's are one."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from novaproxy.database.migrate import migrations
from novaproxy.database.pool import statement
from novaproxy.errors import OperatorError
from novaproxy.orders.model import OrderStatus
from novaproxy.orders.moves import (
    DELIVERY,
    EXPIRY_CAUSE,
    FAILURE,
    LEGAL,
    SWITCHING_OFF,
    SWITCHING_ON,
    OperatorMove,
    check_move,
    shown_by,
    status_at,
)

CONTRACT = {
    "awaiting_payment": {"pending", "active", "invoice_expired"},
    "invoice_expired": set(),
    "pending": {"active", "failed"},
    "failed": set(),
    "active": {"inactive", "expired", "exhausted"},
    "inactive": {"active", "expired"},
    "expired": {"active"},
    "exhausted": {"active", "expired"},
}
"""Section 5."""

PAIR = re.compile(r"\('(\w+)', '(\w+)'\)")
OPERATORS = [DELIVERY, FAILURE, SWITCHING_OFF, SWITCHING_ON]


def test_the_moves_are_those_of_the_contract() -> None:
    assert {(before, after) for before, afters in CONTRACT.items() for after in afters} == LEGAL
    assert set(CONTRACT) == set(OrderStatus)


def test_the_database_and_the_audit_know_the_same_moves() -> None:
    schema = migrations()[0].text
    constraint = schema[schema.index("order_move_is_legal") : schema.index("CREATE INDEX order_move_order")]
    assert set(PAIR.findall(constraint)) == LEGAL

    audit = statement("novaproxy.ledger", "audit/s1_moves")
    assert set(PAIR.findall(audit)) == LEGAL


@pytest.mark.parametrize("move", OPERATORS)
def test_what_the_operator_may_command_is_legal(move: OperatorMove) -> None:
    assert (move.before, move.after) in LEGAL


@pytest.mark.parametrize(("move", "status"), list(product(OPERATORS, OrderStatus)))
def test_a_move_begins_in_one_status_and_is_refused_in_every_other(move: OperatorMove, status: OrderStatus) -> None:
    if status is move.before:
        check_move(move, status)
        return
    with pytest.raises(OperatorError) as refused:
        check_move(move, status)

    article = "an" if move.before in ("active", "inactive") else "a"
    assert str(refused.value) == f"The order is {status}: only {article} {move.before} order can be {move.done}."


def test_what_the_operator_commands_leads_where_its_word_says() -> None:
    assert [(move.before, move.after, move.done) for move in OPERATORS] == [
        ("pending", "active", "delivered"),
        ("pending", "failed", "failed"),
        ("active", "inactive", "deactivated"),
        ("inactive", "active", "activated"),
    ]
    assert EXPIRY_CAUSE == "expires_at has passed"


@pytest.mark.parametrize("status", OrderStatus)
def test_a_running_order_is_shown_as_expired_from_the_very_moment_on(status: OrderStatus) -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    ended = OrderStatus.EXPIRED if status in {"active", "inactive"} else status
    shown = [status_at(status, end, now) for now in (end - moment, end, end + moment)]
    assert shown == [status, ended, ended]
    assert status_at(status, None, end) is status


def test_an_expired_order_may_still_be_stored_as_a_running_one() -> None:
    assert set(shown_by(OrderStatus.EXPIRED)) == {"expired", "active", "inactive"}
    assert shown_by(OrderStatus.ACTIVE) == ["active"]
