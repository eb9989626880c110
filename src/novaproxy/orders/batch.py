"""A batch of orders, decided one after the other on the state in memory.

What one order changes (a balance, a place in a limit, a use of a code, a key) the next one finds; a refused order
changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from novaproxy.catalog.listing import Listing
from novaproxy.errors import Refusal
from novaproxy.http.refusals import Unauthenticated
from novaproxy.orders.model import Ask, Customer, Terms
from novaproxy.orders.request import KeyUsedOtherwise, OrderRequest, order_request, request_hash
from novaproxy.orders.rules import decide


class Accepted(Struct, frozen=True):
    """An order to write down. *ledger_version* is None where nothing is charged (a net of 0 makes no entry)."""

    uuid: UUID
    account_id: int
    terms: Terms
    idempotency_key: str | None
    request_hash: bytes | None
    ledger_version: int | None
    balance_after_cents: int


class Replay(Struct, frozen=True):
    """The order that the same request made before under the same key."""

    account_id: int
    uuid: UUID


Decision = Accepted | Replay | Refusal


@dataclass(slots=True)
class Ledgers:
    """What the load statement found: the customers by account id, and the uses of each code by code id."""

    customers: dict[int, Customer]
    uses_by_code: dict[int, int]
    asking: list[int | None]
    """One account id an ask; None is nobody."""
    versions_before: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Remember the versions as they were locked."""
        self.versions_before = {customer.account_id: customer.ledger_version for customer in self.customers.values()}


def decide_batch(
    asks: list[Ask],
    ledgers: Ledgers,
    listing: Listing,
    now: datetime,
    new_uuid: Callable[[datetime], UUID],
) -> list[Decision]:
    """Return one decision an ask, in order, and leave in *ledgers* what they changed."""
    decisions: list[Decision] = []
    for ask, account_id in zip(asks, ledgers.asking, strict=True):
        try:
            decisions.append(_decided(ask, account_id, ledgers, listing, now, new_uuid))
        except Refusal as refusal:
            decisions.append(refusal)
    return decisions


def _decided(
    ask: Ask,
    account_id: int | None,
    ledgers: Ledgers,
    listing: Listing,
    now: datetime,
    new_uuid: Callable[[datetime], UUID],
) -> Decision:
    if account_id is None:
        raise Unauthenticated
    customer = ledgers.customers[account_id]
    if ask.key_fault is not None:
        raise ask.key_fault
    digest = request_hash(ask.fields) if ask.idempotency_key is not None else None
    if ask.idempotency_key is not None and ask.idempotency_key in customer.keys:
        return _replayed(customer, ask.idempotency_key, digest)
    request: OrderRequest = order_request(ask.fields)
    terms = decide(request, customer, ledgers.uses_by_code, listing, now)
    return _written_down(ask, digest, customer, ledgers, terms, new_uuid(now))


def _replayed(customer: Customer, key: str, digest: bytes | None) -> Replay:
    uuid, known_digest = customer.keys[key]
    if digest != known_digest:
        raise KeyUsedOtherwise
    return Replay(customer.account_id, uuid)


def _written_down(
    ask: Ask,
    digest: bytes | None,
    customer: Customer,
    ledgers: Ledgers,
    terms: Terms,
    uuid: UUID,
) -> Accepted:
    """Change the state as the order does, and return the order."""
    is_charged = terms.net_cents > 0
    customer.balance_cents -= terms.net_cents
    customer.ledger_version += is_charged
    customer.plan_orders[terms.plan.id] = customer.plan_orders.get(terms.plan.id, 0) + 1
    if terms.discount_code_id is not None:
        ledgers.uses_by_code[terms.discount_code_id] += 1
        customer.code_uses[terms.discount_code_id] = customer.code_uses.get(terms.discount_code_id, 0) + 1
    if ask.idempotency_key is not None and digest is not None:
        customer.keys[ask.idempotency_key] = (uuid, digest)
    return Accepted(
        uuid=uuid,
        account_id=customer.account_id,
        terms=terms,
        idempotency_key=ask.idempotency_key,
        request_hash=digest,
        ledger_version=customer.ledger_version if is_charged else None,
        balance_after_cents=customer.balance_cents,
    )
