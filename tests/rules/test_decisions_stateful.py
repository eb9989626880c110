"""Random shops, customers and batches against a simple shop that sells one order after the other."""

from collections.abc import Sequence
from fractions import Fraction
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from novaproxy.catalog.listing import listing
from novaproxy.catalog.model import Catalog
from novaproxy.orders.batch import Accepted, Ledgers, Replay, decide_batch
from novaproxy.orders.model import Ask, Customer
from novaproxy.orders.request import request_hash
from plain_shop import ACCOUNTS, Call, PlainShop, any_calls, callers, catalogs, good_requests, keys
from rule_cases import NOW, sent


class Decisions(RuleBasedStateMachine):
    """What the tables would hold, kept beside the plain shop; each batch loads from it and saves to it."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = PlainShop(Catalog("USD"))
        self.customers = {number: Customer(number, 0, 0) for number in ACCOUNTS}
        self.uses: dict[int, int] = {}
        self.calls: list[Call] = []

    @initialize(catalog=catalogs())
    def open_shop(self, catalog: Catalog) -> None:
        self.shop.catalog = catalog

    @rule(catalog=catalogs())
    def apply_another_catalog(self, catalog: Catalog) -> None:
        self.shop.catalog = catalog

    @initialize(amounts_cents=st.lists(st.integers(0, 50_00), min_size=3, max_size=3))
    def pay_in(self, amounts_cents: list[int]) -> None:
        for number, amount_cents in zip(ACCOUNTS, amounts_cents, strict=True):
            self.credit(number, amount_cents + 1)

    @rule(number=callers, amount_cents=st.sampled_from([1, 99, 500, 2_000, 10_000]))
    def credit(self, number: int, amount_cents: int) -> None:
        self.shop.customers[number].balance += Fraction(amount_cents, 100)
        self.shop.customers[number].entries.append(Fraction(amount_cents, 100))
        self.customers[number].balance_cents += amount_cents
        self.customers[number].ledger_version += 1

    @rule(data=st.data(), size=st.integers(1, 8))
    def place_a_batch(self, data: st.DataObject, size: int) -> None:
        good_calls = st.tuples(callers, keys, good_requests(self.shop.catalog))
        batch = [data.draw(good_calls) for _ in range(size)]
        self.calls += batch
        self._place(batch)

    @rule(data=st.data(), wild=st.lists(any_calls, min_size=1, max_size=3))
    def place_a_wild_batch(self, data: st.DataObject, wild: list[Call]) -> None:
        good_calls = st.tuples(callers, keys, good_requests(self.shop.catalog))
        batch = data.draw(st.permutations([*wild, data.draw(good_calls), data.draw(good_calls)]))
        self.calls += batch
        self._place(batch)

    @rule(data=st.data())
    def repeat_earlier_calls(self, data: st.DataObject) -> None:
        if self.calls:
            self._place(data.draw(st.lists(st.sampled_from(self.calls), min_size=1, max_size=4)))

    def _place(self, batch: Sequence[Call]) -> None:
        uuids = [uuid4() for _ in batch]
        fresh = iter(uuids)
        asks = [Ask(b"", key, sent(**request)) for _, key, request in batch]
        books = self._loaded(batch)
        shown = listing(1, self.shop.catalog)
        decisions = decide_batch(asks, books, shown, NOW, lambda _: next(fresh))
        fresh = iter(uuids)
        orders = 0
        for (account, key, request), decision in zip(batch, decisions, strict=True):
            expected = self.shop.place(account, key, request, uuids[orders])
            if isinstance(decision, Accepted):
                terms = decision.terms
                prices_cents = (terms.gross_cents, terms.discount_cents, terms.net_cents)
                assert expected == tuple(Fraction(price, 100) for price in prices_cents)
                assert decision.uuid == uuids[orders]
                assert decision.request_hash == (request_hash(sent(**request)) if key else None)
                orders += 1
                self._save(decision)
            elif isinstance(decision, Replay):
                assert (expected, account) == (decision.uuid, decision.account_id)
            else:
                assert expected == decision.sentence
        self._compare_what_is_left(books)

    def _loaded(self, batch: Sequence[Call]) -> Ledgers:
        """What one statement reads: the accounts that ask, the codes that are asked for, the keys that are sent."""
        asking = [account for account, _, _ in batch]
        asked = {str(request.get("discount_code")).lower() for _, _, request in batch}
        codes = [code.id for code in self.shop.catalog.discount_codes if code.code.lower() in asked]
        customers = {}
        for number in set(asking) - {None}:
            known = self.customers[number or 0]
            sent_keys = {key for account, key, _ in batch if account == number}
            customers[known.account_id] = Customer(
                known.account_id,
                known.balance_cents,
                known.ledger_version,
                dict(known.plan_orders),
                {code_id: known.code_uses.get(code_id, 0) for code_id in codes},
                {key: kept for key, kept in known.keys.items() if key in sent_keys},
            )
        return Ledgers(customers, {code_id: self.uses.get(code_id, 0) for code_id in codes}, asking)

    def _save(self, order: Accepted) -> None:
        buyer = self.customers[order.account_id]
        buyer.balance_cents -= order.terms.net_cents
        assert order.balance_after_cents == buyer.balance_cents
        if order.terms.net_cents:
            buyer.ledger_version += 1
        assert order.ledger_version == (buyer.ledger_version if order.terms.net_cents else None)
        plan_id, code_id = order.terms.plan.id, order.terms.discount_code_id
        buyer.plan_orders[plan_id] = buyer.plan_orders.get(plan_id, 0) + 1
        if code_id is not None:
            self.uses[code_id] = self.uses.get(code_id, 0) + 1
            buyer.code_uses[code_id] = buyer.code_uses.get(code_id, 0) + 1
        if order.idempotency_key is not None and order.request_hash is not None:
            buyer.keys[order.idempotency_key] = (order.uuid, order.request_hash)

    def _compare_what_is_left(self, books: Ledgers) -> None:
        """What a batch leaves in memory is what its accepted orders alone make of the tables."""
        for number, left in books.customers.items():
            kept = self.customers[number]
            assert (left.balance_cents, left.ledger_version) == (kept.balance_cents, kept.ledger_version)
            assert left.plan_orders == kept.plan_orders
            assert all(kept.code_uses.get(code_id, 0) == uses for code_id, uses in left.code_uses.items())
            assert left.keys.items() <= kept.keys.items()
        assert all(self.uses.get(code_id, 0) == uses for code_id, uses in books.uses_by_code.items())

    @invariant()
    def the_tables_and_the_plain_shop_agree(self) -> None:
        for number, buyer in self.customers.items():
            plain = self.shop.customers[number]
            assert Fraction(buyer.balance_cents, 100) == plain.balance == sum(plain.entries)
            assert buyer.balance_cents >= 0
            assert buyer.ledger_version == len(plain.entries)
            assert sum(buyer.plan_orders.values()) == len(plain.orders)
            assert {key: uuid for key, (uuid, _) in buyer.keys.items()} == {
                key: uuid for key, (_, uuid) in plain.keys.items()
            }

    @invariant()
    def uses_are_the_redemptions(self) -> None:
        for code_id, name in enumerate(("Aa", "BB", "c-1"), 10):
            assert self.uses.get(code_id, 0) == self.shop.uses(name)


TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(max_examples=100, stateful_step_count=15, deadline=None)
