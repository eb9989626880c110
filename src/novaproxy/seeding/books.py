"""A chunk of past orders, decided one after the other by the shop's own rules, and the entries that pay for them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from novaproxy.catalog.listing import Listing
from novaproxy.errors import Refusal
from novaproxy.money import AMOUNT_CEILING_CENTS
from novaproxy.orders.model import Customer, OrderStatus, Terms
from novaproxy.orders.rules import decide
from novaproxy.seeding.lives import Life, lived
from novaproxy.seeding.wishes import Wish


@dataclass(slots=True)
class Books:
    """An account as it was locked; what the chunk's orders changed is already in it.

    *last_at* is the time of its newest entry: later entries may not be older. *plan_orders* counts by plan id.
    """

    account_id: int
    balance_cents: int
    ledger_version: int
    last_at: datetime
    plan_orders: dict[int, int]
    version_before: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember the version as it was locked."""
        self.version_before = self.ledger_version


@dataclass(frozen=True, slots=True)
class Sale:
    """An order that was sold at *at*, and what became of it."""

    account_id: int
    terms: Terms
    at: datetime
    life: Life

    @property
    def is_failed(self) -> bool:
        """Whether its price went back."""
        return self.life.status is OrderStatus.FAILED

    @property
    def is_used(self) -> bool:
        """Whether any of its bytes passed."""
        return self.life.consumed_bytes > 0


@dataclass(frozen=True, slots=True)
class PastEntry:
    """An entry of an account; *sale* is the place of the order that it belongs to, None for a credit."""

    account_id: int
    kind: str
    amount_cents: int
    version: int
    balance_after_cents: int
    at: datetime
    sale: int | None


def sales(
    wished: Sequence[Wish], accounts: Mapping[int, Books], listing: Listing, now: datetime, chance: Random
) -> list[Sale]:
    """Return what the shop would have sold of *wished* (oldest first), and count it in *accounts*.

    What the rules refuse (a plan's limit, a plan that was switched off meanwhile) is left out, and so is what an
    account asked for that is no longer there. Money is no reason: the accounts are credited with what they need.
    """
    sold: list[Sale] = []
    for wish in wished:
        account = accounts.get(wish.account_id)
        if account is None:
            continue
        customer = Customer(account.account_id, AMOUNT_CEILING_CENTS, account.ledger_version, account.plan_orders)
        at = max(wish.at, account.last_at)
        try:
            terms = decide(wish.request, customer, {}, listing, at)
        except Refusal:
            continue
        sale = Sale(account.account_id, terms, at, lived(terms, at, now, chance))
        account.last_at = sale.life.moves[-1].at if sale.is_failed else at
        # A failed order gave its place back.
        account.plan_orders[terms.plan.id] = account.plan_orders.get(terms.plan.id, 0) + (not sale.is_failed)
        sold.append(sale)
    return sold


def entries(sold: Sequence[Sale], accounts: Mapping[int, Books]) -> Iterator[PastEntry]:
    """Yield the entries of *sold* in order, and bring *accounts* to their balances after them.

    Each account is credited with the price of all its orders before the first one; where that would pass the greatest
    balance, with as much as fits, and again when that is spent.
    """
    owed_cents = Counter[int]()
    for sale in sold:
        owed_cents[sale.account_id] += sale.terms.net_cents
    credited: set[int] = set()
    for place, sale in enumerate(sold):
        account, net_cents = accounts[sale.account_id], sale.terms.net_cents
        if not net_cents:
            continue
        if account.account_id not in credited or account.balance_cents < net_cents:
            credit_cents = min(owed_cents[account.account_id], AMOUNT_CEILING_CENTS - account.balance_cents)
            owed_cents[account.account_id] -= credit_cents
            credited.add(account.account_id)
            if credit_cents:
                yield _entry(account, "credit", credit_cents, sale.at, None)
        yield _entry(account, "charge", -net_cents, sale.at, place)
        if sale.is_failed:
            yield _entry(account, "refund", net_cents, sale.life.moves[-1].at, place)


def _entry(account: Books, kind: str, signed_cents: int, at: datetime, sale: int | None) -> PastEntry:
    account.balance_cents += signed_cents
    account.ledger_version += 1
    return PastEntry(
        account.account_id, kind, abs(signed_cents), account.ledger_version, account.balance_cents, at, sale
    )
